/*
 * lock.c: advisory locks.
 *
 * A lock belongs to a file's object (a node, a pipe: what all its openings
 * share). Objects with locks or with waiters have an entry in a hash table, so
 * that those without cost nothing. Locks of an entry stand by owner, and for
 * one owner by range: its ranges never overlap, and do not touch when they are
 * of one type. POSIX and OFD locks exclude each other; flock locks only their
 * kind. Waiters try again whenever a lock of their object goes.
 */
#include "fs/lock.h"

#include <asm/stat.h>
#include <linux/fcntl.h>

#include "fs/descriptor.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/process.h"

#define BUCKETS 64
#define OFFSET_LAST 0x7fffffffffffffffll
#define MAX_CHAIN                                                              \
	10 /* as Linux: longer circles of waiters are not looked for */

#define LOCK_SH 1 /* of flock; <asm-generic/fcntl.h> has only LOCK_MAND */
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

enum kind { FLOCK, POSIX, OFD };

struct lock {
	struct lock *next;
	enum kind kind;
	s32 type;          /* F_RDLCK, F_WRLCK; of a request also F_UNLCK */
	const void *owner; /* the descriptors of a POSIX lock, else the file */
	s32 pid;           /* what F_GETLK and /proc/locks show */
	s64 start, end;    /* the last byte is in it */
};

struct locked {
	struct locked *next;
	const void *object;
	u64 device, inode; /* its, for /proc/locks */
	struct lock *locks;
	struct waitq waiters;
	u32 waiting;
};

/* A POSIX request that waits, for the search for circles. */
struct waiter {
	struct waiter *next;
	const void *owner, *holder;
};

static struct locked *table[BUCKETS];
static u64 locked_count;
static struct waiter *waiters;

static struct locked **bucket_of(const void *object)
{
	return &table[(u64)object / 64 % BUCKETS];
}

static struct locked *locked_find(const void *object)
{
	struct locked *l = *bucket_of(object);

	while (l && l->object != object)
		l = l->next;
	return l;
}

static struct locked *locked_get(struct file *f)
{
	const void *object = f->node;
	struct locked *l = locked_find(object), **bucket = bucket_of(object);
	struct stat st = { 0 };

	if (l)
		return l;
	l = kmalloc(sizeof(*l));
	if (!l)
		return NULL;
	file_stat(f, &st);
	*l = (struct locked){ .next = *bucket,
			      .object = object,
			      .device = st.st_dev,
			      .inode = st.st_ino };
	*bucket = l;
	locked_count++;
	return l;
}

static void locked_put(struct locked *l)
{
	struct locked **p = bucket_of(l->object);

	if (l->locks || l->waiting)
		return;
	while (*p != l)
		p = &(*p)->next;
	*p = l->next;
	locked_count--;
	kfree(l);
}

/* ---- ranges ---- */

static bool same_owner(const struct lock *a, const struct lock *b)
{
	return a->owner == b->owner && a->kind == b->kind;
}

static bool overlap(const struct lock *a, const struct lock *b)
{
	return a->start <= b->end && b->start <= a->end;
}

/* Overlap, or stand side by side. */
static bool touch(const struct lock *a, const struct lock *b)
{
	return (a->start == 0 || a->start - 1 <= b->end) &&
	       (b->start == 0 || b->start - 1 <= a->end);
}

/* Whether k keeps `want` out. To ask for F_UNLCK is to ask for one's own. */
static bool keeps_out(const struct lock *k, const struct lock *want)
{
	if ((k->kind == FLOCK) != (want->kind == FLOCK) || !overlap(k, want))
		return false;
	if (want->type == F_UNLCK)
		return same_owner(k, want);
	return !same_owner(k, want) &&
	       (k->type == F_WRLCK || want->type == F_WRLCK);
}

/* The first lock that does, or NULL. */
static struct lock *conflict(const struct locked *l, const struct lock *want)
{
	struct lock *k = l->locks;

	while (k && !keeps_out(k, want))
		k = k->next;
	return k;
}

static void lock_delete(struct lock **link)
{
	struct lock *k = *link;

	*link = k->next;
	kfree(k);
}

/*
 * Takes `want` out of the owner's other locks, and joins it with those of its
 * type. *spare is used when one is split. Returns where the owner's first lock
 * behind it stands.
 */
static struct lock **carve(struct locked *l, struct lock *want,
			   struct lock **spare)
{
	struct lock **link = &l->locks, *k;

