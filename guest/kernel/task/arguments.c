/* arguments.c: the strings of a program that is about to start. */
#include "task/arguments.h"

#include <linux/resource.h>

#include "mm/frame.h"
#include "mm/pte.h"
#include "mm/user.h"
#include "task/limits.h"
#include "task/process.h"

#define ROOM (ARGUMENT_PAGES * PAGE_SIZE)
#define LONGEST (32 * PAGE_SIZE) /* a string: Linux, MAX_ARG_STRLEN */
#define LEAST (128ul << 10)      /* Linux, ARG_MAX */
#define MOST (6ul << 20)         /* three quarters of the default stack */

void arguments_start(struct arguments *a)
{
	u64 quarter = limit_of(RLIMIT_STACK) / 4;

	a->limit = MAX(MIN(quarter, MOST), LEAST);
}

void arguments_end(struct arguments *a)
{
	for (size_t i = 0; i < ARGUMENT_PAGES; i++)
		if (a->pages[i])
			frames_free(a->pages[i], 1);
}

/* The memory of a place in the room, or NULL. */
static u8 *place(struct arguments *a, u64 at)
{
	gpa_t *page = &a->pages[at / PAGE_SIZE];

	if (!*page)
		*page = frames_alloc(1);
	return *page ? (u8 *)gpa_to_ptr(*page) + at % PAGE_SIZE : NULL;
}

/* A byte that was pushed. */
static u8 *pushed(const struct arguments *a, u64 at)
{
	return (u8 *)gpa_to_ptr(a->pages[at / PAGE_SIZE]) + at % PAGE_SIZE;
}

/* n bytes, the last of them the end of the string. */
static long push(struct arguments *a, const char *string, u64 n)
{
	u64 at, end = ROOM - a->size, part;
	u8 *to;

	if (n > LONGEST || a->size + n > a->limit)
		return -E2BIG;
	for (at = end - n; at < end; at += part, string += part) {
		part = MIN(end - at, PAGE_SIZE - at % PAGE_SIZE);
		to = place(a, at);
		if (!to)
			return -ENOMEM;
		if (user_copy(to, string, part) < part)
			return -EFAULT;
	}
	*pushed(a, end - 1) = 0; /* another thread may have written there */
	a->size += n;
	return 0;
}

long arguments_push(struct arguments *a, const char *string)
{
	return push(a, string, strlen(string) + 1);
}

/* Bytes of a string of the program's with its end; -EFAULT, -E2BIG. */
static long string_size(u64 addr)
{
	char part[256];
	u64 n = 0, chunk, length;

	while (n < LONGEST) {
		chunk = MIN(sizeof(part), PAGE_SIZE - (addr + n) % PAGE_SIZE);
		if (copy_from_user(part, addr + n, chunk))
			return -EFAULT;
		length = strnlen(part, chunk);
		n += length;
		if (length < chunk)
			return (long)n + 1;
	}
	return -E2BIG;
}

/* The pointer at index of an array; 0 at its end. */
static long pointer(u64 array, u64 index, u64 *p)
{
	return copy_from_user(p, array + index * sizeof(*p), sizeof(*p));
}

static long count(u64 array, u64 limit, u32 *n)
{
	u64 p;

	for (*n = 0; array; ++*n) {
		if (*n > limit / sizeof(p))
			return -E2BIG;
		if (pointer(array, *n, &p))
			return -EFAULT;
		if (!p)
			return 0;
	}
	return 0;
}

/* The last one first, as they lie. */
static long push_all(struct arguments *a, u64 array, u32 n)
{
	u64 p;

	while (n-- > 0) {
		long r = pointer(array, n, &p);

		if (r == 0)
			r = string_size(p);
		if (r > 0)
			r = push(a, (const char *)p, (u64)r);
		if (r)
			return r;
	}
	return 0;
}

long arguments_read(struct arguments *a, u64 argv, u64 envp)
{
	u64 pointers;
	long r = count(argv, a->limit, &a->argc);

	if (r == 0)
		r = count(envp, a->limit, &a->envc);
	if (r)
		return r;
	pointers = (MAX(a->argc, 1u) + (u64)a->envc) * sizeof(u64);
	if (pointers >= a->limit)
		return -E2BIG;
	a->limit -= pointers;
	r = push_all(a, envp, a->envc);
	if (r == 0)
		r = push_all(a, argv, a->argc);
	if (r || a->argc)
		return r;
	a->argc = 1; /* there is always a first one: Linux, since 5.18 */
	return arguments_push(a, "");
}

void arguments_drop_first(struct arguments *a)
{
	u64 at = ROOM - a->size;

	while (*pushed(a, at++)) {
	}
	a->size = ROOM - at;
	a->argc--;
}

long arguments_install(struct arguments *a, u64 top)
{
	u64 at = PAGE_DOWN(ROOM - a->size);

	for (; at < ROOM; at += PAGE_SIZE) {
		u64 *pte = pte_find(top - (ROOM - at), true);

		if (!pte)
			return -ENOMEM;
		*pte = pte_make(a->pages[at / PAGE_SIZE], true, true) |
		       PTE_TOUCHED;
		a->pages[at / PAGE_SIZE] = 0;
	}
	return 0;
}
