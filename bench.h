/* bench.h: `zeroboot bench`: what a fork and a run cost, as a table. */
#ifndef ZEROBOOT_BENCH_H
#define ZEROBOOT_BENCH_H

#include <stdint.h>

#include "err.h"

/* Runs a snippet n times in fresh forks of a template. 0 or -errno. */
int bench_run(const char *template_path, unsigned long n, struct err *e);

#endif
