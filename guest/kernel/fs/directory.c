/* directory.c: listing directories. */
#include "fs/descriptor.h"
#include "fs/ramfs.h"
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
	u8 *buf;
	size_t size, used;
	u64 position;
	bool full;
};

static bool list_entry(void *context, const char *name, u32 size,
		       struct node *n, u64 next)
{
	struct listing *l = context;
	size_t need = (offsetof(struct dirent64, name) + size + 1 + 7) & ~7ul;
	struct dirent64 *d = (struct dirent64 *)(l->buf + l->used);

	if (need > l->size - l->used) {
		l->full = true;
		return false;
	}
	memset(d, 0, need);
	d->ino = n->ino;
	d->next = (s64)next;
	d->size = (u16)need;
	d->type = (u8)(n->mode >> 12);
	memcpy(d->name, name, size);
	l->used += need;
	l->position = next;
	return true;
}

static void list_fds(struct listing *l)
{
	static struct node link = { .mode = S_IFLNK | 0700, .ino = 1 };
	char name[12];

	for (s32 fd = (s32)l->position; (fd = fd_next(fd)) >= 0; fd++) {
		u32 n = (u32)ksnprintf(name, sizeof(name), "%d", fd);

		if (!list_entry(l, name, n, &link, (u64)fd + 1))
			return;
	}
}

long sys_getdents64(u64 fd, u64 buf, u64 size)
{
	struct file *f = fd_file((s32)fd);
	struct listing l = { .buf = (u8 *)buf, .size = (u32)size };
	struct node *n;
	u64 position;

	if (!f)
		return -EBADF;
	n = file_node(f);
	if (!n || !is_dir(n))
		return -ENOTDIR;
	if (!user_writable(buf, l.size))
		return -EFAULT;
	l.position = position = f->pos;
	if (n->fds)
		list_fds(&l);
	else
		dir_list(n, &position, list_entry, &l);
	f->pos = l.position;
	return l.full && l.used == 0 ? -EINVAL : (long)l.used;
}