	while ((k = *link) && !same_owner(k, want))
		link = &k->next;
	while ((k = *link) && same_owner(k, want)) {
		if (k->type == want->type && touch(k, want)) {
			want->start = MIN(want->start, k->start);
			want->end = MAX(want->end, k->end);
			lock_delete(link);
			continue;
		}
		if (k->start > want->end)
			break;
		if (k->type != want->type && overlap(k, want)) {
			if (k->start >= want->start && k->end <= want->end) {
				lock_delete(link);
				continue;
			}
			if (k->start < want->start && k->end > want->end) {
				struct lock *right = *spare;

				*spare = NULL;
				*right = *k;
				right->start = want->end + 1;
				k->next = right;
			}
			if (k->start < want->start) {
				k->end = want->start - 1;
			} else {
				k->start = want->end + 1;
				break;
			}
		}
		link = &k->next;
	}
	return link;
}

/* Nothing keeps it out: 0 or -ENOLCK. */
static long lock_apply(struct locked *l, const struct lock *request)
{
	struct lock *made = kmalloc(sizeof(*made));
	struct lock *spare = kmalloc(sizeof(*spare));
	struct lock **link;

	if (!made || !spare) {
		kfree(made);
		kfree(spare);
		return -ENOLCK;
	}
	*made = *request;
	link = carve(l, made, &spare);
	kfree(spare);
	if (made->type == F_UNLCK) {
		kfree(made);
	} else {
		made->next = *link;
		*link = made;
	}
	waitq_wake_all(&l->waiters);
	return 0;
}

/* ---- waiting ---- */

/* Whether `owner`, who is to wait for `holder`, is waited for by it. */
static bool circle(const void *owner, const void *holder)
{
	for (int i = 0; i < MAX_CHAIN && holder != owner; i++) {
		const struct waiter *w = waiters;

		while (w && w->owner != holder)
			w = w->next;
		if (!w)
			return false;
		holder = w->holder;
	}
	return holder == owner;
}

static long wait_for(struct locked *l, const struct lock *want,
		     const struct lock *held)
{
	struct waiter w = { waiters, want->owner, held->owner }, **p;
	bool posix = want->kind == POSIX && held->kind == POSIX;
	long r;

	if (posix && circle(w.owner, w.holder))
		return -EDEADLK;
	if (posix)
		waiters = &w;
	l->waiting++;
	r = thread_wait(&l->waiters, FOREVER);
	l->waiting--;
	if (posix) {
		for (p = &waiters; *p != &w;)
			p = &(*p)->next;
		*p = w.next;
	}
	return r == -EINTR ? -ERESTARTSYS : 0;
}

static long lock_set(struct file *f, const struct lock *request, bool wait)
{
	struct locked *l = locked_get(f);
	struct lock *held, gone = *request;
	long r = 0;

	if (!l)
		return -ENOLCK;
	/* flock changes a lock by giving it up first */
	if (request->kind == FLOCK) {
		gone.type = F_UNLCK;
		held = l->locks;
		while (held && !same_owner(held, request))
			held = held->next;
		if (held && held->type != request->type)
			r = lock_apply(l, &gone);
	}
	while (!r && request->type != F_UNLCK && (held = conflict(l, request)))
		r = wait ? wait_for(l, request, held) : -EAGAIN;
	if (!r)
		r = lock_apply(l, request);
	locked_put(l);
	return r;
}

/* ---- fcntl ---- */

static s64 file_size(struct file *f)
{
	struct stat st = { 0 };

	file_stat(f, &st);
	return st.st_size;
}

static long range_take(struct file *f, const struct flock *u, struct lock *k)
{
	s64 base = 0;

	if (u->l_whence == 1)
		base = (s64)f->pos;
	else if (u->l_whence == 2)
		base = file_size(f);
	else if (u->l_whence != 0)
		return -EINVAL;
	if (u->l_start > OFFSET_LAST - base)
		return -EOVERFLOW;
	k->start = base + u->l_start;
	if (k->start < 0)
		return -EINVAL;
	k->end = OFFSET_LAST;
	if (u->l_len > 0) {
		if (u->l_len - 1 > OFFSET_LAST - k->start)
			return -EOVERFLOW;
		k->end = k->start + u->l_len - 1;
	} else if (u->l_len < 0) {
		if (k->start + u->l_len < 0)
			return -EINVAL;
		k->end = k->start - 1;
		k->start += u->l_len;
	}
	k->type = u->l_type;
	if (k->type != F_RDLCK && k->type != F_WRLCK && k->type != F_UNLCK)
		return -EINVAL;
	return 0;
}

static long lock_query(const struct file *f, struct lock *want, u64 address,
		       struct flock *u)
{
	const struct locked *l = locked_find(f->node);
	const struct lock *held = l ? conflict(l, want) : NULL;

	u->l_type = F_UNLCK;
	if (held) {
		u->l_type = (short)held->type;
		u->l_whence = 0;
		u->l_start = held->start;
		u->l_len = held->end == OFFSET_LAST ?
				   0 :
				   held->end - held->start + 1;
		u->l_pid = held->pid;
	}
	return copy_to_user(address, u, sizeof(*u));
}

