#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "parts.h"
#include "protocol.h"
#include "random.h"

/* Random bytes beyond what the training used. */
#define RANDOM_SPARE 128

#define INLINE_MAX 65536 /* bytes of a part that goes into the request area */
#define PAGE_UP(x) (((x) + ZB_PAGE_SIZE - 1) & ~(uint64_t)(ZB_PAGE_SIZE - 1))

/* ---- guest memory ---- */

static bool fits(const struct vm *vm, gpa_t gpa, uint64_t size)
{
	return gpa <= vm->memory_size && size <= vm->memory_size - gpa;
}

const void *control_at(const struct vm *vm, gpa_t gpa, uint64_t size)
{
	return fits(vm, gpa, size) ? vm->memory + gpa : NULL;
}

/* What does not fit is counted all the same: then nobody knows what to put
 * back. */
static void note_write(struct vm *vm, gpa_t gpa, uint64_t size)
{
	for (unsigned i = 0; i < vm->write_count && i < VM_WRITES; i++) {
		struct vm_write *w = &vm->writes[i];

		if (w->gpa != gpa)
			continue;
		if (w->size < size)
			w->size = size;
		return;
	}
	if (vm->write_count < VM_WRITES)
		vm->writes[vm->write_count] = (struct vm_write){ gpa, size };
	if (vm->write_count <= VM_WRITES)
		vm->write_count++;
}

/* Of the areas that abi.h names: every guest has them. */
static void *write_area(struct vm *vm, gpa_t gpa, uint64_t size)
{
	note_write(vm, gpa, size);
	return vm->memory + gpa;
}

void *control_write(struct vm *vm, gpa_t gpa, uint64_t size)
{
	return fits(vm, gpa, size) ? write_area(vm, gpa, size) : NULL;
}

volatile struct zb_control *control_open(struct vm *vm)
{
	return write_area(vm, ZB_CONTROL_GPA, sizeof(struct zb_control));
}

/* ---- a run ---- */

static void fill_random(volatile void *to, size_t size)
{
	/* No entropy: two runs would draw the same numbers. */
	if (random_fill((void *)(uintptr_t)to, size))
		abort();
}

void control_seed(struct vm *vm)
{
	volatile struct zb_control *c = control_open(vm);

	fill_random(c->seed, ZB_SEED_SIZE);
	fill_random(write_area(vm, ZB_RANDOM_GPA, vm->random_size),
		    vm->random_size);
	c->random_size = vm->random_size;
	vm->seeded = true;
}

void control_seed_again(struct vm *vm)
{
	volatile struct zb_control *c = control_open(vm);
	uint8_t *random = write_area(vm, ZB_RANDOM_GPA, vm->random_size);
	uint32_t used = c->random_used;

	/* They are taken from the end. */
	if (used > vm->random_size)
		used = vm->random_size;
	fill_random(c->seed, ZB_SEED_SIZE);
	fill_random(random + vm->random_size - used, used);
	c->random_size = vm->random_size;
	vm->seeded = true;
}

void control_learn(struct vm *vm)
{
	uint32_t used = control_page(vm)->random_used;

	if (used < ZB_RANDOM_SIZE - RANDOM_SPARE)
		vm->random_size = used + RANDOM_SPARE;
}

void control_prepare(struct vm *vm, uint64_t mono_ns, uint32_t output_limit)
{
	volatile struct zb_control *c = control_open(vm);

	if (!vm->seeded)
		control_seed(vm);
	c->output_limit = output_limit < ZB_OUTPUT_SIZE ? output_limit :
							  ZB_OUTPUT_SIZE;
	c->stdout_size = c->stderr_size = 0;
	c->preempt = 0;
	c->signal = 0;
	c->processes = 0;
	c->flags = (c->flags & ~(uint32_t)(ZB_FLAG_NESTED | ZB_FLAG_STREAM)) |
		   (vm->needs_flush ? ZB_FLAG_NESTED : 0);
	c->large = vm->large_gpa == vm->memory_size ? ZB_LARGE_PLAIN :
		   vm->large_given                  ? ZB_LARGE_GIVEN :
						      ZB_LARGE_ASK;
	c->wall_ns = clock_wall();
	c->mono_ns = mono_ns;
	vm->mono_offset = (int64_t)(mono_ns - clock_mono());
}

int control_code(struct vm *vm, const void *code, size_t size)
{
	if (size > ZB_REQUEST_SIZE)
		return -E2BIG;
	memcpy(write_area(vm, ZB_REQUEST_GPA, size), code, size);
	control_open(vm)->request_size = (uint32_t)size;
	return 0;
}

_Static_assert(PARTS_STRINGS_COUNT == ZB_STRINGS_COUNT &&
		       PARTS_STRINGS_MAX == ZB_STRINGS_MAX,
	       "what is taken, the guest takes");

