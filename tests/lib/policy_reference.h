// SPDX-License-Identifier: Apache-2.0
/* policy_reference.h - what a policy's text means, read off the text at each question: slow, and
 * plain enough to be believed. For texts that policy_new() has taken. */
#ifndef XOS_TESTS_POLICY_REFERENCE_H
#define XOS_TESTS_POLICY_REFERENCE_H

#include "vo-auth/core/policy.h"

/* The number of the rule that decides (0: none), and what it says. */
bool policy_reference(const char *text, const struct policy_request *r, unsigned *rule);

#endif