static bool mode_allows(const struct file *f, s32 type)
{
	u32 mode = f->flags & O_ACCMODE;

	return type == F_UNLCK ||
	       mode != (type == F_RDLCK ? O_WRONLY : O_RDONLY);
}

long lock_fcntl(s32 fd, struct file *f, u32 command, u64 address)
{
	bool ofd = command == F_OFD_GETLK || command == F_OFD_SETLK ||
		   command == F_OFD_SETLKW;
	bool query = command == F_GETLK || command == F_OFD_GETLK;
	bool wait = command == F_SETLKW || command == F_OFD_SETLKW;
	struct lock want = {
		.kind = ofd ? OFD : POSIX,
		.owner = ofd ? (void *)f :
			       (void *)current->process->descriptors,
		.pid = ofd ? -1 : current->process->pid
	};
	struct flock u;
	long r = copy_from_user(&u, address, sizeof(u));

	if (r)
		return r;
	if (query && !ofd && u.l_type != F_RDLCK && u.l_type != F_WRLCK)
		return -EINVAL;
	r = range_take(f, &u, &want);
	if (r)
		return r;
	if (!query && !mode_allows(f, want.type))
		return -EBADF;
	if (ofd && u.l_pid)
		return -EINVAL;
	if (query)
		return lock_query(f, &want, address, &u);
	file_ref(f);
	r = lock_set(f, &want, wait);
	/* Closed while we waited: that has let go of locks, of this one too. */
	if (!r && !ofd && want.type != F_UNLCK && fd_file(fd) != f) {
		want.type = F_UNLCK;
		lock_set(f, &want, false);
		r = -EBADF;
	}
	file_unref(f);
	return r;
}

/* ---- flock ---- */

long sys_flock(u64 fd, u64 how)
{
	struct lock want = { .kind = FLOCK,
			     .end = OFFSET_LAST,
			     .pid = current->process->pid };
	struct file *f;
	long r;

	if (how & LOCK_MAND)
		return 0; /* as Linux: they never did anything */
	switch ((u32)how & ~(u32)LOCK_NB) {
	case LOCK_SH:
		want.type = F_RDLCK;
		break;
	case LOCK_EX:
		want.type = F_WRLCK;
		break;
	case LOCK_UN:
		want.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	f = fd_file((s32)fd);
	if (!f || (f->flags & O_PATH))
		return -EBADF;
	want.owner = f;
	file_ref(f);
	r = lock_set(f, &want, !(how & LOCK_NB));
	file_unref(f);
	return r;
}

/* ---- closing ---- */

static void owner_leaves(struct file *f, const void *owner)
{
	struct locked *l = locked_find(f->node);
	struct lock **link;
	bool any = false;

	if (!l)
		return;
	for (link = &l->locks; *link;) {
		if ((*link)->owner == owner) {
			lock_delete(link);
			any = true;
		} else {
			link = &(*link)->next;
		}
	}
	if (any)
		waitq_wake_all(&l->waiters);
	locked_put(l);
}

void lock_descriptor_closed(const struct descriptors *d, struct file *f)
{
	if (locked_count)
		owner_leaves(f, d);
}

void lock_file_gone(struct file *f)
{
	if (locked_count)
		owner_leaves(f, f);
}

/* ---- what /proc shows ---- */

static void show_one(struct text *t, u32 number, const struct locked *l,
		     const struct lock *k)
{
	static const char *const kinds[] = {
		[FLOCK] = "FLOCK ", [POSIX] = "POSIX ", [OFD] = "OFDLCK"
	};

	text_add(t, "%u: %s ADVISORY  %s %d 00:%02lx:%lu %ld ", number,
		 kinds[k->kind], k->type == F_WRLCK ? "WRITE" : "READ", k->pid,
		 l->device, l->inode, k->start);
	if (k->end == OFFSET_LAST)
		text_add(t, "EOF\n");
	else
		text_add(t, "%ld\n", k->end);
}

static void show_of(struct text *t, const struct locked *l,
		    const struct file *f, const struct descriptors *d)
{
	u32 number = 0;

	for (const struct lock *k = l->locks; k; k = k->next)
		if (k->owner == f || k->owner == d) {
			text_add(t, "lock:\t");
			show_one(t, ++number, l, k);
		}
}

void lock_show(struct text *t, const struct file *f,
	       const struct descriptors *d)
{
	const struct locked *of = f ? locked_find(f->node) : NULL;
	u32 number = 0;

	if (of)
		show_of(t, of, f, d);
	for (u32 i = 0; !f && i < BUCKETS; i++)
		for (const struct locked *l = table[i]; l; l = l->next)
			for (const struct lock *k = l->locks; k; k = k->next)
				show_one(t, ++number, l, k);
}
