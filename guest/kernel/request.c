/* request.c: the snapshot protocol. */
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
		hypercall(ZB_HC_READY);
		request_start_run();
		usage_start_run();
	}
	*code = gpa_to_ptr(ZB_REQUEST_GPA);
	*size = MIN((size_t)control->request_size, (size_t)ZB_REQUEST_SIZE);
}
