/* session.c: the execs of a session, from the end of one to the next. */
#include "session.h"

#include "hypercall.h"
#include "mm/frame.h"
#include "mm/user.h"
#include "task/clock.h"
#include "task/kill.h"
#include "task/process.h"

#define SAYS 8 /* bytes before the text */

static bool opened, once, settles, reported, forked;
static void (*at_report)(void);

bool session_open(void)
{
	return opened;
}

bool session_once(void)
{
	return once;
}

bool session_settles(void)
{
	return settles;
}

bool session_asks_to_settle(void)
{
	settles = control->flags & ZB_FLAG_SETTLE;
	control->flags &= ~ZB_FLAG_SETTLE;
	return settles;
}

bool session_forked(void)
{
	return forked;
}

bool session_reported(void)
{
	return reported;
}

void session_begin(void)
{
	opened = control->flags & ZB_FLAG_SESSION;
	if (opened)
		kill_hold();
}

void session_at_report(void (*call)(void))
{
	at_report = call;
}

/* ---- the report ---- */

static bool goes_on(u8 byte)
{
	return (byte & 0xc0) == 0x80; /* a character of UTF-8 */
}

/* Up to size bytes, whole characters. */
static u32 cut(const u8 *text, size_t size)
{
	size_t n = size;

	while (n && size - n < 3 && goes_on(text[n]))
		n--;
	return (u32)(goes_on(text[n]) ? size : n);
}

static long take_result(const u8 *from, size_t size)
{
	u8 *area = gpa_to_ptr(ZB_RESULT_GPA);
	size_t n = MIN(size, ZB_RESULT_SIZE);

	if (user_copy(area, from, n) != n)
		return -EFAULT;
	control->result_cut = size > n;
	control->result_size = size > n ? cut(area, n - 1) : (u32)n;
	return 0;
}

long session_report(const void *buf, size_t n)
{
	u32 says[SAYS / 4];
	long r = 0;

	if (current->process != first_process || once)
		return -EPERM;
	if (n < SAYS)
		return -EINVAL;
	if (user_copy(says, buf, SAYS) != SAYS)
		return -EFAULT;
	if (says[1])
		r = take_result((const u8 *)buf + SAYS, n - SAYS);
	if (r)
		return r;
	control->exit_code = says[0] & 0xff;
	reported = true;
	return (long)n;
}

/* ---- stopping ---- */

/* What holds for one exec. */
static void forget_request(void)
{
	control->parts = 0;
	control->room_used = 0;
	control->memory_limit = 0;
	control->outputs_limit = 0;
}

static void stop(u32 status)
{
	control->status = status;
	reported = false;
	forget_request();
	clock_stop();
	hypercall(ZB_HC_READY);
	forked = control->flags & ZB_FLAG_FORKED;
	control->flags &= ~ZB_FLAG_FORKED;
	control->result_size = control->result_cut = 0;
	control->outputs = control->outputs_missed = 0;
	control->outputs_size = 0;
}

void session_stop(void)
{
	if (at_report)
		at_report();
	/* What has been freed would be kept. */
	frames_scrub();
	process_account(ZB_STATUS_EXITED);
	stop(ZB_STATUS_EXITED);
}

void session_stop_served(void)
{
	control->exit_code = 0;
	session_stop();
}

void session_stop_refused(void)
{
	control->flags &= ~ZB_FLAG_SETTLE;
	stop(ZB_STATUS_REFUSED);
}

void session_stop_settled(void)
{
	control->exit_code = 0;
	control->flags &= ~ZB_FLAG_SESSION;
	settles = false;
	stop(ZB_STATUS_EXITED);
	once = !(control->flags & ZB_FLAG_SESSION);
	forked = true;
}
