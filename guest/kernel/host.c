/* host.c: what goes to the host: output, and the end of a run. */
#include "host.h"

#include <stdarg.h>

#include "hypercall.h"
#include "mm/user.h"

static u64 written[2]; /* bytes of stream 1 and 2, cut or not */
static u64 limit;
static u64 ordered; /* head of the order ring */
static bool streams;

void host_start(void)
{
	written[0] = written[1] = ordered = 0;
	control->stdout_size = control->stderr_size = 0;
	limit = MIN((u64)control->output_limit, (u64)ZB_OUTPUT_SIZE);
	streams = control->flags & ZB_FLAG_STREAM;
}

void host_go_on(void)
{
	control->stdout_size = written[0];
	control->stderr_size = written[1];
}

void output_write(int stream, const void *buf, size_t n)
{
	u64 *at = &written[stream - 1];
	u8 *area = gpa_to_ptr(stream == 1 ? ZB_STDOUT_GPA : ZB_STDERR_GPA);

	if (*at < limit)
		user_copy(area + *at, buf, MIN(n, limit - *at));
	*at += n;
	/* Set with every write: a run cut off by its time keeps its output. */
	if (stream == 1)
		control->stdout_size = *at;
	else
		control->stderr_size = *at;
}

/* ---- as it comes ---- */

bool output_streams(void)
{
	return streams;
}

size_t output_room(int stream)
{
	u64 waits = written[stream - 1] - control->output[stream - 1].tail;

	if (ordered - control->order.tail >= ZB_ORDER_COUNT)
		return 0;
	return ZB_RING_SIZE - MIN(waits, (u64)ZB_RING_SIZE);
}

void output_offer(void)
{
	hypercall(ZB_HC_OUTPUT);
}

/* The host is told of what a write has brought when it had taken all before, at
 * most once in a millisecond: it looks by itself at each tick. */
static void offer_first(void)
{
	static u64 offered;
	u32 low, high;
	u64 now;

	if (control->order.tail != ordered - 1)
		return;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	now = (u64)high << 32 | low;
	if (now - offered < control->tsc_khz)
		return;
	offered = now;
	output_offer();
}

/* Into a ring, round its end: how many of n bytes. */
static size_t ring_copy(u8 *ring, u64 at, const void *buf, size_t n)
{
	size_t start = at % ZB_RING_SIZE, first = MIN(n, ZB_RING_SIZE - start);
	size_t done = user_get(ring + start, buf, first);

	if (done == first && n > first)
		done += user_get(ring, (const u8 *)buf + first, n - first);
	return done;
}

size_t output_put(int stream, const void *buf, size_t n)
{
	struct zb_order *order = gpa_to_ptr(ZB_ORDER_GPA);
	u64 *at = &written[stream - 1];
	size_t done;

	done = ring_copy(gpa_to_ptr(stream == 1 ? ZB_STDOUT_GPA :
						  ZB_STDERR_GPA),
			 *at, buf, MIN(n, output_room(stream)));
	if (!done)
		return 0;
	*at += done;
	control->output[stream - 1].head = *at;
	order[ordered % ZB_ORDER_COUNT] =
		(struct zb_order){ (u32)stream, (u32)done };
	__asm__ volatile("" : : : "memory"); /* a tick may come anywhere */
	control->order.head = ++ordered;
	offer_first();
	return done;
}

size_t input_look(const u8 **data, bool *ended)
{
	u64 tail = control->input.tail, waits = control->input.head - tail;
	u64 start = tail % ZB_RING_SIZE;

	*ended = !(control->flags & ZB_FLAG_INPUT) || control->input_ended;
	if (waits > ZB_RING_SIZE)
		panic("input: more than its ring has");
	*data = (u8 *)gpa_to_ptr(ZB_INPUT_GPA) + start;
	return MIN(waits, ZB_RING_SIZE - start);
}

void input_take(size_t n)
{
	control->input.tail += n;
}

/* ---- the end ---- */

void host_exit(int code, u32 status)
{
	control->exit_code = (u32)code & 0xff;
	control->status = status;
	for (;;)
		hypercall(ZB_HC_EXIT);
}

void host_refuse(const char *format, ...)
{
	char line[ZB_LOG_SIZE];
	va_list ap;
	int n;

	va_start(ap, format);
	n = kvsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	n = n < 0 ? 0 : MIN(n, (int)sizeof(line) - 1);
	memcpy((void *)control->log, line, (size_t)n);
	control->log_size = (u32)n;
	control->exit_code = 1;
}
