/*
 * syscall.c: what system calls cost, in us each. bench/native.sh runs it natively
 * and in the guest.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 20000

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int ends[2];
static uint32_t word;
static char byte;

static void call_getpid(void)
{
	syscall(SYS_getpid);
}
static void call_write_read(void)
{
	(void)!write(ends[1], &byte, 1);
	(void)!read(ends[0], &byte, 1);
}
static void call_futex(void)
{
	syscall(SYS_futex, &word, 1 /* FUTEX_WAKE */, 1, NULL, NULL, 0);
}
static void call_clock(void)
{
	now_us();
}

int main(void)
{
	static const struct {
		const char *name;
		void (*call)(void);
	} calls[] = {
		{ "getpid", call_getpid },
		{ "write and read of a pipe", call_write_read },
		{ "futex wake", call_futex },
		{ "clock_gettime", call_clock },
	};

	if (pipe(ends))
		return 1;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		double start;

		calls[i].call();
		start = now_us();
		for (int n = 0; n < ROUNDS; n++)
			calls[i].call();
		printf("%-26s %.3f\n", calls[i].name,
		       (now_us() - start) / ROUNDS);
	}
	return 0;
}
