/*
 * proc.c: the trees /proc and /sys: nodes of rows, made when they are looked
 * up. The last ones are remembered, so that those of a walk live until it ends.
 */
#include "fs/proc.h"

#include "fs/descriptor.h"
#include "fs/entry.h"
#include "fs/mount.h"
#include "fs/regular.h"
#include "heap.h"
#include "mm/space.h"
#include "task/process.h"

#define REMEMBERED 64
#define FIRST_INODE (1ull << 40) /* above those of files in memory */
#define NUMBER_SIZE 12

static struct memory {
	struct node *node; /* referenced */
	u64 used;          /* when it was looked up last, by turn */
} * remembered;
static u32 remembered_count;
static u64 turn;

/* ---- numbers as names ---- */

/* The lowest thread at or above from; they are in a list of no order. */
static s64 next_thread(const struct process *p, s64 from)
{
	s64 best = -1;

	for (const struct thread *t = p->threads; t; t = t->peer)
		if (t->tid >= from && (best < 0 || t->tid < best))
			best = t->tid;
	return best;
}

static s64 next_process(s64 from)
{
	s64 best = from <= INIT_PROCESS ? INIT_PROCESS : -1;

	for (const struct process *p = processes; p; p = p->all_next)
		if (p->pid >= from && (best < 0 || p->pid < best))
			best = p->pid;
	return best;
}

/* The next number at or above from that the directory has, or -1. */
static s64 next_number(const struct node *dir, s64 from)
{
	struct proc_subject s;

	if (!proc_subject(dir, &s))
		return -1;
	switch (dir->row->numbers) {
	case PROC_PROCESSES:
		return next_process(from);
	case PROC_THREADS:
		return next_thread(s.process, from);
	case PROC_DESCRIPTORS:
		return fd_next_of(s.process, (s32)from);
	default:
		return -1;
	}
}

static u64 key_of(const struct node *dir, s64 number)
{
	switch (dir->row->numbers) {
	case PROC_PROCESSES:
		return (u64)number | PROC_KEY_WHOLE;
	case PROC_THREADS:
		return (u64)number;
	case PROC_DESCRIPTORS:
		return dir->key | (u64)(number + 1) << PROC_KEY_FD;
	default:
		return dir->key;
	}
}

/* -1: the name is no such number. */
static s64 parse_name(const char *name, u32 size)
{
	s64 value = 0;

	if (size == 0 || size >= NUMBER_SIZE - 2 || (size > 1 && *name == '0'))
		return -1;
	for (u32 i = 0; i < size; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		value = value * 10 + name[i] - '0';
	}
	return value;
}

/* ---- nodes ---- */

static u64 inode_of(const struct proc_row *row, u64 key)
{
	u64 mixed = ((u64)row >> 3) * 0x9e3779b97f4a7c15ull +
		    key * 0xff51afd7ed558ccdull;

	return FIRST_INODE + (mixed >> 24);
}

/* The one that was looked up longest ago of those that nobody uses; NULL: none. A
 * directory whose children are remembered is in use. */
static struct memory *oldest_unused(void)
{
	struct memory *found = NULL;

	for (u32 i = 0; i < remembered_count; i++) {
		struct memory *m = &remembered[i];

		if (m->node->refs == 1 && (!found || m->used < found->used))
			found = m;
	}
	return found;
}

/* Takes the place of one that nobody uses. False: no memory for one more. */
static bool remember(struct node *n)
{
	struct memory *bigger, *at = NULL;

	if (remembered_count >= REMEMBERED)
		at = oldest_unused();
	if (at) {
		at->node->nlink = 0;
		node_unref(at->node);
	} else {
		bigger = krealloc(remembered,
				  (remembered_count + 1) * sizeof(*remembered));
		if (!bigger)
			return false;
		remembered = bigger;
		at = &remembered[remembered_count++];
	}
	node_ref(n);
	*at = (struct memory){ n, ++turn };
	return true;
}

static struct node *recall(const struct proc_row *row, u64 key)
{
	for (u32 i = 0; i < remembered_count; i++) {
		struct memory *m = &remembered[i];

		if (m->node->row == row && m->node->key == key) {
			m->used = ++turn;
			return m->node;
		}
	}
	return NULL;
}

/* As Linux: of those in fd, and of those that always lead to the same place. */
static u64 link_size(const struct proc_row *row)
{
	if (row == &proc_fd_row)
		return 64;
	if ((row->mode & S_IFMT) != S_IFLNK || !row->fixed || row->intimate)
		return 0;
	return strlen(row->fixed);
}

static const struct node_ops proc_ops;

/* number: the name of one of the numbered. False: no memory. */
static bool place(struct node *n, struct node *dir, s64 number)
{
	const char *name = n->row->name;
	char text[NUMBER_SIZE];

	if (!name) {
		ksnprintf(text, sizeof(text), "%ld", number);
		/* a link's is what its row shows */
		name = n->target = kstrdup(text);
	}
	if (!name)
		return false;
	node_place(n, dir, name, (u32)strlen(name));
	return true;
}

/* Its place in dir comes before others are forgotten: dir may be one of them. */
static struct node *make(struct node *dir, const struct proc_row *row, u64 key,
			 s64 number)
{
	struct node *n = recall(row, key);

	if (n)
		return n;
	n = node_new(row->mode);
	if (!n)
		return NULL;
	n->ops = &proc_ops;
	n->row = row;
	n->key = key;
	n->ino = inode_of(row, key);
	n->size = link_size(row);
	if (!place(n, dir, number) || !remember(n)) {
		node_drop(n);
		return NULL;
	}
	n->nlink = is_dir(n) ? 2 : 1;
	return n;
}

