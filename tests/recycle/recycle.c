/*
 * recycle.c: runs snippets one after the other in a VM that is recycled, and
 * after each proves that memory, registers and MSRs are the template's again.
 * Two lines of TAP for each group of snippets, and counts.
 *
 * recycle [-v] [-p] [-c[c]] [-k KNOWN] [-a N] [-s N] TEMPLATE FILE...: each FILE holds
 * snippets under lines of `### name`, and is a group. A line `### name !` marks
 * one that may end in any way. After all others the VM must be recycled, but
 * those that the file KNOWN has a line of, under comments that say why. -a: one that
 * costs its VM all the same is run so many times before it counts. -s: so many of a
 * group may then still cost theirs, whichever they are. -v: what each
 * did; -p: what each printed. -c: no proof, but what each cost is counted; -cc:
 * each is run twice on end.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "machine.h"
#include "maker.h"
#include "host.h"
#include "parts.h"
#include "snippets.h"

#define TIMEOUT_NS 120000000000ull
#define ANY_END_NS 8000000000ull /* of those that may end in any way */

struct subject {
	struct vmm vmm;
	struct snapshot snapshot;
	struct machine machine;
	unsigned results[RECYCLE_RESULTS];
};

static bool verbose, print;
static int counts;
static const char *known = ""; /* lines, each with a newline before it */
static const char *known_path;
static unsigned tries = 1, spare;

static void die(const struct err *e)
{
	fprintf(stderr, "recycle: %s\n", e->text);
	exit(2);
}

/* ---- the VM ---- */

static void show(const struct subject *s)
{
	uint64_t total;
	size_t size;
	const void *p;

	if (!print)
		return;
	for (int stream = 1; stream <= 2; stream++) {
		p = control_output(&s->machine.vm, stream, ZB_OUTPUT_SIZE,
				   &size, &total);
		fwrite(p, 1, size, stdout);
	}
}

/* One of KVM's counts for the vCPU, which it describes itself (KVM API, 4.133);
 * 0 when it has none. */
static uint64_t kvm_count(const struct vm *vm, const char *name)
{
	struct kvm_stats_header head;
	union {
		struct kvm_stats_desc desc;
		char bytes[sizeof(struct kvm_stats_desc) + 256];
	} d;
	int fd = ioctl(vm->vcpu, KVM_GET_STATS_FD, NULL);
	uint64_t value = 0;
	size_t size;

	if (fd < 0)
		return 0;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		head.num_desc = 0;
	size = sizeof(d.desc) + head.name_size;
	for (uint32_t i = 0; i < head.num_desc && size <= sizeof(d); i++) {
		off_t at = (off_t)(head.desc_offset + i * size);

		if (pread(fd, &d, size, at) != (ssize_t)size)
			break;
		if (strcmp(d.bytes + sizeof(d.desc), name) ||
		    pread(fd, &value, 8,
			  (off_t)(head.data_offset + d.desc.offset)) != 8)
			continue;
		break;
	}
	close(fd);
	return value;
}

/* One run and what becomes of its VM. 0, or -errno with the reason in e: the
 * VM was said to be as new and is not. */
static int run(struct subject *s, const char *code, size_t size, uint64_t ns,
	       enum recycle_result *result, struct err *e)
{
	struct machine *m = &s->machine;
	enum vm_event event;
	int r = machine_code(m, code, size, ZB_OUTPUT_SIZE);

	*result = RECYCLE_UNFINISHED;
	if (r)
		return err_set(e, r, "the code does not fit");
	event = machine_run(m, clock_mono() + ns, e);
	show(s);
	r = machine_renew(m, event == VM_EXIT, false, result, e);
	if (verbose)
		printf("# event %d, %s, %llu pages changed%s%s\n", event,
		       recycle_name(*result),
		       (unsigned long long)m->recycle.changed,
		       event == VM_FAULT ? ": " : "",
		       event == VM_FAULT ? e->text : "");
	return r;
}

