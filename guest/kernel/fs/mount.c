/* mount.c: what the file system has from the start. */
#include "fs/mount.h"

#include "fs/entry.h"
#include "fs/image.h"
#include "fs/walk.h"

struct node *vfs_make(const char *path, u32 mode)
{
	struct walk w;
	struct node *n;

	if (vfs_walk(NULL, path, false, &w) || !w.parent)
		return NULL;
	if (w.node)
		return w.node;
	n = node_new(mode);
	if (!n)
		return NULL;
	if (is_dir(n))
		n->nlink = 1; /* its "." */
	if (dir_add(w.parent, w.name, w.name_size, n)) {
		n->nlink = 0;
		node_drop(n);
		return NULL;
	}
	return n;
}

void vfs_init(void)
{
	static const struct {
		const char *path;
		u32 mode;
	} directories[] = {
		{ "/dev", 0755 },  { "/proc", 0555 },
		{ "/sys", 0555 },  { "/tmp", 01777 },
		{ "/run", 0755 },  { "/run/zeroboot", 0755 },
		{ "/root", 0700 }, { "/app", 0755 },
		{ "/var", 0755 },  { "/var/tmp", 01777 },
	};

	root_node = image_root();
	if (!root_node)
		root_node = node_new(S_IFDIR | 0755);
	if (!root_node)
		panic("no memory for the root directory");
	root_node->refs++; /* stays */
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		vfs_make(directories[i].path, S_IFDIR | directories[i].mode);
}
