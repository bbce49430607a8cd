/* permission.c: what the running process may do with a file. */
#include "fs/permission.h"

#include "fs/notify.h"
#include "task/ids.h"

long node_permission(const struct node *n, u32 want)
{
	long r = want ? ids_permission(n->mode, n->uid, n->gid, want) : 0;

	if (r || !want || !n->ops || !n->ops->permission)
		return r;
	return n->ops->permission(n);
}

long dir_may_add(const struct node *dir)
{
	if (!dir->nlink || dir->ops) /* removed; or one of /proc */
		return -ENOENT;
	return node_permission(dir, MAY_WRITE | MAY_EXEC);
}

long dir_may_remove(const struct node *dir, const struct node *n)
{
	long r = node_permission(dir, MAY_WRITE | MAY_EXEC);

	if (r == 0 && dir->ops && (dir->key || n->key))
		return -EPERM; /* as Linux, whatever it is */
	return r ? r : ids_sticky(dir->mode, dir->uid, n->uid);
}

long node_may_touch(const struct node *n, bool plain)
{
	if (ids_own(n->uid))
		return 0;
	return plain ? node_permission(n, MAY_WRITE) : -EPERM;
}

long node_chmod(struct node *n, u32 mode)
{
	if (!ids_own(n->uid) || n->ops)
		return -EPERM;
	if (node_sealed(n, NODE_SEAL_EXEC) && ((mode ^ n->mode) & 0111))
		return -EPERM;
	n->mode = (n->mode & S_IFMT) | ids_chmod(mode & 07777, n->gid);
	node_changed(n);
	notify(n, IN_ATTRIB);
	return 0;
}

long node_chown(struct node *n, u32 uid, u32 gid)
{
	long r = ids_chown(n->uid, n->gid, uid, gid);

	if (r)
		return r;
	if (uid != ~0u)
		n->uid = uid;
	if (gid != ~0u)
		n->gid = gid;
	if (!is_dir(n))
		n->mode = ids_mode_chowned(n->mode);
	node_changed(n);
	notify(n, IN_ATTRIB);
	return 0;
}

void node_own(struct node *n, const struct node *dir)
{
	ids_new_file(dir->mode, dir->gid, &n->mode, &n->uid, &n->gid);
}

void node_written(struct node *n)
{
	if (n->mode & (S_ISUID | S_ISGID))
		n->mode = ids_mode_written(n->mode);
}
