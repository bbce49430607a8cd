/* settime.c: setting clocks without the capability for it. */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static void drop_capability(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3,
						   0 };
	struct __user_cap_data_struct data[2];

	if (RAW(capget, &header, data))
		return;
	data[CAP_TO_INDEX(CAP_SYS_TIME)].effective &=
		~CAP_TO_MASK(CAP_SYS_TIME);
	SHOW(RAW(capset, &header, data));
}

int main(void)
{
	struct timespec now, wrong = { 0, 1000000000 }, before = { -1, 0 };
	struct timeval tv = { 0, 0 }, tv_wrong = { 0, 1000000 },
		       tv_before = { -1, 0 };
	struct timezone zone = { 0, 0 };
	struct timex t = { 0 };
	clockid_t own;

	drop_capability();
	clock_gettime(CLOCK_REALTIME, &now);
	SHOW(clock_settime(CLOCK_REALTIME, &now));
	SHOW(clock_settime(CLOCK_REALTIME, &wrong));
	SHOW(clock_settime(CLOCK_REALTIME, &before));
	SHOW(RAW(clock_settime, CLOCK_REALTIME, 8));
	SHOW(clock_settime(CLOCK_MONOTONIC, &now));
	SHOW(clock_settime(CLOCK_PROCESS_CPUTIME_ID, &now));
	SHOW(clock_settime(CLOCK_BOOTTIME, &now));
	SHOW(clock_settime(99, &now));
	clock_getcpuclockid(0, &own);
	SHOW(clock_settime(own, &now));
	SHOW(RAW(settimeofday, &tv, NULL));
	SHOW(RAW(settimeofday, &tv_wrong, NULL));
	SHOW(RAW(settimeofday, &tv_before, NULL));
	SHOW(RAW(settimeofday, NULL, &zone));
	SHOW(RAW(settimeofday, NULL, NULL));
	SHOW(RAW(settimeofday, 8, NULL));
	SHOW(adjtimex(&t) >= 0);
	SHOW(t.tick);
	SHOW(t.time.tv_sec >= now.tv_sec);
	t.modes = ADJ_FREQUENCY;
	SHOW(adjtimex(&t));
	t.modes = ADJ_OFFSET_SINGLESHOT;
	SHOW(adjtimex(&t));
	t.modes = ADJ_OFFSET_SS_READ;
	SHOW(adjtimex(&t) >= 0);
	t.modes = 0x8000;
	SHOW(adjtimex(&t));
	SHOW(RAW(adjtimex, 8));
	t.modes = 0;
	SHOW(clock_adjtime(CLOCK_REALTIME, &t) >= 0);
	SHOW(clock_adjtime(CLOCK_MONOTONIC, &t));
	SHOW(clock_adjtime(99, &t));
	t.modes = ADJ_STATUS;
	SHOW(clock_adjtime(CLOCK_REALTIME, &t));
	return 0;
}
