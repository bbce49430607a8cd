/* deliver.c: files that come with a request. */
#include "fs/deliver.h"

#include <linux/openat2.h>

#include "fs/path.h"
#include "fs/permission.h"
#include "fs/ramfs.h"
#include "heap.h"
#include "mm/frame.h"

#define FILE_MODE (S_IFREG | 0644)
#define DIRECTORY_MODE (S_IFDIR | 0755)

/* Where the program starts: it may go elsewhere. */
static struct node *start, *start_root;

static void remember(struct node **place, struct node *n)
{
	node_ref(n);
	if (*place)
		node_unref(*place);
	*place = n;
}

void request_start_here(void)
{
	remember(&start, path_cwd());
	remember(&start_root, vfs_root());
}

static long find(const char *path, bool follow, struct walk *w)
{
	if (path[0] == '/')
		return vfs_resolve(start_root, path, follow,
				   RESOLVE_NO_MAGICLINKS | RESOLVE_IN_ROOT, w);
	return vfs_resolve(start, path, follow,
			   RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH, w);
}

long request_find(const char *path, struct walk *w)
{
	return find(path, true, w);
}

static long add(struct walk *w, u32 mode)
{
	long r = w->parent ? dir_may_add(w->parent) : -EISDIR;

	return r ? r : path_add(w, node_new(mode));
}

static long make_directory(const char *path)
{
	struct walk w;
	long r = request_find(path, &w);

	if (r || w.node)
		return r;
	return add(&w, DIRECTORY_MODE);
}

/* All that lead to it. */
static long make_directories(char *path)
{
	long r = 0;

	for (char *end = path + 1; r == 0 && (end = strchr(end, '/')); end++) {
		*end = 0;
		r = make_directory(path);
		*end = '/';
	}
	return r;
}

/* The node of a regular file that is empty and nobody else's. */
static long reach(char *path, struct node **n)
{
	struct walk w;
	long r = request_find(path, &w);

	if (r == -ENOENT) {
		r = make_directories(path);
		if (r == 0)
			r = request_find(path, &w);
	}
	if (r)
		return r;
	if (w.directory)
		return -EISDIR;
	if (!w.node) {
		r = add(&w, FILE_MODE);
		if (r == 0)
			r = request_find(path, &w);
		*n = w.node;
		return r;
	}
	*n = w.node;
	if (is_dir(w.node))
		return -EISDIR;
	if (node_type(w.node) != S_IFREG || w.node->ops)
		return -EINVAL;
	return w.node->writers < 0 ? -ETXTBSY : data_truncate(w.node, 0);
}

static long fill(struct node *n, const struct request_part *p)
{
	long r;

	n->mode = FILE_MODE;
	if (p->frames)
		return data_adopt(n, ptr_to_gpa(p->data), p->size);
	r = data_write(n, p->data, p->size, 0);
	return r < 0 ? r : r < (long)p->size ? -ENOSPC : 0;
}

/* Its path, for kfree. 0 or -errno. */
static long path_of(const struct request_part *p, char **path)
{
	if (!p->name_size || p->name_size >= PATH_MAX)
		return -ENAMETOOLONG;
	*path = kmalloc(p->name_size + 1);
	if (!*path)
		return -ENOMEM;
	memcpy(*path, p->name, p->name_size);
	(*path)[p->name_size] = 0;
	return 0;
}

/* The file's node, emptied. */
static long open_for(const struct request_part *p, struct node **n)
{
	char *path;
	long r = path_of(p, &path);

	if (r)
		return r;
	r = reach(path, n);
	kfree(path);
	return r;
}

long file_deliver(const struct request_part *p)
{
	struct node *n = NULL;
	long r = open_for(p, &n);

	if (r == 0)
		return fill(n, p);
	if (p->frames)
		frames_free(ptr_to_gpa(p->data), PAGE_UP(p->size) / PAGE_SIZE);
	return r;
}

static long remove(const char *path)
{
	struct walk w;
	long r = find(path, false, &w);

	if (r || !w.node)
		return r ? r : -ENOENT;
	return path_remove(&w);
}

long file_remove(const struct request_part *p)
{
	char *path;
	long r = path_of(p, &path);

	if (r)
		return r;
	r = remove(path);
	kfree(path);
	return r;
}
