/* surroundings.h: where a process is among files: what CLONE_FS shares. */
#ifndef FS_SURROUNDINGS_H
#define FS_SURROUNDINGS_H

#include "fs/vfs.h"
#include "task/process.h"

struct surroundings {
	u32 refs;
	u32 umask;
	struct node *cwd;  /* referenced; NULL: the root */
	struct node *root; /* of chroot, the same */
};

/* The running process's. */
static inline struct surroundings *surroundings(void)
{
	return current->process->surroundings;
}

/* Makes them its own. 0 or -ENOMEM. */
long surroundings_unshare(void);
void surroundings_init(void);

#endif
