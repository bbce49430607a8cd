/* xattr.c: the calls for extended attributes: xattr(7). */
#include <linux/capability.h>
#include <linux/limits.h>
#include <linux/xattr.h>

#include "fs/descriptor.h"
#include "fs/notify.h"
#include "fs/path.h"
#include "fs/permission.h"
#include "fs/quota.h"
#include "fs/xattrs.h"
#include "heap.h"
#include "mm/user.h"
#include "syscalls.h"
#include "task/ids.h"

#define NAME_ROOM (XATTR_NAME_MAX + 1)

/* ---- names ---- */

/* What follows the name space, or NULL when the name is of another one. */
static const char *within(const char *name, const char *space)
{
	size_t n = strlen(space);

	return strncmp(name, space, n) ? NULL : name + n;
}

static long name_read(u64 address, char *name)
{
	long r = copy_string_from_user(name, address, NAME_ROOM);

	if (r == -ENAMETOOLONG || r == 0)
		return -ERANGE;
	return r < 0 ? r : 0;
}

/* Linux asks for CAP_SYS_ADMIN, which stands for much that is not here. */
static bool is_admin(void)
{
	return ids_capable(CAP_FOWNER);
}

static bool is_capabilities(const char *name)
{
	return !strcmp(name, XATTR_NAME_CAPS);
}

static bool kept_here(const struct node *n)
{
	return n && node_mount(n) == MOUNT_ROOT;
}

/* What depends on the file, which is none of a file system if NULL. */
static long user_ok(const struct node *n, u32 want)
{
	if (!n || (node_type(n) != S_IFREG && !is_dir(n)))
		return want == MAY_WRITE ? -EPERM : -ENODATA;
	if (want == MAY_WRITE && is_dir(n) && (n->mode & S_ISVTX) &&
	    !ids_own(n->uid))
		return -EPERM;
	return node_permission(n, want);
}

/* Whether the process may read or write attributes of this name, and the file can
 * have them: 0 or -errno. */
static long name_ok(const struct node *n, const char *name, u32 want)
{
	const char *user = within(name, "user.");
	const char *trusted = within(name, "trusted.");
	const char *security = within(name, "security.");
	const char *rest = user ? user : trusted ? trusted : security;
	long r = 0;

	if (!rest)
		return -EOPNOTSUPP;
	if (user)
		r = user_ok(n, want);
	else if (trusted && !is_admin())
		r = want == MAY_WRITE ? -EPERM : -ENODATA;
	else if (security && want == MAY_WRITE &&
		 !(is_capabilities(name) ? ids_capable(CAP_SETFCAP) :
					   is_admin()))
		r = -EPERM;
	if (r)
		return r;
	if (!kept_here(n))
		return -EOPNOTSUPP;
	return *rest ? 0 : -EINVAL;
}

/* What Linux takes as a file's capabilities: <linux/capability.h>. */
static long capabilities_ok(u64 value, u64 size)
{
	u32 magic;

	if ((size != XATTR_CAPS_SZ_2 && size != XATTR_CAPS_SZ_3) ||
	    copy_from_user(&magic, value, sizeof(magic)))
		return -EINVAL;
	return (magic & VFS_CAP_REVISION_MASK) == (size == XATTR_CAPS_SZ_2 ?
							   VFS_CAP_REVISION_2 :
							   VFS_CAP_REVISION_3) ?
		       0 :
		       -EINVAL;
}

/* ---- what the calls do ---- */

static struct xattr *xattr_read(const char *name, u64 value, u64 size)
{
	u32 name_size = (u32)strlen(name) + 1;
	struct xattr *x = kmalloc(sizeof(*x) + name_size + size);

	if (!x)
		return NULL;
	x->name_size = name_size;
	x->value_size = (u32)size;
	memcpy(x->data, name, name_size);
	if (copy_from_user(x->data + name_size, value, size)) {
		kfree(x);
		return NULL;
	}
	return x;
}

