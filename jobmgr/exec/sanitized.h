// SPDX-License-Identifier: Apache-2.0
/* sanitized.h - is this a build whose sanitizer makes system calls and maps memory of its own? */
#ifndef XOS_EXEC_SANITIZED_H
#define XOS_EXEC_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define EXEC_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define EXEC_SANITIZED 1
#endif
#endif
#ifndef EXEC_SANITIZED
#define EXEC_SANITIZED 0
#endif

#endif
