/*
 * heap.c: the kernel's objects. Sizes up to 2 KiB come from slabs, a frame of
 * equal objects behind a header; larger ones are frames of their own. Both have
 * a header at the start of their first page, so kfree needs no size.
 */
#include "heap.h"

#include "mm/frame.h"

#define HEADER 64 /* keeps objects of 64 bytes and more aligned to 64 */
#define CLASSES 8 /* 16 << 0 .. 16 << 7 */
#define LARGE 0xff

struct slab {
	struct slab *next, *prev; /* slabs with room, of the same class */
	void *free;               /* list through the first word */
	u32 class;                /* or LARGE */
	u32 used;
	u64 frames; /* of a large object */
	u64 size;
};
_Static_assert(sizeof(struct slab) <= HEADER, "slab header");

static struct slab *partial[CLASSES];
static u64 frame_count;

u64 heap_frames(void)
{
	return frame_count;
}

static size_t class_size(u32 class)
{
	return (size_t)16 << class;
}

static u32 class_of(size_t size)
{
	u32 class = 0;

	while (class_size(class) < size)
		class ++;
	return class;
}

static struct slab *slab_of(void *p)
{
	return (struct slab *)PAGE_DOWN(p);
}

static void list_add(struct slab *s)
{
	s->prev = NULL;
	s->next = partial[s->class];
	if (s->next)
		s->next->prev = s;
	partial[s->class] = s;
}

static void list_remove(struct slab *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		partial[s->class] = s->next;
	if (s->next)
		s->next->prev = s->prev;
}

static struct slab *slab_new(u32 class)
{
	gpa_t gpa = frames_alloc(1);
	struct slab *s;

	if (!gpa)
		return NULL;
	frame_count++;
	s = gpa_to_ptr(gpa);
	s->class = class;
	for (size_t at = PAGE_SIZE - class_size(class); at >= HEADER;
	     at -= class_size(class)) {
		void **object = (void **)((char *)s + at);

		*object = s->free;
		s->free = object;
	}
	list_add(s);
	return s;
}

static void *large_alloc(size_t size)
{
	u64 frames = PAGE_UP(size + HEADER) / PAGE_SIZE;
	gpa_t gpa = frames_alloc(frames);
	struct slab *s;

	if (!gpa)
		return NULL;
	frame_count += frames;
	s = gpa_to_ptr(gpa);
	s->class = LARGE;
	s->frames = frames;
	s->size = size;
	return (char *)s + HEADER;
}

void *kmalloc(size_t size)
{
	u32 class;
	struct slab *s;
	void **object;

	if (size > (1ul << 40))
		return NULL;
	if (size > class_size(CLASSES - 1))
		return large_alloc(size);
	class = class_of(size);
	s = partial[class];
	if (!s)
		s = slab_new(class);
	if (!s)
		return NULL;
	object = s->free;
	s->free = *object;
	s->used++;
	if (!s->free)
		list_remove(s);
	memset(object, 0, class_size(class));
	return object;
}

void kfree(void *p)
{
	struct slab *s;

	if (!p)
		return;
	s = slab_of(p);
	if (s->class == LARGE) {
		frame_count -= s->frames;
		frames_free(ptr_to_gpa(s), s->frames);
		return;
	}
	if (s->class >= CLASSES || s->used == 0)
		panic("kfree of %p, which is no object", p);
	if (!s->free)
		list_add(s);
	*(void **)p = s->free;
	s->free = p;
	/* One empty slab of a class stays, against ping-pong. */
	if (--s->used == 0 && (s->next || s->prev)) {
		list_remove(s);
		frame_count--;
		frames_free(ptr_to_gpa(s), 1);
	}
}

void *krealloc(void *p, size_t size)
{
	struct slab *s;
	size_t old;
	void *q;

	if (!p)
		return kmalloc(size);
	s = slab_of(p);
	old = s->class == LARGE ? s->size : class_size(s->class);
	q = kmalloc(size);
	if (!q)
		return NULL;
	memcpy(q, p, MIN(old, size));
	kfree(p);
	return q;
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc(n);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}
