/*
 * entry.c: the entries of directories: the image's, and a directory's own. All
 * directories' own entries are found by name in one hash table, and listed by
 * their positions, which only rise.
 */
#include "fs/entry.h"

#include "fs/image.h"
#include "fs/notify.h"
#include "fs/quota.h"
#include "heap.h"

#define OWN_ENTRIES (1ull << 32) /* positions of a directory's own entries */
#define FIRST_BUCKETS 512

struct dentry {
	struct dentry *hash_next;
	struct node *dir;
	struct node *node; /* NULL: hides the image's entry */
	u64 position;
	u32 hash;
	u32 name_size;
	char name[];
};

static struct dentry **buckets;
static u32 bucket_count, entry_count;

static u32 hash_of(const struct node *dir, const char *name, u32 size)
{
	u64 h = 0xcbf29ce484222325ull ^ dir->ino; /* FNV-1a */

	for (u32 i = 0; i < size; i++)
		h = (h ^ (u8)name[i]) * 0x100000001b3ull;
	return (u32)(h ^ h >> 32);
}

/* Twice the buckets, when there is memory for them. */
static void grow(void)
{
	u32 count = bucket_count ? bucket_count * 2 : FIRST_BUCKETS;
	struct dentry **bigger = kmalloc(count * sizeof(struct dentry *));

	if (!bigger)
		return;
	for (u32 i = 0; i < bucket_count; i++) {
		struct dentry *d = buckets[i], *next;

		for (; d; d = next) {
			next = d->hash_next;
			d->hash_next = bigger[d->hash % count];
			bigger[d->hash % count] = d;
		}
	}
	kfree(buckets);
	buckets = bigger;
	bucket_count = count;
}

static struct dentry *own_entry(const struct node *dir, const char *name,
				u32 size)
{
	u32 hash;

	if (!dir->content.root)
		return NULL;
	hash = hash_of(dir, name, size);
	for (struct dentry *d = buckets[hash % bucket_count]; d;
	     d = d->hash_next)
		if (d->hash == hash && d->dir == dir && d->name_size == size &&
		    !memcmp(d->name, name, size))
			return d;
	return NULL;
}

void entry_free(struct dentry *d)
{
	kfree(d);
	quota_give(1);
}

/* Its unit of the quota is taken. */
static struct dentry *entry_new(struct node *dir, const char *name, u32 size)
{
	struct dentry *d = NULL;

	if (entry_count >= bucket_count)
		grow();
	if (bucket_count)
		d = kmalloc(sizeof(*d) + size);
	if (d && !radix_set(&dir->content, dir->next_entry, d)) {
		kfree(d);
		d = NULL;
	}
	if (!d) {
		quota_give(1);
		return NULL;
	}
	d->dir = dir;
	d->position = dir->next_entry++;
	d->hash = hash_of(dir, name, size);
	d->name_size = size;
	memcpy(d->name, name, size);
	d->hash_next = buckets[d->hash % bucket_count];
	buckets[d->hash % bucket_count] = d;
	entry_count++;
	return d;
}

/* Out of the directory; the memory stays. */
static void entry_detach(struct dentry *d)
{
	struct dentry **link = &buckets[d->hash % bucket_count];

	while (*link != d)
		link = &(*link)->hash_next;
	*link = d->hash_next;
	entry_count--;
	radix_remove(&d->dir->content, d->position);
}

/* The own entry of a name, made when there is none, as the name is; moves: of
 * a name that moves. */
static struct dentry *entry_own(struct node *dir, const char *name, u32 size,
				bool moves)
{
	struct dentry *d = own_entry(dir, name, size);

	if (d)
		return d;
	if (moves)
		quota_overdraw(1);
	else if (!quota_take(1))
		return NULL;
	d = entry_new(dir, name, size);
	if (d)
		d->node = image_lookup(dir, name, size);
	return d;
}

