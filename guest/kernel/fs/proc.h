/*
 * proc.h: /proc and /sys: tables of files that are made when somebody asks for
 * them, and know their content only then.
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include "text.h"

struct process;
struct thread;

/* Whose file it is. */
struct proc_subject {
	struct process *process; /* NULL: the system's */
	struct thread *thread;   /* that of /proc/PID/task/TID, else the first */
	bool whole;              /* of the process, not of one thread */
};

struct proc_row {
	const char *name;
	u32 mode; /* with its type; 0: the end of the table */
	/* A file's text, or a link's target. */
	void (*show)(struct text *t, const struct proc_subject *s);
	/* A write: 0 or -errno; text is terminated. */
	long (*store)(const struct proc_subject *s, const char *text);
	const struct proc_row *rows;    /* of a directory */
	const struct node_ops *special; /* what is neither */
	const char *fixed;              /* instead of show */
};

#define PROC_FILE(name_, show_) { .name = name_, .mode = S_IFREG | 0444, .show = show_ }
#define PROC_PRIVATE(name_, show_) { .name = name_, .mode = S_IFREG | 0400, .show = show_ }
#define PROC_WRITABLE(name_, show_, store_) { .name = name_, .mode = S_IFREG | 0644, .show = show_, .store = store_ }
#define PROC_FIXED(name_, text_) { .name = name_, .mode = S_IFREG | 0444, .fixed = text_ }
#define PROC_LINK(name_, show_) { .name = name_, .mode = S_IFLNK | 0777, .show = show_ }
#define PROC_LINK_TO(name_, text_) { .name = name_, .mode = S_IFLNK | 0777, .fixed = text_ }
#define PROC_DIR(name_, rows_) { .name = name_, .mode = S_IFDIR | 0555, .rows = rows_ }
#define PROC_SPECIAL(name_, mode_, ops_) { .name = name_, .mode = mode_, .special = ops_ }
#define PROC_END { .mode = 0 }

/* proc_process.c: of /proc/PID and /proc/PID/task/TID; proc_system.c; sys.c */
extern const struct proc_row proc_process_rows[], proc_thread_rows[];
extern const struct proc_row proc_system_rows[], sys_rows[];
/* proc_fd.c: directories of descriptors */
extern const struct node_ops proc_fd_ops, proc_fdinfo_ops;

void proc_init(void); /* makes /proc and /sys */

#endif