static void train(struct subject *s)
{
	enum recycle_result result = RECYCLE_DONE;
	struct err e = { "" };

	if (!machine_can_train(&s->machine))
		return;
	for (int i = 0; i < MACHINE_TRAININGS && result == RECYCLE_DONE; i++)
		if (machine_train(&s->machine, &result, &e))
			die(&e);
}

/* ---- snippets ---- */

/* Times are of the run alone; faults those of KVM's shadow page tables. */
static void count(struct subject *s, const struct snippet *snippet)
{
	enum recycle_result result;
	char line[200] = "";
	int n = 0;

	for (int i = 0; i < counts; i++) {
		struct machine *m = &s->machine;
		const struct recycle *r = &m->recycle;
		uint64_t faults = kvm_count(&m->vm, "pf_fixed");
		uint64_t start = clock_mono(), exec;
		struct err e = { "" };
		enum vm_event event;

		machine_code(m, snippet->code, snippet->size, ZB_OUTPUT_SIZE);
		event = machine_run(m, start + TIMEOUT_NS, &e);
		exec = clock_mono() - start;
		faults = kvm_count(&m->vm, "pf_fixed") - faults;
		start = clock_mono();
		if (machine_renew(m, event == VM_EXIT, false, &result, &e))
			die(&e);
		n += snprintf(
			line + n, sizeof(line) - (size_t)n,
			" %-11s %6llu %6llu %6llu %7llu %6llu %6llu",
			recycle_name(result), (unsigned long long)(exec / 1000),
			(unsigned long long)((clock_mono() - start) / 1000),
			(unsigned long long)faults,
			(unsigned long long)r->checked,
			(unsigned long long)r->changed,
			(unsigned long long)r->dropped);
		s->results[result]++;
		if (result != RECYCLE_DONE)
			train(s);
	}
	printf("%-22s%s\n", snippet->name, line);
}

static bool count_all(struct subject *s, const char *path)
{
	char *text = read_file(path), *at = text;
	struct snippet snippet;

	printf("%-22s", path);
	for (int i = 0; i < counts; i++)
		printf(" %-11s %6s %6s %6s %7s %6s %6s", i ? "again" : "first",
		       "us", "renew", "faults", "checked", "right", "given");
	printf("\n");
	while (next(&at, &snippet))
		count(s, &snippet);
	free(text);
	return true;
}

/* Whether a line of KNOWN is its name. */
static bool costs_vm(const char *name)
{
	size_t n = strlen(name);

	for (const char *at = known; (at = strstr(at, name)); at++)
		if (at[-1] == '\n' && at[n] == '\n')
			return true;
	return false;
}

/* True when what became of the VM is as it should be. */
static bool judge(const struct snippet *snippet, enum recycle_result result)
{
	bool costs = costs_vm(snippet->name);

	if (snippet->any_end)
		return true;
	if (costs && result == RECYCLE_DONE)
		printf("# %s: recycled; where page tables are not put back, "
		       "take it off %s\n",
		       snippet->name, known_path);
	if (costs || result == RECYCLE_DONE)
		return true;
	printf("# %s: %s, and not in %s\n", snippet->name, recycle_name(result),
	       known_path);
	return false;
}

static bool group(struct subject *s, const char *path)
{
	unsigned count = 0, bad = 0, lost = 0;
	char *text = read_file(path), *at = text;
	enum recycle_result result;
	struct snippet snippet;

	while (next(&at, &snippet)) {
		struct err e = { "" };
		unsigned left = tries;
		bool good;
		int r;

		count++;
		if (verbose)
			printf("# %s\n", snippet.name);
		do {
			r = run(s, snippet.code, snippet.size,
				snippet.any_end ? ANY_END_NS : TIMEOUT_NS,
				&result, &e);
			s->results[result]++;
			good = judge(&snippet, result);
		} while (r == 0 && !good && --left);
		lost += !good;
		if (r == 0)
			continue;
		printf("# %s: not the template: %s\n", snippet.name, e.text);
		bad++;
		machine_drop(&s->machine);
		if (machine_make(&s->machine, &e))
			die(&e);
	}
	printf("%s - recycle: %s: after each of %u runs the VM is the template "
	       "again, or gone\n",
	       bad || !count ? "not ok" : "ok", path, count);
	printf("%s - recycle: %s: no run costs its VM but those that are known "
	       "to\n",
	       lost > spare ? "not ok" : "ok", path);
	fflush(stdout);
	free(text);
	return bad == 0 && count && lost <= spare;
}

