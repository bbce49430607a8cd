/* request.c: the snapshot protocol, and the parts of a request. */
#include "request.h"

#include "host.h"
#include "hypercall.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/resident.h"
#include "mm/user.h"
#include "patch.h"
#include "random.h"
#include "session.h"
#include "task/clock.h"
#include "task/thread.h"
#include "task/usage.h"

#define PATIENCE_NS (2 * NSEC)
#define ROOM_MOST (40ul << 20)
#define LEAST_LEFT (16ul << 20) /* of a limit of memory, beside the template */
#define PADDED(size) (((size) + 7) & ~7ull)

/* ---- parts ---- */

static bool (*take_parts)(void);
static bool asked; /* the run has stopped for its standard input */

void request_on_parts(bool (*take)(void))
{
	take_parts = take;
}

bool request_next(u64 *at, struct request_part *p)
{
	u64 end = MIN((u64)control->request_size, (u64)ZB_REQUEST_SIZE);
	const u8 *area = gpa_to_ptr(ZB_REQUEST_GPA);
	struct zb_part head;

	if (!control->parts || *at >= end)
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

bool request_strings(u32 kind, u64 position, void *to, size_t n, size_t *size)
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
		if (user_put((u8 *)to + done, p.data + skip, part) != part)
			return false;
		done += part;
		if (done == n)
			break;
		if (user_put((u8 *)to + done, "", 1) != 1)
			return false;
		done++;
	}
	*size = done;
	return true;
}

/* Free frames that the host may write to, not among those that runs take first:
 * from the top in runs, from the bottom for the heap. Some of them may be promised
 * to tables. */
static void find_room(void)
{
	u64 count, skip, most = frames_available() / 2;
	gpa_t first = frames_longest_run(&count);

	skip = count / 8;
	control->room_gpa = first + skip * PAGE_SIZE;
	control->room_size =
		MIN(MIN((count - skip) / 2, most) * PAGE_SIZE, ROOM_MOST);
}

/* Frames that were used before the exec have old data behind that of a part. */
static void clear_ends(void)
{
	struct request_part p;
	u64 at = 0;

	while (request_next(&at, &p))
		if (p.frames)
			memset((u8 *)p.data + p.size, 0,
			       PAGE_UP(p.size) - p.size);
}

static void take_room(void)
{
	u64 count = control->room_used / PAGE_SIZE;
	gpa_t room = control->room_gpa;

	if (!frames_claim(room, count))
		panic("request: no frames at %lx", room);
	for (u64 i = 0; i < count; i++)
		frame_take_zero(room + i * PAGE_SIZE);
	if (session_open() || asked)
		clear_ends();
}

static bool limit_memory(void)
{
	if (frames_limit(control->memory_limit, LEAST_LEFT))
		return true;
	host_refuse("memory_mb: %lu is too little: %lu MiB are in use "
		    "already, and a run needs %lu more",
		    control->memory_limit >> 20,
		    (frames_in_use() * PAGE_SIZE + 0xfffff) >> 20,
		    LEAST_LEFT >> 20);
	return false;
}

/* What makes a request more than its code. False: it is refused. */
static bool take_more(void)
{
	if (control->room_used)
		take_room();
	if ((control->memory_limit || session_open()) && !limit_memory()) {
		frames_free(control->room_gpa, control->room_used / PAGE_SIZE);
		control->room_used = 0;
		return false;
	}
	return !(control->parts || session_open() ||
		 control->flags & ZB_FLAG_ASK) ||
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

static bool is_read_in_place(const struct request_part *p)
{
	return p->kind == ZB_PART_CODE || p->kind == ZB_PART_ARGUMENT ||
	       p->kind == ZB_PART_ENVIRONMENT;
}

/* Frees what of the request before nobody has taken for himself. */
static void give_room_back(void)
{
	struct request_part p;
	u64 at = 0;

	while (control->room_used && control->parts && request_next(&at, &p))
		if (p.frames && is_read_in_place(&p))
			frames_free(ptr_to_gpa(p.data),
				    PAGE_UP(p.size) / PAGE_SIZE);
	control->room_used = 0;
}

/* How the exec before is told, and the next one is started. */
static void wait_for_next(void (*stop)(void))
{
	for (;;) {
		if (stop == session_stop && session_asks_to_settle())
			return;
		give_room_back();
		/* That of the exec before does not hold for what comes. */
		frames_limit(0, 0);
		find_room();
		stop();
		clock_resume();
		random_reseed();
		host_start();
		usage_start_exec();
		if (!take_more())
			stop = session_stop_refused;
		else if (session_asks_to_settle())
			return;
		else if (control->parts && !request_has(ZB_PART_CODE))
			stop = session_stop_served;
		else
			return;
	}
}

/* What comes before a snapshot. */
static void settle(void)
{
	let_others_finish();
	control->want_tick = 0;
	patch_close();
	mm_settle();
	mm_learn_resident();
	frames_scrub();
	find_room();
}

/* The session becomes a template. */
static void wait_as_template(void)
{
	give_room_back();
	frames_limit(0, 0);
	settle();
	session_stop_settled();
	clock_resume();
	random_reseed();
	host_start();
	usage_start_exec();
	if (take_more())
		return;
	if (session_once())
		host_exit(1, ZB_STATUS_REFUSED);
	wait_for_next(session_stop_refused);
}

static void wait_for_first(void)
{
	settle();
	hypercall(ZB_HC_READY);
	request_start_run();
	usage_start_run();
	session_begin();
	if (take_more())
		return;
	if (!session_open())
		host_exit(1, ZB_STATUS_REFUSED);
	wait_for_next(session_stop_refused);
}

void request_ask(void)
{
	asked = true;
	control->parts = 0;
	control->room_used = 0;
	find_room();
	clock_stop();
	control->cpu_ns = usage_cpu_of_run();
	hypercall(ZB_HC_ASK);
	clock_resume();
	random_reseed();
	host_go_on();
	if (control->room_used)
		take_room();
}

bool request_wait(void)
{
	static bool waited;

	if (!waited) {
		waited = true;
		wait_for_first();
		return true;
	}
	if (session_settles())
		wait_as_template();
	else if (session_reported())
		wait_for_next(session_stop);
	else
		return false;
	return true;
}

void request_code(const u8 **code, size_t *size)
{
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
