/*
 * vfs.h: the file system: the read-only image under an in-memory layer.
 *
 * A node is a file of any type. Nodes of image files are made when first met
 * and stay; their data stays in the image until it is written to. A directory
 * has the image's entries, and a list of its own that overrides them (an entry
 * without a node hides the image's).
 */
#ifndef FS_VFS_H
#define FS_VFS_H

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "fs/file.h"

#define NAME_MAX 255
#define PATH_MAX 4096
#define NO_INODE 0xffffffffu

struct node;

struct dentry {
	struct dentry *next;
	struct node *node; /* NULL: hides the image's entry */
	u64 cookie;        /* position for getdents, rising */
	u32 name_size;
	char name[];
};

struct node {
	struct node *hash_next;
	u32 image; /* inode number in the image, or NO_INODE */
	u32 mode, uid, gid, nlink;
	u32 refs; /* open files and working directories */
	u64 ino, size, rdev;
	u64 mtime, ctime; /* ns; atime is not kept: reads write nothing */
	u64 atime;        /* 0: as mtime */
	void *object; /* what a FIFO or a socket is while it is in use: theirs */
	struct node *parent; /* of a directory */
	/* directory */
	struct dentry *first, *last;
	bool fds; /* /proc/self/fd */
	/* regular file */
	gpa_t *frames;
	u64 frame_count;
	bool in_memory; /* frames hold the data, not the image */
	u32 seals;
	/* symbolic link in memory */
	char *target;
	/* file of /proc: writes its content, returns the size; also a link's */
	size_t (*generate)(char *buf, size_t size);
};

/* Where a path leads. */
struct walk {
	struct node *parent; /* of the last component; NULL for "/" */
	struct node *node;   /* NULL: does not exist */
	struct file *magic;  /* behind /proc/self/fd/N: borrowed */
	char name[NAME_MAX + 1];
	u32 name_size;
	bool directory; /* a trailing slash asks for one */
};

extern struct node *root_node;

void vfs_init(void);
/* From directory start (NULL: the root); follow: the last link, too. 0 or
 * -errno; a missing last component is 0 with node NULL. */
long vfs_walk(struct node *start, const char *path, bool follow,
	      struct walk *w);

struct node *node_new(u32 mode);
void node_ref(struct node *n);
void node_unref(struct node *n); /* frees it when nothing is left */
struct node *dir_lookup(struct node *dir, const char *name, u32 size);
long dir_add(struct node *dir, const char *name, u32 size, struct node *n);
long dir_remove(struct node *dir, const char *name, u32 size);
bool dir_empty(struct node *dir);
/* Calls emit for each entry from *position on until it returns false. */
void dir_list(struct node *dir, u64 *position,
	      bool (*emit)(void *context, const char *name, u32 size,
			   struct node *n, u64 next),
	      void *context);
/* Adds a node of this mode under a path of the kernel's own; NULL: no memory. */
struct node *vfs_make(const char *path, u32 mode);
/* Path of a directory, written to the end of buf; NULL: too long. */
char *node_path(const struct node *dir, char *buf, size_t size);
/* Reads a link; bytes, not terminated. */
long node_readlink(struct node *n, char *buf, size_t size);
void node_stat(const struct node *n, struct stat *st);
/* memfd seals, F_SEAL_*: whether any of these is set. */
static inline bool node_sealed(const struct node *n, u32 seals)
{
	return n->seals & seals;
}
/* Whether a shared mapping of it can be written to. */
static inline bool node_mapped_writable(const struct node *n)
{
	(void)n;
	return false;
}
static inline bool is_dir(const struct node *n)
{
	return (n->mode & S_IFMT) == S_IFDIR;
}

#endif
