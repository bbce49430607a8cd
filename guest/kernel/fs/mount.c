/* mount.c: what the file system has from the start. */
#include "fs/mount.h"

#include "fs/entry.h"
#include "fs/image.h"
#include "fs/ramfs.h"
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

/* Names of this host, for images that have none: what is exported of a container has
 * an empty file in the place that is filled when it runs. */
static void make_hosts(void)
{
	static const char hosts[] = "127.0.0.1\tlocalhost\n"
				    "::1\tlocalhost ip6-localhost "
				    "ip6-loopback\n"
				    "127.0.1.1\tzeroboot\n";
	struct walk w;
	struct node *n;

	if (vfs_walk(NULL, "/etc/hosts", false, &w))
		return;
	n = w.node ? w.node : vfs_make("/etc/hosts", S_IFREG | 0644);
	if (n && node_type(n) == S_IFREG && n->size == 0)
		data_write(n, hosts, sizeof(hosts) - 1, 0);
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
		{ "/etc", 0755 },
	};

	root_node = image_root();
	if (!root_node)
		root_node = node_new(S_IFDIR | 0755);
	if (!root_node)
		panic("no memory for the root directory");
	root_node->refs++; /* stays */
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		vfs_make(directories[i].path, S_IFDIR | directories[i].mode);
	make_hosts();
}