/* The owner may have changed since; prctl(2), PR_SET_DUMPABLE. Descriptors are
 * always the process's own to see. */
static void own(struct node *n)
{
	struct proc_subject s;

	if (!proc_subject(n, &s) || !s.process)
		return;
	n->uid = n->gid = 0;
	if (s.process->dumpable || n->row->numbers == PROC_DESCRIPTORS ||
	    s.fd >= 0) {
		n->uid = s.thread->ids.euid;
		n->gid = s.thread->ids.egid;
	}
	if (node_type(n) == S_IFLNK && s.fd >= 0) {
		static const u32 rights[] = { 0500, 0300, 0700, 0700 };
		const struct file *f = fd_file_of(s.process, s.fd);

		if (f)
			n->mode = S_IFLNK | rights[f->flags & O_ACCMODE];
	}
}

/* ---- directories ---- */

static struct node *find(struct node *dir, const char *name, u32 size)
{
	const struct proc_row *row = dir->row;
	struct proc_subject s;
	s64 number;

	if (!proc_subject(dir, &s))
		return NULL; /* of a process that is gone */
	for (const struct proc_row *r = row->rows; r && r->mode; r++)
		if (strlen(r->name) == size && !memcmp(r->name, name, size))
			return make(dir, r, dir->key, 0);
	number = row->numbered ? parse_name(name, size) : -1;
	if (number < 0)
		return NULL;
	/* As on Linux a thread's number leads to its process, unlisted. */
	if (row->numbers == PROC_PROCESSES ? !thread_find((s32)number) :
					     next_number(dir, number) != number)
		return NULL;
	return make(dir, row->numbered, key_of(dir, number), number);
}

static struct node *lookup(struct node *dir, const char *name, u32 size)
{
	struct node *n = find(dir, name, size);

	if (n)
		own(n);
	return n;
}

static void list(struct node *dir, u64 *position, dir_emit *emit, void *context)
{
	const struct proc_row *row = dir->row;
	char name[NUMBER_SIZE];
	u64 rows = 2; /* "." and ".." are before them */
	struct proc_subject s;
	s64 number;

	if (!proc_subject(dir, &s))
		return;
	for (const struct proc_row *r = row->rows; r && r->mode; r++, rows++) {
		if (*position > rows)
			continue;
		if (!emit(context, r->name, (u32)strlen(r->name),
			  inode_of(r, dir->key), r->mode, rows + 1))
			return;
		*position = rows + 1;
	}
	if (!row->numbered)
		return;
	*position = MAX(*position, rows);
	while ((number = next_number(dir, (s64)(*position - rows))) >= 0) {
		u32 size = (u32)ksnprintf(name, sizeof(name), "%ld", number);

		*position = rows + (u64)number;
		if (!emit(context, name, size,
			  inode_of(row->numbered, key_of(dir, number)),
			  row->numbered->mode, *position + 1))
			return;
		++*position;
	}
}

/* ---- files and links ---- */

static long permission(const struct node *n)
{
	struct proc_subject s;

	if (!n->row->intimate || !proc_subject(n, &s) || !s.process)
		return 0;
	return process_may_look(s.process) ? 0 : -EACCES;
}

static long show(const struct node *n, struct text *t)
{
	struct proc_subject s;
	struct space *own;
	long r;

	if (!proc_subject(n, &s))
		return -ESRCH;
	r = permission(n);
	if (r)
		return r;
	if (n->row->fixed)
		text_bytes(t, n->row->fixed, strlen(n->row->fixed));
	if (!n->row->show)
		return 0;
	own = space_look_at(s.process && s.process->space ? s.process->space :
							    space);
	n->row->show(t, &s);
	space_look_at(own);
	return 0;
}

static long store(const struct node *n, const char *text)
{
	struct proc_subject s;

	if (!n->row->store)
		return -EINVAL;
	return proc_subject(n, &s) ? n->row->store(&s, text) : -ESRCH;
}

static struct file *file(const struct node *n)
{
	struct proc_subject s;

	return n->row->file && proc_subject(n, &s) ? n->row->file(&s) : NULL;
}

static bool magic(const struct node *n)
{
	return n->row->file != NULL;
}

/* Of the files of processes few can be waited for. */
static const struct file_ops *ops_of(const struct node *n)
{
	return n->row->ops ?: n->key ? NULL : &made_system_ops;
}

static const struct node_ops proc_ops = {
	.ops = ops_of,
	.lookup = lookup,
	.list = list,
	.permission = permission,
	.show = show,
	.store = store,
	.magic = magic,
	.file = file,
};

/* ---- the roots ---- */

static const struct proc_row process_row = {
	.mode = S_IFDIR | 0555,
	.rows = proc_process_rows,
};
static const struct proc_row proc_root = {
	.mode = S_IFDIR | 0555,
	.rows = proc_system_rows,
	.numbers = PROC_PROCESSES,
	.numbered = &process_row,
};
static const struct proc_row sys_root = PROC_DIR("sys", proc_device_rows);

s32 proc_process_of(const struct node *n)
{
	struct proc_subject s;

	if (n->row != &process_row)
		return 0;
	return proc_subject(n, &s) && s.process ? s.process->pid : -ESRCH;
}

static void serve(const char *path, const struct proc_row *row, enum mount m)
{
	struct node *n = vfs_make(path, row->mode);

	if (!n)
		return;
	n->ops = &proc_ops;
	n->row = row;
	n->mode = row->mode;
	mount_serve(m, n);
}

void proc_init(void)
{
	serve("/proc", &proc_root, MOUNT_PROC);
	serve("/sys", &sys_root, MOUNT_SYS);
}