/* Where parts go: heads, names and short data into the request area, the rest into
 * the room. */
struct layout {
	uint8_t *area, *room;
	uint64_t used, room_used, room_size;
	gpa_t room_gpa;
	uint32_t count;
};

/* What the guest has chosen, as far as it is free memory at all. */
static void find_room(const struct vm *vm, struct layout *l)
{
	const volatile struct zb_control *c = control_page(vm);
	uint64_t size = c->room_size;

	l->room_gpa = c->room_gpa;
	if (l->room_gpa < ZB_FRAMES_GPA || l->room_gpa % ZB_PAGE_SIZE ||
	    !fits(vm, l->room_gpa, size))
		return;
	/* The large part may only be read until it is given. */
	if (l->room_gpa + size > vm->large_gpa && !vm->large_given)
		return;
	l->room = vm->memory + l->room_gpa;
	l->room_size = size;
}

static void put(struct layout *l, const void *data, size_t size)
{
	size_t padded = PADDED(size);

	if (size)
		memcpy(l->area + l->used, data, size);
	memset(l->area + l->used + size, 0, padded - size);
	l->used += padded;
}

static int put_part(struct layout *l, const struct part_view *p)
{
	struct zb_part head = { .kind = p->kind,
				.name_size = (uint32_t)p->name_size,
				.size = p->size };
	uint64_t left = ZB_PARTS_SIZE - l->used;
	size_t fixed = sizeof(head) + PADDED(p->name_size);

	if (fixed > left)
		return -E2BIG;
	if (p->size > INLINE_MAX || fixed + PADDED(p->size) > left) {
		if (!l->room || l->room_size - l->room_used < PAGE_UP(p->size))
			return -E2BIG;
		memcpy(l->room + l->room_used, p->data, p->size);
		head.gpa = l->room_gpa + l->room_used;
		l->room_used += PAGE_UP(p->size);
	}
	put(l, &head, sizeof(head));
	put(l, p->name, p->name_size);
	if (!head.gpa)
		put(l, p->data, p->size);
	l->count++;
	return 0;
}

/* Where the guest has not found enough, the end of the large part will do, until it
 * is given: the guest claims it before anything else there. */
static void find_large_room(struct vm *vm, struct layout *l, size_t size)
{
	gpa_t gpa = (vm->memory_size - size) & ~(ZB_LARGE_PAGE - 1);

	if (l->room_size >= size || size > vm->memory_size - vm->large_gpa ||
	    gpa < vm->large_gpa || vm->large_given || vm_give_large(vm))
		return;
	l->room_gpa = gpa;
	l->room = vm->memory + gpa;
	l->room_size = vm->memory_size - gpa;
	control_open(vm)->room_gpa = gpa;
}

/* Whatever came of it, all that was written is noted. */
static int lay_out(struct vm *vm, const char *at, const char *end)
{
	struct layout l = { .area = vm->memory + ZB_REQUEST_GPA };
	volatile struct zb_control *c = control_open(vm);
	struct part_view p;
	int r = 0;

	find_room(vm, &l);
	/* Each part has pages of its own, and is of 64 KiB at least. */
	find_large_room(vm, &l, (size_t)(end - at) / 8 * 9);
	while (r == 0 && part_take(&at, end, FROM_FRONT_END, &p) == 1)
		r = put_part(&l, &p);
	note_write(vm, ZB_REQUEST_GPA, l.used);
	if (l.room_used)
		note_write(vm, l.room_gpa, l.room_used);
	c->request_size = (uint32_t)l.used;
	c->room_used = l.room_used;
	c->parts = l.count;
	return r;
}

int control_request(struct vm *vm, const char *parts, size_t size)
{
	const char *at = parts, *end = parts + size;
	struct part_view p;

	if (part_take(&at, end, FROM_FRONT_END, &p) == 1 && at == end &&
	    p.kind == PART_CODE && p.size <= ZB_REQUEST_SIZE)
		return control_code(vm, p.data, p.size);
	return lay_out(vm, parts, end);
}

void control_limit(struct vm *vm, uint64_t memory)
{
	control_open(vm)->memory_limit = memory;
}

void control_session(struct vm *vm)
{
	vm->keeps = true;
	control_open(vm)->flags &= ~(uint32_t)(ZB_FLAG_TRACE | ZB_FLAG_INPUT);
	control_open(vm)->flags |= ZB_FLAG_SESSION;
}

void control_ask(struct vm *vm)
{
	vm->keeps = vm->asks = true;
	control_open(vm)->flags |= ZB_FLAG_ASK;
}

void control_forked(struct vm *vm)
{
	control_open(vm)->flags |= ZB_FLAG_FORKED;
}

void control_settle(struct vm *vm)
{
	control_open(vm)->flags |= ZB_FLAG_SETTLE;
}

void control_trace(struct vm *vm)
{
	control_open(vm)->flags |= ZB_FLAG_TRACE;
}

