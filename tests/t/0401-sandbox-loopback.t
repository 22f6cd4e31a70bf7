#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The same federation on loopback addresses, as everybody without root has it. Were this to fail: they
# have none.
XOS_TEST_NET=loopback exec "$(dirname "$0")/0400-sandbox.t"
