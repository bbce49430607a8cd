/*
 * session_counts.c: what an exec of a session costs, in counts that no other work of the
 * machine changes, and that say something of other back ends than this one.
 *
 * session_counts TEMPLATE CODE...: for each code two lines, of medians: execs in a VM
 * that goes on, and the first exec in one that is recycled and brought to the state.
 *
 *   exec   exits, guest faults, host faults, pages compared, pages saved, bytes saved
 *   resume the same, and before them pages brought and bytes of the state
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "clock.h"
#include "control.h"
#include "host.h"
#include "machine.h"
#include "maker.h"
#include "protocol.h"

#define EXECS 60
#define SETTLED 30 /* of them: what they leave alone has left the log */
#define RESUMES 15
#define LIMIT (64ul << 20)
#define RUN_NS 30000000000ull

enum { BROUGHT, STATE, EXITS, GUEST, HOST, COMPARED, SAVED, BYTES, COUNTS };

static struct machine machine;
static struct delta delta;
static uint64_t samples[COUNTS][EXECS];

static void die(const char *what)
{
	fprintf(stderr, "session_counts: %s\n", what);
	exit(1);
}

static uint64_t host_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)u.ru_minflt;
}

static uint64_t count(const uint64_t *bits)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < machine.recycle.words; i++)
		n += (uint64_t)__builtin_popcountll(bits[i]);
	return n;
}

static void request(const char *code)
{
	struct part head = { .kind = PART_CODE, .size = strlen(code) };
	size_t size = part_room(head.size);
	char *parts = calloc(1, size);

	if (!parts)
		die("no memory");
	memcpy(parts, &head, sizeof(head));
	memcpy(parts + sizeof(head), code, head.size);
	control_session(&machine.vm);
	if (machine_request(&machine, parts, size, ZB_OUTPUT_SIZE))
		die("the code does not fit");
	free(parts);
}

/* began: host faults before. */
static void exec(const char *code, unsigned sample, uint64_t began)
{
	uint64_t guest = control_page(&machine.vm)->page_faults;
	size_t before = delta.size;
	struct err e = { "" };

	request(code);
	if (machine_run(&machine, clock_mono() + RUN_NS, &e) != VM_READY ||
	    machine_save(&machine, &delta, &e))
		die(e.text[0] ? e.text : "the exec ends its session");
	samples[EXITS][sample] = machine.vm.exits;
	samples[GUEST][sample] = control_page(&machine.vm)->page_faults - guest;
	samples[HOST][sample] = host_faults() - began;
	samples[COMPARED][sample] = count(machine.recycle.log);
	samples[SAVED][sample] = count(delta.changed);
	samples[BYTES][sample] =
		delta_last(&delta)->whole ? delta.size : delta.size - before;
}

static void renew(void)
{
	enum recycle_result result;
	struct err e;

	if (machine_renew(&machine, true, false, &result, &e))
		die(e.text);
}

/* The state of the last exec, in a VM that is as new. */
static void resume(unsigned sample)
{
	uint64_t page = 0;
	struct err e;

	samples[BROUGHT][sample] = 0;
	while (delta_next(&delta, &page))
		samples[BROUGHT][sample]++;
	samples[STATE][sample] = delta.size;
	if (machine_resume(&machine, &delta, &e))
		die(e.text);
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void show(const char *name, int first, unsigned from, unsigned end)
{
	printf("%s", name);
	for (int i = first; i < COUNTS; i++) {
		qsort(samples[i] + from, end - from, sizeof(uint64_t),
		      ascending);
		printf(" %llu",
		       (unsigned long long)samples[i][(from + end) / 2]);
	}
	printf("\n");
}

static void measure(const char *code)
{
	struct err e;

	for (unsigned i = 0; i < EXECS; i++) {
		exec(code, i, host_faults());
		if (machine_rest(&machine, &delta, &e) ||
		    machine_go_on(&machine, &delta, &e))
			die(e.text);
	}
	show("exec", EXITS, SETTLED, EXECS);
	for (unsigned i = 0; i < RESUMES; i++) {
		uint64_t began;

		renew();
		began = host_faults();
		resume(i);
		exec(code, i, began);
	}
	show("resume", BROUGHT, RESUMES / 2, RESUMES);
	renew();
	delta_clear(&delta);
}

static void train(void)
{
	enum recycle_result result = RECYCLE_DONE;
	struct err e;

	for (int i = 0; i < MACHINE_TRAININGS && result == RECYCLE_DONE; i++)
		if (machine_can_train(&machine) &&
		    machine_train(&machine, &result, &e))
			die(e.text);
}

int main(int argc, char **argv)
{
	struct snapshot snapshot;
	struct vmm vmm = { .fd = -1 };
	struct err e = { "" };

	if (argc < 3)
		die("usage: session_counts TEMPLATE CODE...");
	maker_set();
	if (vmm_open(&vmm, &e) || host_probe(&vmm, &e) ||
	    snapshot_open(&snapshot, argv[1], &vmm, &e) ||
	    machine_open(&machine, &vmm, &snapshot, &e) ||
	    machine_make(&machine, &e) ||
	    delta_open(&delta, &snapshot, LIMIT, &e))
		die(e.text);
	delta_hurry(&delta);
	train();
	for (int i = 2; i < argc; i++)
		measure(argv[i]);
	return 0;
}
