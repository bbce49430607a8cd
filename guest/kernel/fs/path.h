/* path.h: paths as the program gives them. */
#ifndef FS_PATH_H
#define FS_PATH_H

#include "fs/vfs.h"

/* Copies a path from the program; freed with kfree. NULL and *error. */
char *path_read(u64 path, long *error);
/* The directory that a relative path starts at. 0 or -errno. */
long path_start(s32 fd, struct node **start);
/* As the *at calls: descriptor and path from the program. */
long path_walk(s32 fd, u64 path, bool follow, bool empty_ok, struct walk *w);
/* As path_walk, but the file must exist. */
long path_existing(s32 fd, u64 path, bool follow, bool empty_ok,
		   struct walk *w);
/* The node of an open descriptor; NULL: it has none, or is not open. */
struct node *fd_node(u64 fd);
/* The running process's working directory. */
struct node *path_cwd(void);

#define AT_CWD ((u64)AT_FDCWD)

#endif
