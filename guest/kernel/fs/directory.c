/* directory.c: listing directories. */
#include "fs/descriptor.h"
#include "fs/entry.h"
#include "fs/notify.h"
#include "mm/user.h"
#include "syscalls.h"

struct dirent64 {
	u64 ino;
	s64 next;
	u16 size;
	u8 type;
	char name[];
} __attribute__((packed));

struct listing {
	u64 buf;
	size_t size, used;
	u64 position;
	long error; /* what ends the listing */
};

static bool list_entry(void *context, const char *name, u32 size, u64 ino,
		       u32 mode, u64 next)
{
	struct listing *l = context;
	size_t need = (offsetof(struct dirent64, name) + size + 1 + 7) & ~7ul;
	u8 room[offsetof(struct dirent64, name) + NAME_MAX + 8];
	struct dirent64 *d = (struct dirent64 *)room;

	if (need > l->size - l->used) {
		l->error = -EINVAL;
		return false;
	}
	memset(room + need - 8, 0, 8);
	d->ino = ino;
	d->next = (s64)next;
	d->size = (u16)need;
	d->type = (u8)(mode >> 12);
	memcpy(d->name, name, size);
	if (copy_to_user(l->buf + l->used, d, need)) {
		l->error = -EFAULT;
		return false;
	}
	l->used += need;
	l->position = next;
	return true;
}

long sys_getdents64(u64 fd, u64 buf, u64 size)
{
	struct file *f = fd_file((s32)fd);
	struct listing l = { .buf = buf, .size = (u32)size };
	struct node *n;
	u64 position;

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	n = file_node(f);
	if (!n || !is_dir(n))
		return -ENOTDIR;
	if (!n->nlink)
		return -ENOENT;
	l.position = position = f->pos;
	dir_list(n, &position, list_entry, &l);
	f->pos = l.position;
	notify(n, IN_ACCESS);
	return l.used ? (long)l.used : l.error;
}
