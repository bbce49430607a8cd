/* path.h: paths as the program gives them. */
#ifndef FS_PATH_H
#define FS_PATH_H

#include "fs/walk.h"

#define SHORT_PATH 200

/* A path of the program: a copy on the stack, or in memory of its own. */
struct path {
	char *text;
	char brief[SHORT_PATH];
};

/* 0 or -errno; after 0 path_end() is due. */
long path_read(u64 address, struct path *p);
void path_end(struct path *p);
/* The directory that a relative path starts at. 0 or -errno. */
long path_start(s32 fd, struct node **start);
/* As the *at calls: descriptor and path from the program. */
long path_walk(s32 fd, u64 path, bool follow, bool empty_ok, struct walk *w);
/* For a name to be made, moved or removed: WALK_NAME. */
long path_name(s32 fd, u64 path, struct walk *w);
/* As path_walk, but the file must exist. */
long path_existing(s32 fd, u64 path, bool follow, bool empty_ok,
		   struct walk *w);
/* As path_existing, for calls that change a node: it must have one. */
long path_node(s32 fd, u64 path, bool follow, bool empty_ok, struct node **n);
/* As path_walk, for a name to be made: -EEXIST and what forbids it. */
long path_new(s32 fd, u64 path, struct walk *w);
/* Gives a new node this name, its first; NULL: there was no room for it. */
long path_add(struct walk *w, struct node *n);
/* What is there and no directory loses its name. */
long path_remove(struct walk *w);
/* The node of an open descriptor; NULL: it has none, or is not open. */
struct node *fd_node(u64 fd);
/* The running process's working directory. */
struct node *path_cwd(void);
/* It becomes this one, where there is such. */
void path_enter(const char *path);

#define AT_CWD ((u64)AT_FDCWD)

#endif