/* n has lost the name of d, which is to be freed or to hide the image's. */
static void name_lost(struct node *n, struct dentry *d, bool hides)
{
	if (n && n->name && n->parent == d->dir &&
	    n->name_size == d->name_size &&
	    !memcmp(n->name, d->name, d->name_size)) {
		n->unlinked = true;
		if (n->name == d->name && !hides) {
			n->orphan = d;
			return;
		}
	}
	if (!hides)
		entry_free(d);
}

/* d has no node any more: n had it. */
static void entry_clear(struct dentry *d, struct node *n)
{
	bool hides = image_name(d->dir, d->name, d->name_size);

	d->node = NULL;
	if (!hides)
		entry_detach(d);
	name_lost(n, d, hides);
}

struct node *dir_lookup(struct node *dir, const char *name, u32 size)
{
	struct dentry *d;

	if (dir->ops)
		return dir->ops->lookup(dir, name, size);
	d = own_entry(dir, name, size);
	return d ? d->node : image_lookup(dir, name, size);
}

const char *dir_name(struct node *dir, const char *name, u32 size)
{
	const struct dentry *d = own_entry(dir, name, size);

	if (dir->ops)
		return NULL; /* its nodes know theirs */
	return d ? d->name : image_name(dir, name, size);
}

static u32 dir_bit(const struct node *n)
{
	return is_dir(n) ? IN_ISDIR : 0;
}

static void dir_changed(struct node *dir)
{
	dir->mtime = dir->ctime = stamp_now();
}

long dir_add(struct node *dir, const char *name, u32 size, struct node *n)
{
	struct dentry *d = entry_own(dir, name, size, false);

	if (!d)
		return -ENOSPC;
	d->node = n;
	n->nlink++;
	if (!n->name || n->unlinked)
		node_place(n, dir, d->name, size);
	if (is_dir(n))
		dir->nlink++;
	dir_changed(dir);
	n->ctime = dir->mtime;
	if (!is_dir(n) && n->nlink > 1)
		notify_self(n, IN_ATTRIB);
	notify_name(dir, IN_CREATE | dir_bit(n), name, size, 0);
	return 0;
}

static void dir_lost(struct node *dir, struct node *n)
{
	if (is_dir(n)) {
		n->nlink = 0;
		if (dir->nlink > 2)
			dir->nlink--;
	} else if (n->nlink) {
		n->nlink--;
	}
	node_changed(n);
}

long dir_remove(struct node *dir, const char *name, u32 size)
{
	struct dentry *d = own_entry(dir, name, size);
	struct node *n = d ? d->node : image_lookup(dir, name, size);
	u32 told;

	if (!n)
		return -ENOENT;
	if (!d) {
		quota_overdraw(1);
		d = entry_new(dir, name, size);
	}
	if (!d)
		return -ENOSPC;
	dir_lost(dir, n);
	told = IN_DELETE | dir_bit(n);
	if (told == IN_DELETE)
		notify_self(n, IN_ATTRIB);
	entry_clear(d, n);
	dir_changed(dir);
	node_drop(n);
	/* Those who watched what is gone now have heard it first. */
	notify_name(dir, told, name, size, 0);
	return 0;
}

void node_name(struct node *n, const char *name, u32 size)
{
	struct dentry *d = NULL;

	if (quota_take(1)) {
		d = kmalloc(sizeof(*d) + size);
		if (d)
			memcpy(d->name, name, size);
		else
			quota_give(1);
	}
	n->name = d ? d->name : NULL;
	n->name_size = d ? size : 0;
	n->orphan = d;
	n->unlinked = true;
}

/* old was replaced under the name of d; who has it open still sees the name. */
static void name_replaced(struct node *old, const struct dentry *d)
{
	if (old->name == d->name)
		node_name(old, d->name, d->name_size);
	else if (old->name && old->parent == d->dir &&
		 old->name_size == d->name_size &&
		 !memcmp(old->name, d->name, d->name_size))
		old->unlinked = true;
}

