/*
 * seccomp.h: the system calls that a worker may still make once it is locked
 * down. Any other ends the process. The list is the table in seccomp.c.
 */
#ifndef ZEROBOOT_SECCOMP_H
#define ZEROBOOT_SECCOMP_H

#include "err.h"

/*
 * What the list tells apart by number. A VM that is thrown away and made again
 * gets the numbers of the old one, because nothing else is opened meanwhile.
 */
struct seccomp_files {
	int channel, log, kvm, vm, vcpu;
	int memory, image, file, source; /* what VMs start from: load.h */
};

/*
 * For good, for this thread and what it would start. Wants no_new_privs or
 * CAP_SYS_ADMIN. 0 or -errno.
 */
int seccomp_enter(const struct seccomp_files *files, struct err *e);

#endif
