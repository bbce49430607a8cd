/*
 * jail.h: what a worker is locked into before it first enters a guest. The front
 * end prepares the place once (jail_open) and starts workers (jail_spawn); a
 * worker opens what it needs and then shuts the door behind itself (jail_enter).
 *
 * A worker is not forked but executed anew: nothing of the front end's memory,
 * clients' code and keys, is in it, and its addresses are its own. Workers share
 * one set of empty namespaces, because making a set costs milliseconds; only the
 * PID namespace is each one's own.
 */
#ifndef ZEROBOOT_JAIL_H
#define ZEROBOOT_JAIL_H

#include <stddef.h>
#include <sys/types.h>

#include "err.h"
#include "seccomp.h"

#define JAIL_FILES_MAX 5 /* that are handed to a worker */

/*
 * user: NAME, UID or UID:GID that workers run as; NULL: the account `zeroboot`,
 * else 65534, when started as root, otherwise the user who started it. Call it
 * when everything that needs more rights is open. 0 or -errno.
 */
int jail_open(const char *user, struct err *e);
void jail_close(void);

/* What workers do not get of their own here, and errno's word for the first of
 * it; NULL: nothing. */
const char *jail_missing(int *error);

/* Whom workers are: UID:GID, for jail_enter; NULL: whoever started it. */
const char *jail_user(void);

/*
 * Starts this program anew with argv and no environment. files arrive as
 * descriptors jail_file(0), jail_file(1)..., -1 leaves out one; nothing else
 * does but stderr.
 * Returns the process, which is the caller's to wait for, or -errno.
 */
pid_t jail_spawn(char *const argv[], const int *files, size_t count);
int jail_file(size_t n);
/* Ends it by that signal. Who hangs at a disk is waited for two seconds: it is done when
 * that answers. */
void jail_end(pid_t pid, int signal);

/* In the worker, before it is locked: so many bytes more of address space. */
void jail_spare(unsigned long long more);
/*
 * In the worker: gives up all but files, for good. user: jail_user's word. 0 or
 * -errno: then the worker must not go on.
 */
int jail_enter(const char *user, const struct seccomp_files *files,
	       struct err *e);

#endif
