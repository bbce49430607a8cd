/* request.c: the snapshot protocol. */
#include "request.h"

#include "host.h"
#include "hypercall.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "patch.h"
#include "random.h"
#include "task/clock.h"

void request_start_run(void)
{
	clock_start();
	random_reseed();
	host_start();
}

void request_wait(const u8 **code, size_t *size)
{
	static bool waited;

	if (!waited) {
		waited = true;
		control->want_tick = 0;
		patch_close();
		mm_settle();
		frames_scrub();
		hypercall(ZB_HC_READY);
		request_start_run();
	}
	*code = gpa_to_ptr(ZB_REQUEST_GPA);
	*size = MIN((size_t)control->request_size, (size_t)ZB_REQUEST_SIZE);
}

