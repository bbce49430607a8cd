/*
 * vfs.h: the file system: the read-only image under an in-memory layer.
 *
 * A node is a file of any type. Nodes of image files are made when first met
 * and stay until their last name is removed; their data stays in the image
 * until it is written to. A directory has the image's entries, and entries of
 * its own that override them (one without a node hides the image's).
 */
#ifndef FS_VFS_H
#define FS_VFS_H

#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/stat.h>

#include "fs/file.h"
#include "fs/radix.h"

#define NAME_MAX 255
#define PATH_MAX 4096
#define NO_INODE 0xffffffffu

struct dentry;
struct node;
struct watch;
struct xattr;
struct text;
struct proc_row;

/* A time of a file; sec may be before 1970. */
struct stamp {
	s64 sec;
	u32 nsec;
};

/* Calls emit for each entry from *position on until it returns false. */
typedef bool dir_emit(void *context, const char *name, u32 size, u64 ino,
		      u32 mode, u64 next);

/* A file system that keeps no files serves a node of its own with these. */
struct node_ops {
	/* Of a directory. A node lives at least as long as its user needs to
	 * take a reference. list is not asked for "." and "..". */
	struct node *(*lookup)(struct node *dir, const char *name, u32 size);
	void (*list)(struct node *dir, u64 *position, dir_emit *emit,
		     void *context);
	/* How a file is read and written that is no text; NULL: it is. */
	const struct file_ops *(*ops)(const struct node *n);
	/* What the mode does not say of who may open, list or read; NULL: it
	 * says all. 0 or -errno. */
	long (*permission)(const struct node *n);
	/* Adds a file's content, or a link's target. */
	long (*show)(const struct node *n, struct text *t);
	/* A write; the text is terminated. 0 or -errno. */
	long (*store)(const struct node *n, const char *text);
	/* Whether a link leads to an open file, whatever it shows; and to which
	 * one: borrowed, NULL when it is closed. */
	bool (*magic)(const struct node *n);
	struct file *(*file)(const struct node *n);
};

struct node {
	u32 image; /* inode number in the image, or NO_INODE */
	u32 mode, uid, gid, nlink;
	u32 refs; /* open files, working directories, nodes below */
	u64 ino, size, rdev;
	struct stamp atime, mtime, ctime, btime;
	/*
	 * Where it is, as last opened, for showing paths. The name lies in the
	 * image or in the entry that has it, which becomes `orphan` when it is
	 * taken out of its directory.
	 */
	struct node *parent; /* referenced; NULL: the root, or nowhere */
	const char *name;    /* not terminated */
	u32 name_size;
	bool unlinked; /* the name is gone */
	bool linkable; /* made without a name: linkat may give it one */
	u32 seals;
	s32 writers; /* files open for writing; below 0: programs that run */
	struct dentry *orphan;
	/* directory: own entries by position, struct dentry *;
	 * regular file: frames by page number, gpa_t */
	struct radix content;
	union {
		u64 next_entry; /* of a directory */
		u64 stand_ins;  /* a regular file's pages in place of holes */
	};
	u64 image_size; /* bytes that the image has, where no frame is */
	u64 frame_count, covered_count; /* all; those in place of the image's */
	/* symbolic link in memory */
	char *target;
	/* of a file system whose files are made when asked for: else NULL */
	const struct node_ops *ops;
	const struct proc_row *row; /* proc.c: what it shows */
	u64 key;                    /* and of whom */
	struct xattr *xattrs;
	struct watch *watches; /* notify.c */
	/* what a FIFO or a socket is while it is in use: theirs */
	void *object;
};

_Static_assert(sizeof(struct node) <= 256, "a node is an object of 256 bytes");

extern struct node *root_node;

struct node *node_new(u32 mode);
void node_ref(struct node *n);
void node_unref(struct node *n); /* frees it when nothing is left */
/* Frees a node that has neither names nor references. */
void node_drop(struct node *n);
/* n was reached by this name, of the image or of an entry. */
void node_place(struct node *n, struct node *parent, const char *name,
		u32 size);
/* Path of a node, written to the end of buf; NULL: too long. */
char *node_path(const struct node *n, char *buf, size_t size);
/* Reads a link; bytes, not terminated. */
long node_readlink(struct node *n, char *buf, size_t size);
void node_stat(const struct node *n, struct stat *st);
struct stamp stamp_now(void);
void node_changed(struct node *n); /* ctime */
/* The running process's root. */
struct node *vfs_root(void);
struct node *file_node(const struct file *f); /* NULL: not of a file system */
/* f is one more that writes to n (1), or that nobody may write to it for (-1),
 * until it is released or counted anew; 0: neither. */
void file_count_writer(struct file *f, struct node *n, s32 writer);
/* What is mounted, as /proc/PID/mountinfo numbers it; st_dev is the same. */
enum mount { MOUNT_ROOT = 1, MOUNT_PROC, MOUNT_SYS, MOUNT_PTS, MOUNTS };
/* Pipes, sockets and the like are of file systems that are mounted nowhere. */
#define MOUNT_NONE 15

/* The directory is this one's root. */
void mount_serve(enum mount m, const struct node *root);
u32 node_mount(const struct node *n);
u32 file_mount(const struct file *f);
bool is_mount_root(const struct node *n);
/* statfs's f_type. */
u32 mount_magic(u32 mount);

/* For files of nodes: struct file_ops, stat, describe and release. */
long node_file_stat(struct file *f, struct stat *st);
size_t node_file_describe(struct file *f, char *buf, size_t size);
void node_file_release(struct file *f);
#define NODE_FILE                                                              \
	.stat = node_file_stat, .describe = node_file_describe,                \
	.release = node_file_release, .of_node = true
static inline u32 node_type(const struct node *n)
{
	return n->mode & S_IFMT;
}
#define NODE_SEALABLE 0x80000000u /* of `seals`: there may be some */
#define NODE_SEAL_EXEC 0x20 /* F_SEAL_EXEC, which older header sets lack */
/* memfd seals, F_SEAL_*: whether any of these is set. */
static inline bool node_sealed(const struct node *n, u32 seals)
{
	return n->seals & seals;
}
static inline bool is_dir(const struct node *n)
{
	return node_type(n) == S_IFDIR;
}

#endif
