/* radix.c: tables of 64 pointers, as many levels as the highest number needs. */
#include "fs/radix.h"

#include "heap.h"

#define BITS 6
#define SLOTS (1u << BITS)
#define MAX_HEIGHT 11 /* 64 bits */

struct table {
	void *slots[SLOTS];
};

static u32 slot_of(u64 number, u32 level)
{
	return (u32)(number >> (level * BITS)) % SLOTS;
}

/* Whether number lies within what this height holds. */
static bool within(u64 number, u32 height)
{
	return height >= MAX_HEIGHT || number >> (height * BITS) == 0;
}

void *radix_get(const struct radix *r, u64 number)
{
	void *at = r->root;

	if (!within(number, r->height))
		return NULL;
	for (u32 level = r->height; at && level-- > 0;)
		at = ((struct table *)at)->slots[slot_of(number, level)];
	return at;
}

/* One level more, above what there is. */
static bool grow(struct radix *r)
{
	struct table *t = NULL;

	if (r->root) {
		t = kmalloc(sizeof(*t));
		if (!t)
			return false;
		t->slots[0] = r->root;
	}
	r->root = t;
	r->height++;
	return true;
}

static bool is_empty(const struct table *t)
{
	for (u32 i = 0; i < SLOTS; i++)
		if (t->slots[i])
			return false;
	return true;
}

/* Frees the tables above number that hold nothing. */
static void prune(struct radix *r, u64 number)
{
	void **path[MAX_HEIGHT + 1];
	u32 level = r->height, depth = 0;

	path[0] = &r->root;
	while (level-- > 0 && *path[depth]) {
		struct table *t = *path[depth];

		path[++depth] = &t->slots[slot_of(number, level)];
	}
	while (depth-- > 0 && (!*path[depth] || is_empty(*path[depth]))) {
		kfree(*path[depth]);
		*path[depth] = NULL;
	}
	if (!r->root)
		r->height = 0;
}

bool radix_set(struct radix *r, u64 number, void *value)
{
	void **at;

	while (!within(number, r->height))
		if (!grow(r))
			return false;
	at = &r->root;
	for (u32 level = r->height; level-- > 0;) {
		if (!*at)
			*at = kmalloc(sizeof(struct table));
		if (!*at) {
			prune(r, number);
			return false;
		}
		at = &((struct table *)*at)->slots[slot_of(number, level)];
	}
	*at = value;
	return true;
}

void *radix_remove(struct radix *r, u64 number)
{
	void *value = radix_get(r, number), **at = &r->root;

	if (!value)
		return NULL;
	for (u32 level = r->height; level-- > 0;)
		at = &((struct table *)*at)->slots[slot_of(number, level)];
	*at = NULL;
	prune(r, number);
	return value;
}

void *radix_next(const struct radix *r, u64 *number)
{
	u64 n = *number;

	while (within(n, r->height)) {
		void *at = r->root;
		u32 level = r->height;
		u64 skip;

		while (at && level > 0)
			at = ((struct table *)at)->slots[slot_of(n, --level)];
		if (at) {
			*number = n;
			return at;
		}
		/* Nothing below this slot: on to the next one of its level. */
		skip = level * BITS < 64 ? 1ull << (level * BITS) : 0;
		n = (n & ~(skip - 1)) + skip;
		if (n == 0)
			break;
	}
	return NULL;
}
