// SPDX-License-Identifier: Apache-2.0
/* execsys.h - the few system calls that execd, shim and init share. libc only.
 *
 * Each returns 0 or -1 with errno, unless it says otherwise. */
#ifndef XOS_EXEC_EXECSYS_H
#define XOS_EXEC_EXECSYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t sys_boot_ms(void); /* CLOCK_BOOTTIME */
int64_t sys_real_ms(void);

/* This boot's id; all zero where /proc has none. */
void sys_boot_id(uint8_t out[static 16]);

/* Start time of a process in clock ticks since boot: with its pid it names the process for ever. */
int sys_start_time(pid_t pid, uint64_t *ticks);

/* A pidfd of the process that had this start time; -1 when it is gone. */
int sys_pidfd_of(pid_t pid, uint64_t start_ticks);
int sys_pidfd_signal(int pidfd, int signal, unsigned flags);

int sys_write_all(int fd, const void *data, size_t bytes);

/* One packet, and a descriptor with it (-1: none). As sendmsg. */
ssize_t sys_send_fd(int socket, const void *data, size_t bytes, int fd, int flags);
/* As recvmsg; *fd is the caller's to close, -1: none came. Of several none is taken. */
ssize_t sys_recv_fd(int socket, void *data, size_t bytes, int *fd, int flags);

/* Bytes read (less than max at the end of the file), or -1. */
ssize_t sys_read_all(int fd, void *data, size_t max);

/* Replace dir/name by these bytes, whole or not at all: temporary file, rename. SYS_DURABLE adds
 * an fsync of both and so survives power loss; what counts only until the next boot needs none. */
enum sys_durability { SYS_THIS_BOOT, SYS_DURABLE };
int sys_replace(int dir, const char *name, const void *data, size_t bytes, mode_t mode,
                enum sys_durability durability);

/* Read a whole small file under dir: bytes read, or -1. */
ssize_t sys_read_file(int dir, const char *name, void *data, size_t max);

/* Write a text into a control file (cgroup, /proc). */
int sys_write_text(int dir, const char *name, const char *text);

/* Parse the number that follows `key` and a space or ':' in a text of lines; -1 when absent. */
int sys_find_number(const char *text, const char *key, uint64_t *value);

#endif
