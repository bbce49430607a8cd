/* bench.h: `zeroboot bench`: what a fork and a run cost, as a table. */
#ifndef ZEROBOOT_BENCH_H
#define ZEROBOOT_BENCH_H

#include <stdint.h>

#include "err.h"

/*
 * Runs codes, NULL-terminated, n times each in fresh and in recycled VMs, and
 * prints a table of each. 0 or -errno.
 */
int bench_run(const char *template_path, const char *const *codes,
	      unsigned long n, struct err *e);

#endif