static long set(struct node *n, u64 name_address, u64 value, u64 size,
		u64 flags)
{
	char name[NAME_ROOM];
	struct xattr *x;
	bool there;
	long r;

	if (flags & ~(u64)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	r = name_read(name_address, name);
	if (r)
		return r;
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (!user_readable(value, size))
		return -EFAULT;
	if (size && is_capabilities(name))
		r = capabilities_ok(value, size);
	if (r == 0)
		r = name_ok(n, name, MAY_WRITE);
	if (r)
		return r;
	there = xattr_find(n, name) != NULL;
	if (there && (flags & XATTR_CREATE))
		return -EEXIST;
	if (!there && (flags & XATTR_REPLACE))
		return -ENODATA;
	x = xattr_read(name, value, size);
	if (!x)
		return -ENOSPC;
	if (!quota_take(xattr_units(x))) {
		kfree(x);
		return -ENOSPC;
	}
	xattr_put(n, x);
	notify(n, IN_ATTRIB);
	return 0;
}

static long get(struct node *n, u64 name_address, u64 value, u64 size)
{
	char name[NAME_ROOM];
	const struct xattr *x;
	long r = name_read(name_address, name);

	if (r == 0)
		r = name_ok(n, name, MAY_READ);
	if (r)
		return r;
	x = xattr_find(n, name);
	if (!x)
		return -ENODATA;
	if (size == 0)
		return x->value_size;
	if (size < x->value_size)
		return -ERANGE;
	return copy_to_user(value, x->data + x->name_size, x->value_size) ?
		       -EFAULT :
		       (long)x->value_size;
}

static long list(struct node *n, u64 buf, u64 size)
{
	u64 total = 0;

	for (const struct xattr *x = n ? n->xattrs : NULL; x; x = x->next) {
		if (within(x->data, "trusted.") && !is_admin())
			continue;
		if (size && size - total < x->name_size)
			return -ERANGE;
		if (size && copy_to_user(buf + total, x->data, x->name_size))
			return -EFAULT;
		total += x->name_size;
	}
	return (long)total;
}

static long drop(struct node *n, u64 name_address)
{
	char name[NAME_ROOM];
	long r = name_read(name_address, name);

	if (r == 0)
		r = name_ok(n, name, MAY_WRITE);
	if (r)
		return r;
	if (!xattr_remove(n, name))
		return -ENODATA;
	notify(n, IN_ATTRIB);
	return 0;
}

/* ---- the calls ---- */

/* *n is NULL for what is of no file system. */
static long at_path(u64 path, bool follow, struct node **n)
{
	struct walk w;
	long r = path_existing(AT_FDCWD, path, follow, false, &w);

	*n = w.node;
	return r;
}

static long at_fd(u64 fd, struct node **n)
{
	const struct file *f = fd_file((s32)fd);

	if (!f || (f->flags & O_PATH))
		return -EBADF;
	*n = file_node(f);
	return 0;
}

long sys_setxattr(u64 path, u64 name, u64 value, u64 size, u64 flags)
{
	struct node *n;
	long r = at_path(path, true, &n);

	return r ? r : set(n, name, value, size, flags);
}

long sys_lsetxattr(u64 path, u64 name, u64 value, u64 size, u64 flags)
{
	struct node *n;
	long r = at_path(path, false, &n);

	return r ? r : set(n, name, value, size, flags);
}

long sys_fsetxattr(u64 fd, u64 name, u64 value, u64 size, u64 flags)
{
	struct node *n;
	long r = at_fd(fd, &n);

	return r ? r : set(n, name, value, size, flags);
}

long sys_getxattr(u64 path, u64 name, u64 value, u64 size)
{
	struct node *n;
	long r = at_path(path, true, &n);

	return r ? r : get(n, name, value, size);
}

long sys_lgetxattr(u64 path, u64 name, u64 value, u64 size)
{
	struct node *n;
	long r = at_path(path, false, &n);

	return r ? r : get(n, name, value, size);
}

long sys_fgetxattr(u64 fd, u64 name, u64 value, u64 size)
{
	struct node *n;
	long r = at_fd(fd, &n);

	return r ? r : get(n, name, value, size);
}

long sys_listxattr(u64 path, u64 buf, u64 size)
{
	struct node *n;
	long r = at_path(path, true, &n);

	return r ? r : list(n, buf, size);
}

long sys_llistxattr(u64 path, u64 buf, u64 size)
{
	struct node *n;
	long r = at_path(path, false, &n);

	return r ? r : list(n, buf, size);
}

long sys_flistxattr(u64 fd, u64 buf, u64 size)
{
	struct node *n;
	long r = at_fd(fd, &n);

	return r ? r : list(n, buf, size);
}

long sys_removexattr(u64 path, u64 name)
{
	struct node *n;
	long r = at_path(path, true, &n);

	return r ? r : drop(n, name);
}

long sys_lremovexattr(u64 path, u64 name)
{
	struct node *n;
	long r = at_path(path, false, &n);

	return r ? r : drop(n, name);
}

long sys_fremovexattr(u64 fd, u64 name)
{
	struct node *n;
	long r = at_fd(fd, &n);

	return r ? r : drop(n, name);
}
