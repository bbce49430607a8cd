/* shared.c: a table of chunks of 512 pages, each a frame of entries. */
#include "mm/shared.h"

#include "heap.h"
#include "mm/frame.h"

#define CHUNK (PAGE_SIZE / sizeof(gpa_t))

struct shared {
	struct object object; /* first */
	u32 users;
	u64 pages;
	gpa_t *chunks[];
};

static u64 frames;

u64 shared_frames(void)
{
	return frames;
}

static struct shared *of(struct object *o)
{
	return (struct shared *)o;
}

static void shared_ref(struct object *o)
{
	of(o)->users++;
}

static void free_chunk(gpa_t *chunk)
{
	for (size_t i = 0; i < CHUNK; i++) {
		if (!chunk[i])
			continue;
		frames--;
		frames_free(chunk[i], 1);
	}
	frames--;
	frames_free(ptr_to_gpa(chunk), 1);
}

static void shared_unref(struct object *o)
{
	struct shared *s = of(o);

	if (--s->users)
		return;
	for (u64 i = 0; i < s->pages; i += CHUNK)
		if (s->chunks[i / CHUNK])
			free_chunk(s->chunks[i / CHUNK]);
	kfree(s);
}

/* The entry of a page; NULL: there is none, and no memory for it. */
static gpa_t *entry_of(struct shared *s, u64 index, bool make)
{
	gpa_t **chunk = &s->chunks[index / CHUNK], gpa;

	if (!*chunk && make) {
		gpa = frames_alloc(1);
		if (!gpa)
			return NULL;
		frames++;
		*chunk = gpa_to_ptr(gpa);
	}
	return *chunk ? &(*chunk)[index % CHUNK] : NULL;
}

static gpa_t shared_page(struct object *o, u64 index, bool write)
{
	struct shared *s = of(o);
	gpa_t *entry;

	(void)write;
	entry = index < s->pages ? entry_of(s, index, true) : NULL;
	if (!entry)
		return 0;
	if (!*entry) {
		*entry = frames_alloc(1);
		frames += *entry != 0;
	}
	return *entry;
}

static bool shared_has(struct object *o, u64 index)
{
	struct shared *s = of(o);
	const gpa_t *entry = index < s->pages ? entry_of(s, index, false) :
						NULL;

	return entry && *entry;
}

/* Only private mappings are read so. */
static size_t shared_read(struct object *o, void *buf, size_t size, u64 at)
{
	(void)o, (void)buf, (void)size, (void)at;
	return 0;
}

static long shared_punch(struct object *o, u64 at, u64 size)
{
	struct shared *s = of(o);
	u64 first = at / PAGE_SIZE;
	u64 last = MIN((at + size) / PAGE_SIZE, s->pages);

	object_zap(o->data, first, last, false);
	for (u64 i = first; i < last; i++) {
		gpa_t *entry = entry_of(s, i, false);

		if (!entry || !*entry)
			continue;
		frames--;
		frames_free(*entry, 1);
		*entry = 0;
	}
	return 0;
}

static size_t shared_name(struct object *o, char *buf, size_t size)
{
	int n = ksnprintf(buf, size, "/dev/zero (deleted)");

	(void)o;
	return MIN((size_t)n, size);
}

static const struct object_ops shared_ops = {
	.ref = shared_ref,
	.unref = shared_unref,
	.page = shared_page,
	.has = shared_has,
	.read = shared_read,
	.punch = shared_punch,
	.name = shared_name,
};

struct object *shared_new(u64 pages)
{
	u64 chunks = (pages + CHUNK - 1) / CHUNK;
	struct shared *s;

	s = kmalloc(sizeof(*s) + chunks * sizeof(s->chunks[0]));
	if (!s)
		return NULL;
	s->object = (struct object){ &shared_ops, s, true };
	s->users = 1;
	s->pages = pages;
	return &s->object;
}

bool shared_reserve(struct object *o, u64 index)
{
	return entry_of(of(o), index, true) != NULL;
}

void shared_adopt(struct object *o, u64 index, gpa_t gpa)
{
	gpa_t *entry = entry_of(of(o), index, false);

	if (!entry)
		panic("a frame is adopted where there is no room for it");
	*entry = gpa;
	frames++;
}