/* The file's text with a newline before its first line. */
/* What nobody sends checks, the guest does: an agent has room for so much. */
static bool refuse_strings(struct subject *s)
{
	static char text[ZB_STRINGS_MAX / 2];
	enum recycle_result result;
	struct parts p = { 0 };
	struct err e = { "" };
	char line[ZB_LOG_SIZE];
	bool good;

	memset(text, 'x', sizeof(text));
	if (parts_add(&p, PART_CODE, NULL, 0, "", 0) ||
	    parts_add(&p, PART_ARGUMENT, NULL, 0, text, sizeof(text)) ||
	    parts_add(&p, PART_ENVIRONMENT, NULL, 0, text, sizeof(text)) ||
	    machine_request(&s->machine, p.data, p.size, ZB_OUTPUT_SIZE)) {
		err_set(&e, -ENOMEM, "no such request");
		die(&e);
	}
	parts_drop(&p);
	good = machine_run(&s->machine, clock_mono() + TIMEOUT_NS, &e) ==
		       VM_EXIT &&
	       control_refused(&s->machine.vm);
	control_log(&s->machine.vm, line, sizeof(line));
	printf("%s - recycle: a request with more strings than an agent has "
	       "room for is refused\n# %s\n",
	       good ? "ok" : "not ok", line);
	if (machine_renew(&s->machine, false, false, &result, &e))
		die(&e);
	return good;
}

static void read_known(const char *path)
{
	char *text = read_file(path), *lines = malloc(strlen(text) + 2);

	if (!lines)
		exit(2);
	lines[0] = '\n';
	strcpy(lines + 1, text);
	free(text);
	known = lines;
	known_path = path;
}

int main(int argc, char **argv)
{
	struct subject s = { .vmm.fd = -1 };
	struct err e = { "" };
	bool ok = true;
	int option;

	while ((option = getopt(argc, argv, "vpck:a:s:")) > 0) {
		if (option == 'k')
			read_known(optarg);
		if (option == 'a')
			tries = (unsigned)atoi(optarg);
		if (option == 's')
			spare = (unsigned)atoi(optarg);
		verbose |= option == 'v';
		counts += option == 'c';
		print |= option == 'p';
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: recycle [-v] [-p] [-c[c]] [-k KNOWN] "
				"[-a N] [-s N] TEMPLATE FILE...\n");
		return 2;
	}
	maker_set();
	if (vmm_open(&s.vmm, &e) || host_probe(&s.vmm, &e) ||
	    snapshot_open(&s.snapshot, argv[optind], &s.vmm, &e) ||
	    machine_open(&s.machine, &s.vmm, &s.snapshot, &e) ||
	    machine_make(&s.machine, &e))
		die(&e);
	counts = counts > 2 ? 2 : counts;
	s.machine.verify = !counts;
	train(&s);
	for (int i = optind + 1; i < argc; i++)
		ok &= (counts ? count_all : group)(&s, argv[i]);
	if (!counts)
		ok &= refuse_strings(&s);
	for (int i = 0; i < RECYCLE_RESULTS; i++)
		if (s.results[i])
			printf("# %u %s\n", s.results[i],
			       recycle_name((enum recycle_result)i));
	machine_close(&s.machine);
	return ok ? 0 : 1;
}
