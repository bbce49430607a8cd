#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "template.h"
#include "vmm.h"

struct sample {
	uint64_t fork, exec, drop; /* ns */
	uint64_t exits, faults, guest_faults, dirty, syscalls;
};

static int one(const struct template *t, const struct vmm *vmm,
	       const char *code, struct sample *s, struct err *e)
{
	const struct zb_control *c;
	struct rusage before, after;
	void *memory, *image;
	uint64_t t0, t1, t2, t3, faults, calls;
	struct vm vm;
	int r;

	getrusage(RUSAGE_SELF, &before);
	t0 = clock_mono();
	r = template_fork(t, vmm, &vm, &memory, &image, e);
	if (r)
		return r;
	c = vm_memory(&vm, ZB_CONTROL_GPA, sizeof(*c));
	faults = c->page_faults;
	calls = c->syscalls;
	template_request(t, &vm, code, strlen(code), ZB_OUTPUT_SIZE);
	t1 = clock_mono();
	r = vm_run(&vm, t1 + 30000000000ull, e) == VM_EXIT ?
		    0 :
		    err_set(e, -EIO, "bench: the run failed: %s", e->text);
	t2 = clock_mono();
	getrusage(RUSAGE_SELF, &after);
	s->exits = vm.exits;
	s->guest_faults = c->page_faults - faults;
	s->syscalls = c->syscalls - calls;
	s->dirty = vm_dirty_pages(&vm);
	t3 = clock_mono();
	vm_destroy(&vm);
	template_unmap(t, memory, image);
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

/* One line: p50, p90, p99 of the field at offset, divided by unit. */
static void line(const char *name, const struct sample *samples,
		 unsigned long n, size_t offset, double unit, uint64_t *sorted)
{
	for (unsigned long i = 0; i < n; i++)
		memcpy(&sorted[i], (const char *)&samples[i] + offset, 8);
	qsort(sorted, n, sizeof(*sorted), compare);
	printf("  %-22s %10.1f %10.1f %10.1f\n", name,
	       (double)sorted[n / 2] / unit, (double)sorted[n * 9 / 10] / unit,
	       (double)sorted[n * 99 / 100] / unit);
}

static int table(const struct template *t, const struct vmm *vmm,
		 const char *code, unsigned long n, struct sample *samples,
		 uint64_t *sorted, struct err *e)
{
	for (unsigned long i = 0; i < n; i++) {
		int r = one(t, vmm, code, &samples[i], e);

		if (r)
			return r;
	}
	printf("%s, fresh VM, %lu runs%14s %10s %10s\n", code, n, "p50", "p90",
	       "p99");
#define LINE(label, field, unit)                                               \
	line(label, samples, n, offsetof(struct sample, field), unit, sorted)
	LINE("fork (us)", fork, 1e3);
	LINE("exec (us)", exec, 1e3);
	LINE("destroy (us)", drop, 1e3);
	LINE("VM exits", exits, 1);
	LINE("host page faults", faults, 1);
	LINE("guest page faults", guest_faults, 1);
	LINE("pages dirtied", dirty, 1);
	LINE("system calls", syscalls, 1);
	return 0;
}

int bench_run(const char *template_path, unsigned long n, struct err *e)
{
	bool node = strstr(template_path, "node.zbt") != NULL;
	struct sample *samples = calloc(n, sizeof(*samples));
	uint64_t *sorted = calloc(n, sizeof(*sorted));
	struct vmm vmm = { .fd = -1 };
	struct template t = { .fd = -1 };
	int r;

	r = samples && sorted ? 0 : err_set(e, -ENOMEM, "no memory");
	if (r == 0)
		r = vmm_open(&vmm, e);
	if (r == 0)
		r = template_open(&t, template_path, &vmm, e);
	if (r == 0) {
		printf("template built in %.3f s\n", (double)t.build_ns / 1e9);
		r = table(&t, &vmm, node ? "console.log(1+1)" : "print(1+1)", n,
			  samples, sorted, e);
	}
	if (r == 0 && !node)
		r = table(&t, &vmm, "import numpy; print(numpy.random.rand(3))",
			  n, samples, sorted, e);
	template_close(&t);
	vmm_close(&vmm);
	free(samples);
	free(sorted);
	return r;
}
