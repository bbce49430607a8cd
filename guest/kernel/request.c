/* request.c: the snapshot protocol, and the parts of a request. */
#include "request.h"

#include "host.h"
#include "hypercall.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "patch.h"
#include "random.h"
#include "task/clock.h"
#include "task/thread.h"
#include "task/usage.h"

#define PATIENCE_NS (2 * NSEC)
#define ROOM_MOST (40ul << 20)
#define LEAST_LEFT (16ul << 20) /* of a limit of memory, beside the template */
#define PADDED(size) (((size) + 7) & ~7ull)

/* ---- parts ---- */

static void (*take_parts)(void);

void request_on_parts(void (*take)(void))
{
	take_parts = take;
}

bool request_next(u64 *at, struct request_part *p)
{
	u64 end = MIN((u64)control->request_size, (u64)ZB_REQUEST_SIZE);
	const u8 *area = gpa_to_ptr(ZB_REQUEST_GPA);
	struct zb_part head;

	if (*at >= end)
		return false;
	if (end - *at < sizeof(head))
		panic("request: half a part");
	memcpy(&head, area + *at, sizeof(head));
	*at += sizeof(head);
	*p = (struct request_part){ .kind = head.kind,
				    .name_size = head.name_size,
				    .name = (const char *)area + *at,
				    .size = head.size,
				    .frames = head.gpa };
	*at += PADDED((u64)head.name_size);
	p->data = head.gpa ? gpa_to_ptr(head.gpa) : area + *at;
	*at += head.gpa ? 0 : PADDED(head.size);
	if (*at > end)
		panic("request: a part that does not fit");
	return true;
}

static bool find(u32 kind, struct request_part *p)
{
	u64 at = 0;

	while (request_next(&at, p))
		if (p->kind == kind)
			return true;
	return false;
}

bool request_has(u32 kind)
{
	struct request_part p;

	return control->parts && find(kind, &p);
}

size_t request_strings(u32 kind, u64 position, void *to, size_t n)
{
	struct request_part p;
	u64 at = 0, start = 0;
	size_t done = 0;

	while (done < n && request_next(&at, &p)) {
		size_t skip, part;

		if (p.kind != kind)
			continue;
		skip = position + done - start;
		start += p.size + 1;
		if (position + done >= start)
			continue;
		part = MIN(n - done, p.size - skip);
		memcpy((u8 *)to + done, p.data + skip, part);
		done += part;
		if (done < n)
			((u8 *)to)[done++] = 0;
	}
	return done;
}

/* Free frames that the host may write to, not among those that runs take first:
 * from the top in runs, from the bottom for the heap. */
static void find_room(void)
{
	u64 count, skip;
	gpa_t first = frames_longest_run(&count);

	skip = count / 8;
	control->room_gpa = first + skip * PAGE_SIZE;
	control->room_size = MIN((count - skip) / 2 * PAGE_SIZE, ROOM_MOST);
}

static void take_room(void)
{
	u64 count = control->room_used / PAGE_SIZE;
	gpa_t room = control->room_gpa;

	if (!frames_claim(room, count))
		panic("request: no frames at %lx", room);
	for (u64 i = 0; i < count; i++)
		frame_take_zero(room + i * PAGE_SIZE);
}

static void limit_memory(void)
{
	if (!frames_limit(control->memory_limit, LEAST_LEFT))
		host_refuse("memory_mb: %lu is too little: the template itself "
			    "uses %lu MiB, and a run needs %lu more",
			    control->memory_limit >> 20,
			    (frames_in_use() * PAGE_SIZE + 0xfffff) >> 20,
			    LEAST_LEFT >> 20);
}

/* What makes a request more than its code. */
static void take_more(void)
{
	if (control->room_used)
		take_room();
	if (control->memory_limit)
		limit_memory();
	if (control->parts)
		take_parts();
}

/* ---- the snapshot ---- */

void request_start_run(void)
{
	clock_start();
	random_reseed();
	host_start();
}

/*
 * Threads that help with what is over by now (of a collector of garbage, of a
 * compiler) finish it before the snapshot: else every run would.
 */
static void let_others_finish(void)
{
	u64 end = mono_now() + PATIENCE_NS;

	while (!thread_alone() && mono_now() < end)
		thread_yield();
}

void request_wait(const u8 **code, size_t *size)
{
	static bool waited;

	if (!waited) {
		waited = true;
		let_others_finish();
		control->want_tick = 0;
		patch_close();
		mm_settle();
		frames_scrub();
		find_room();
		hypercall(ZB_HC_READY);
		request_start_run();
		usage_start_run();
		if (control->parts || control->memory_limit)
			take_more();
	}
	if (control->parts) {
		struct request_part p = { 0 };

		find(ZB_PART_CODE, &p);
		*code = p.data;
		*size = p.size;
		return;
	}
	*code = gpa_to_ptr(ZB_REQUEST_GPA);
	*size = MIN((size_t)control->request_size, (size_t)ZB_REQUEST_SIZE);
}