static void dir_moved(struct node *n, struct node *from, struct node *to)
{
	if (!n)
		return;
	node_changed(n);
	if (!is_dir(n) || from == to)
		return;
	if (from->nlink > 2)
		from->nlink--;
	to->nlink++;
}

static void told_move(const struct place *from, const struct place *to,
		      const struct node *n)
{
	u32 cookie = notify_cookie(), bit = dir_bit(n);

	notify_name(from->dir, IN_MOVED_FROM | bit, from->name, from->size,
		    cookie);
	notify_name(to->dir, IN_MOVED_TO | bit, to->name, to->size, cookie);
}

long dir_move(const struct place *from, const struct place *to, bool exchange,
	      struct node *left)
{
	struct dentry *a, *b;
	struct node *moved, *old;

	a = entry_own(from->dir, from->name, from->size, true);
	b = a ? entry_own(to->dir, to->name, to->size, true) : NULL;
	if (!b)
		return -ENOSPC;
	moved = a->node;
	old = b->node;
	if (exchange && !old)
		return -ENOENT;
	node_ref(moved);
	if (old)
		node_ref(old);
	b->node = moved;
	node_place(moved, to->dir, b->name, b->name_size);
	dir_moved(moved, from->dir, to->dir);
	if (exchange && old) {
		a->node = old;
		node_place(old, from->dir, a->name, a->name_size);
		dir_moved(old, to->dir, from->dir);
	} else {
		if (old) {
			dir_lost(to->dir, old);
			name_replaced(old, b);
		}
		a->node = left;
		if (left) {
			left->nlink++;
			node_place(left, from->dir, a->name, a->name_size);
		} else {
			entry_clear(a, NULL);
		}
	}
	dir_changed(from->dir);
	dir_changed(to->dir);
	told_move(from, to, moved);
	if (old && !exchange && !is_dir(old))
		notify_self(old, IN_ATTRIB);
	notify_self(moved, IN_MOVE_SELF);
	if (exchange && old) {
		told_move(to, from, old);
		notify_self(old, IN_MOVE_SELF);
	}
	if (old)
		node_unref(old);
	node_unref(moved);
	return 0;
}

void dir_list(struct node *dir, u64 *position, dir_emit *emit, void *context)
{
	struct node *parent = dir->parent ? dir->parent : dir;
	u64 own;

	if (*position == 0) {
		if (!emit(context, ".", 1, dir->ino, dir->mode, 1))
			return;
		*position = 1;
	}
	if (*position == 1) {
		if (!emit(context, "..", 2, parent->ino, parent->mode, 2))
			return;
		*position = 2;
	}
	if (dir->ops) {
		dir->ops->list(dir, position, emit, context);
		return;
	}
	for (; *position - 2 < image_count(dir); ++*position) {
		u32 size, mode;
		u64 ino;
		const char *name = image_entry(dir, (u32)(*position - 2), &size,
					       &ino, &mode);

		if (!own_entry(dir, name, size) &&
		    !emit(context, name, size, ino, mode, *position + 1))
			return;
	}
	own = *position < OWN_ENTRIES ? 0 : *position - OWN_ENTRIES;
	for (;; own++) {
		const struct dentry *d = radix_next(&dir->content, &own);

		if (!d)
			break;
		if (d->node &&
		    !emit(context, d->name, d->name_size, d->node->ino,
			  d->node->mode, OWN_ENTRIES + own + 1))
			break;
		*position = OWN_ENTRIES + own + 1;
	}
}

static bool stop_at_entry(void *context, const char *name, u32 size, u64 ino,
			  u32 mode, u64 next)
{
	(void)name, (void)size, (void)ino, (void)mode, (void)next;
	*(bool *)context = false;
	return false;
}

bool dir_empty(struct node *dir)
{
	bool empty = true;
	u64 position = 2;

	dir_list(dir, &position, stop_at_entry, &empty);
	return empty;
}

void dir_free(struct node *dir)
{
	u64 position = 0;
	struct dentry *d;

	while ((d = radix_next(&dir->content, &position))) {
		entry_detach(d);
		entry_free(d);
	}
}