/* ---- after it ---- */

int control_exit_code(const struct vm *vm)
{
	return (int)(control_page(vm)->exit_code & 0xff);
}

bool control_refused(const struct vm *vm)
{
	return control_page(vm)->status == ZB_STATUS_REFUSED;
}

const void *control_output(const struct vm *vm, int stream, uint32_t limit,
			   size_t *size, uint64_t *total)
{
	const volatile struct zb_control *c = control_page(vm);

	*total = stream == 1 ? c->stdout_size : c->stderr_size;
	if (limit > ZB_OUTPUT_SIZE)
		limit = ZB_OUTPUT_SIZE;
	*size = *total < limit ? (size_t)*total : limit;
	return vm->memory + (stream == 1 ? ZB_STDOUT_GPA : ZB_STDERR_GPA);
}

const void *control_result(const struct vm *vm, size_t *size, bool *cut)
{
	const volatile struct zb_control *c = control_page(vm);

	*size = c->result_size;
	*cut = c->result_cut || *size > ZB_RESULT_SIZE;
	if (*size > ZB_RESULT_SIZE)
		*size = ZB_RESULT_SIZE;
	return vm->memory + ZB_RESULT_GPA;
}

size_t control_log(const struct vm *vm, char *line, size_t size)
{
	const volatile struct zb_control *c = control_page(vm);
	size_t n = c->log_size;

	if (n > ZB_LOG_SIZE)
		n = ZB_LOG_SIZE;
	if (n > size - 1)
		n = size - 1;
	for (size_t i = 0; i < n; i++) {
		line[i] = c->log[i];
		if (line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n] = 0;
	return n;
}

void control_usage(const struct vm *vm, struct control_usage *u)
{
	const volatile struct zb_control *c = control_page(vm);

	*u = (struct control_usage){ .cpu_ns = c->cpu_ns,
				     .memory = c->memory_peak,
				     .calls = c->syscalls,
				     .status = c->status };
}

/* ---- files that are returned ---- */

void control_want_outputs(struct vm *vm, uint64_t limit)
{
	control_open(vm)->outputs_limit = limit;
}

bool control_next_output(const struct vm *vm, uint64_t *at,
			 struct control_output_file *f)
{
	const uint8_t *list = vm->memory + ZB_OUTPUTS_GPA;
	uint64_t end = control_page(vm)->outputs_size, pages;
	struct zb_output o;

	if (end > ZB_OUTPUTS_SIZE)
		end = ZB_OUTPUTS_SIZE;
	if (*at >= end || end - *at < sizeof(o))
		return false;
	memcpy(&o, list + *at, sizeof(o));
	*at += sizeof(o);
	if (o.kind > ZB_OUTPUT_ENTRY_OTHER || o.name_size > PROTOCOL_NAME_MAX ||
	    (o.kind == ZB_OUTPUT_FILE && o.size > PROTOCOL_FILES_MAX))
		return false;
	pages = o.kind ? 0 : PAGE_UP(o.size) / ZB_PAGE_SIZE;
	if (PADDED(o.name_size) + pages * sizeof(gpa_t) > end - *at)
		return false;
	f->name = (const char *)list + *at;
	f->name_size = o.name_size;
	f->size = o.size;
	f->left_out = o.kind == ZB_OUTPUT_LEFT_OUT;
	f->entry = o.kind >= ZB_OUTPUT_ENTRY;
	*at += PADDED(o.name_size);
	f->pages = list + *at;
	*at += pages * sizeof(gpa_t);
	return true;
}

/* A page of memory or of the image. */
static const void *page_at(const struct vm *vm, const void *image,
			   uint64_t image_size, gpa_t gpa)
{
	if (gpa < ZB_IMAGE_GPA)
		return control_at(vm, gpa, ZB_PAGE_SIZE);
	gpa -= ZB_IMAGE_GPA;
	return gpa < image_size && image_size - gpa >= ZB_PAGE_SIZE ?
		       (const uint8_t *)image + gpa :
		       NULL;
}

bool control_copy_output(const struct vm *vm, const void *image,
			 uint64_t image_size,
			 const struct control_output_file *f, void *to)
{
	for (uint64_t at = 0; at < f->size; at += ZB_PAGE_SIZE) {
		uint64_t left = f->size - at;
		size_t part = left < ZB_PAGE_SIZE ? left : ZB_PAGE_SIZE;
		const void *page;
		gpa_t gpa;

		memcpy(&gpa, (const uint8_t *)f->pages + at / ZB_PAGE_SIZE * 8,
		       sizeof(gpa));
		page = gpa ? page_at(vm, image, image_size, gpa) : NULL;
		if (gpa && !page)
			return false;
		if (page)
			memcpy((uint8_t *)to + at, page, part);
		else
			memset((uint8_t *)to + at, 0, part);
	}
	return true;
}
