/* xattrs.c: the extended attributes of a node: a list, in the order of coming. */
#include "fs/xattrs.h"

#include "fs/quota.h"
#include "heap.h"

u64 xattr_units(const struct xattr *x)
{
	return (sizeof(*x) + x->name_size + x->value_size + UNIT - 1) / UNIT;
}

static struct xattr **find(struct node *n, const char *name)
{
	struct xattr **x = &n->xattrs;

	while (*x && strcmp((*x)->data, name))
		x = &(*x)->next;
	return x;
}

struct xattr *xattr_find(const struct node *n, const char *name)
{
	return *find((struct node *)n, name);
}

void xattr_put(struct node *n, struct xattr *x)
{
	struct xattr **place = find(n, x->data), *old = *place;

	x->next = old ? old->next : NULL;
	*place = x;
	if (old) {
		quota_give(xattr_units(old));
		kfree(old);
	}
	node_changed(n);
}

bool xattr_remove(struct node *n, const char *name)
{
	struct xattr **place = find(n, name), *x = *place;

	if (!x)
		return false;
	*place = x->next;
	quota_give(xattr_units(x));
	kfree(x);
	node_changed(n);
	return true;
}

void xattrs_free(struct node *n)
{
	struct xattr *x = n->xattrs, *next;

	for (; x; x = next) {
		next = x->next;
		quota_give(xattr_units(x));
		kfree(x);
	}
	n->xattrs = NULL;
}
