/*
 * proc.h: /proc and /sys: tables of files that are made when somebody asks for
 * them, and know their content only then.
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include "fs/vfs.h"
#include "text.h"

struct process;
struct thread;

/* Whose file it is. */
struct proc_subject {
	struct process *process; /* NULL: the system's */
	struct thread *thread; /* that of /proc/PID/task/TID, else the first */
	bool whole;            /* of the process, not of one thread */
	s32 fd;                /* in fd and fdinfo */
};

/* What the numbers are that a directory has as names. */
enum proc_numbers { PROC_NONE, PROC_PROCESSES, PROC_THREADS, PROC_DESCRIPTORS };

struct proc_row {
	const char *name;
	u32 mode;      /* with its type; 0: the end of the table */
	bool intimate; /* only for who may look into the process */
	/* A file's text or a link's target: one of the two. */
	const char *fixed;
	/* All of mm works on the process's space meanwhile, if it has one. */
	void (*show)(struct text *t, const struct proc_subject *s);
	/* Of a file that is no text, or not as the others are; NULL: it is. */
	const struct file_ops *ops;
	/* A write; text is terminated. 0 or -errno. */
	long (*store)(const struct proc_subject *s, const char *text);
	/* Of a link that leads to an open file, whatever its text: borrowed. */
	struct file *(*file)(const struct proc_subject *s);
	/* Of a directory: its rows, and those with numbers. */
	const struct proc_row *rows;
	enum proc_numbers numbers;
	const struct proc_row *numbered;
};

#define PROC_FILE(name_, show_)                                                \
	{                                                                      \
		.name = name_, .mode = S_IFREG | 0444, .show = show_           \
	}
#define PROC_PRIVATE(name_, show_)                                             \
	{                                                                      \
		.name = name_, .mode = S_IFREG | 0400, .intimate = true,       \
		.show = show_                                                  \
	}
#define PROC_INTIMATE(name_, show_)                                            \
	{                                                                      \
		.name = name_, .mode = S_IFREG | 0444, .intimate = true,       \
		.show = show_                                                  \
	}
#define PROC_WRITABLE(name_, show_, store_)                                    \
	{                                                                      \
		.name = name_, .mode = S_IFREG | 0644, .show = show_,          \
		.store = store_                                                \
	}
#define PROC_FIXED(name_, text_)                                               \
	{                                                                      \
		.name = name_, .mode = S_IFREG | 0444, .fixed = text_          \
	}
#define PROC_FIXED_OPS(name_, text_, ops_)                                     \
	{                                                                      \
		.name = name_, .mode = S_IFREG | 0444, .fixed = text_,         \
		.ops = ops_                                                    \
	}
#define PROC_LINK(name_, show_)                                                \
	{                                                                      \
		.name = name_, .mode = S_IFLNK | 0777, .show = show_           \
	}
#define PROC_INTIMATE_LINK(name_, show_, file_)                                \
	{                                                                      \
		.name = name_, .mode = S_IFLNK | 0777, .intimate = true,       \
		.show = show_, .file = file_                                   \
	}
#define PROC_NAMESPACE(name_, text_)                                           \
	{                                                                      \
		.name = name_, .mode = S_IFLNK | 0777, .intimate = true,       \
		.fixed = text_                                                 \
	}
#define PROC_LINK_TO(name_, text_)                                             \
	{                                                                      \
		.name = name_, .mode = S_IFLNK | 0777, .fixed = text_          \
	}
#define PROC_DIR(name_, rows_)                                                 \
	{                                                                      \
		.name = name_, .mode = S_IFDIR | 0555, .rows = rows_           \
	}
#define PROC_INTIMATE_DIR(name_, rows_)                                        \
	{                                                                      \
		.name = name_, .mode = S_IFDIR | 0555, .intimate = true,       \
		.rows = rows_                                                  \
	}
#define PROC_NUMBERS(name_, mode_, numbers_, row_)                             \
	{                                                                      \
		.name = name_, .mode = S_IFDIR | (mode_), .numbers = numbers_, \
		.intimate = (numbers_) == PROC_DESCRIPTORS, .numbered = row_   \
	}
#define PROC_END                                                               \
	{                                                                      \
		.mode = 0                                                      \
	}

/* proc_process.c: of /proc/PID and /proc/PID/task/TID */
extern const struct proc_row proc_process_rows[], proc_thread_rows[];
/* proc_system.c: /proc; proc_sys.c: /proc/sys; proc_device.c: /sys */
extern const struct proc_row proc_system_rows[], proc_sys_rows[];
extern const struct proc_row proc_device_rows[];
extern const struct proc_row proc_net_rows[]; /* proc_net.c */

/* What net/ knows of /proc/net. */
enum proc_net {
	PROC_NET_DEV,
	PROC_NET_TCP,
	PROC_NET_TCP6,
	PROC_NET_UDP,
	PROC_NET_UDP6,
	PROC_NET_UDPLITE,
	PROC_NET_UDPLITE6,
	PROC_NET_UNIX,
	PROC_NET_NETLINK,
	PROC_NET_SOCKSTAT,
	PROC_NET_SOCKSTAT6,
};
/* It gives the lines under a table's heading. */
extern void (*proc_net_lines)(struct text *t, enum proc_net table);
/* proc_fd.c: entries of fd and fdinfo */
extern const struct proc_row proc_fd_row, proc_fdinfo_row;
/* proc_cpu.c, proc_memory.c */
void proc_show_cpuinfo(struct text *t, const struct proc_subject *s);
void proc_show_maps(struct text *t, const struct proc_subject *s);
void proc_show_smaps(struct text *t, const struct proc_subject *s);
void proc_show_rollup(struct text *t, const struct proc_subject *s);

extern const struct file_ops proc_mem_ops; /* proc_mem.c */

/*
 * A node's key: whose file it is. The process or thread in the low half; the
 * descriptor and 1 above it.
 */
#define PROC_KEY_WHOLE (1ull << 31) /* the process, not its first thread */
#define PROC_KEY_FD 32
/* proc_subject.c: false: it is gone. */
bool proc_subject(const struct node *n, struct proc_subject *s);

void proc_init(void); /* makes /proc and /sys */
/* The process that n, a directory /proc/PID, is of; 0: n is none; -ESRCH: it is
 * gone. */
s32 proc_process_of(const struct node *n);

#endif
