#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "build.h"
#include "clock.h"
#include "control.h"
#include "machine.h"
#include "host.h"

#define WARM_RUNS 20
#define RUN_NS 30000000000ull

struct sample {
	uint64_t fork, exec, drop; /* ns; drop: destroy, or recycle */
	uint64_t cpu;              /* ns of exec */
	uint64_t exits, faults, guest_faults, dirty, changed, syscalls;
	uint64_t thrown; /* VMs: 1 or 0 */
};

/* The one VM that is used again and again, or made anew for each run. */
struct subject {
	struct machine machine;
	bool fresh, learn;
};

/* As a worker does ahead of time: what has no training stays cold. */
static int train(struct subject *b, struct err *e)
{
	enum recycle_result result = RECYCLE_DONE;
	int r = 0;

	if (!machine_can_train(&b->machine))
		return 0;
	for (int i = 0; i < MACHINE_TRAININGS && r == 0; i++)
		if (result == RECYCLE_DONE)
			r = machine_train(&b->machine, &result, e);
	return r;
}

/* The VM's end, or its new beginning. */
static int finish(struct subject *b, struct sample *s, struct err *e)
{
	struct machine *m = &b->machine;
	enum recycle_result result;
	int r;

	if (b->fresh) {
		s->dirty = vm_dirty_pages(&m->vm);
		machine_drop(m);
		return 0;
	}
	r = machine_renew(m, true, b->learn, &result, e);
	s->thrown = result != RECYCLE_DONE;
	s->dirty = m->recycle.checked;
	s->changed = m->recycle.changed;
	return r == 0 && s->thrown ? train(b, e) : r;
}

static uint64_t cpu_ns(const struct rusage *u)
{
	return (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) *
		       1000000000 +
	       (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) * 1000;
}

static int one(struct subject *b, const char *code, struct sample *s,
	       struct err *e)
{
	const volatile struct zb_control *c;
	struct machine *m = &b->machine;
	struct rusage before, after;
	uint64_t t0, t1, t2, t3, faults, calls;
	int r;

	getrusage(RUSAGE_SELF, &before);
	t0 = clock_mono();
	if (b->fresh) {
		r = machine_make(m, e);
		if (r)
			return r;
	}
	c = control_page(&m->vm);
	faults = c->page_faults;
	calls = c->syscalls;
	machine_code(m, code, strlen(code), ZB_OUTPUT_SIZE);
	t1 = clock_mono();
	if (machine_run(m, t1 + RUN_NS, e) != VM_EXIT)
		return err_set(e, -EIO, "bench: the run failed: %s", e->text);
	t2 = clock_mono();
	getrusage(RUSAGE_SELF, &after);
	s->cpu = cpu_ns(&after) - cpu_ns(&before);
	s->exits = m->vm.exits;
	s->guest_faults = c->page_faults - faults;
	s->syscalls = c->syscalls - calls;
	t3 = clock_mono();
	r = finish(b, s, e);
	s->drop = clock_mono() - t3;
	s->fork = t1 - t0;
	s->exec = t2 - t1;
	s->faults = (uint64_t)(after.ru_minflt - before.ru_minflt);
	return r;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double at(const uint64_t *sorted, unsigned long n, unsigned percent)
{
	unsigned long i = n * percent / 100;

	return (double)sorted[i];
}

/* One line: p50, p90, p99 of the field at offset, divided by unit. */
static void line(const char *name, const struct sample *samples,
		 unsigned long n, size_t offset, double unit, uint64_t *sorted)
{
	for (unsigned long i = 0; i < n; i++)
		memcpy(&sorted[i], (const char *)&samples[i] + offset, 8);
	qsort(sorted, n, sizeof(*sorted), compare);
	printf("  %-22s %10.1f %10.1f %10.1f\n", name, at(sorted, n, 50) / unit,
	       at(sorted, n, 90) / unit, at(sorted, n, 99) / unit);
}

static int samples_of(struct subject *b, const char *code, unsigned long n,
		      struct sample *samples, struct err *e)
{
	struct sample warm;
	int r = 0;

	if (!b->fresh)
		r = machine_make(&b->machine, e);
	b->learn = true;
	for (int i = 0; i < WARM_RUNS && !b->fresh && r == 0; i++)
		r = one(b, code, &warm, e);
	b->learn = false;
	for (unsigned long i = 0; i < n && r == 0; i++)
		r = one(b, code, &samples[i], e);
	machine_drop(&b->machine);
	return r;
}

static int table(struct subject *b, const char *code, unsigned long n,
		 struct sample *samples, uint64_t *sorted, struct err *e)
{
	int r = samples_of(b, code, n, samples, e);

	if (r)
		return r;
	printf("%s, %s VM, %lu runs\n  %-22s %10s %10s %10s\n", code,
	       b->fresh ? "fresh" : "recycled", n, "", "p50", "p90", "p99");
#define LINE(label, field, unit)                                               \
	line(label, samples, n, offsetof(struct sample, field), unit, sorted)
	LINE("fork (us)", fork, 1e3);
	LINE("exec (us)", exec, 1e3);
	LINE("CPU of it (us)", cpu, 1e3);
	LINE(b->fresh ? "destroy (us)" : "recycle (us)", drop, 1e3);
	LINE("VM exits", exits, 1);
	LINE("host page faults", faults, 1);
	LINE("guest page faults", guest_faults, 1);
	LINE(b->fresh ? "pages dirtied" : "pages checked", dirty, 1);
	if (!b->fresh)
		LINE("pages put right", changed, 1);
	LINE("system calls", syscalls, 1);
	if (!b->fresh)
		LINE("VMs thrown away", thrown, 1);
	return 0;
}

int bench_run(const char *template_path, const char *const *codes,
	      unsigned long n, struct err *e)
{
	struct sample *samples = calloc(n, sizeof(*samples));
	uint64_t *sorted = calloc(n, sizeof(*sorted));
	struct vmm vmm = { .fd = -1 };
	struct snapshot snapshot = { 0 };
	struct subject b = { .fresh = true };
	int r;

	r = samples && sorted ? 0 : err_set(e, -ENOMEM, "no memory");
	if (r == 0)
		r = vmm_open(&vmm, e);
	if (r == 0)
		r = host_probe(&vmm, e);
	if (r == 0)
		r = build_or_open(&snapshot, template_path, &vmm, e);
	if (r == 0)
		r = machine_open(&b.machine, &vmm, &snapshot, e);
	if (r == 0)
		printf("template built in %.3f s\n",
		       (double)snapshot.template.head.build_ns / 1e9);
	for (int i = 0; r == 0 && codes[i / 2]; i++) {
		b.fresh = i % 2 == 0;
		r = table(&b, codes[i / 2], n, samples, sorted, e);
	}
	machine_close(&b.machine);
	snapshot_close(&snapshot);
	vmm_close(&vmm);
	free(samples);
	free(sorted);
	return r;
}
