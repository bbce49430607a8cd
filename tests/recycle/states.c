/*
 * states.c: proves that a VM's state can be kept and brought to another VM. After
 * each run its state is saved, a second VM is brought to it, and every byte of
 * memory and every register of the two is the same; the second one is then made as
 * its template again, which is proved, too. So it is after each exec of a session
 * that goes on in its VM. The second one is also put back to that state after it has run
 * more from there, and is as it was.
 *
 * states TEMPLATE EVERY FILE...: of each FILE's snippets (recycle.c) each EVERYth; of
 * these each third as an exec.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base.h"
#include "clock.h"
#include "control.h"
#include "delta.h"
#include "host.h"
#include "machine.h"
#include "maker.h"
#include "protocol.h"
#include "snippets.h"
#include "tables.h"

#define TIMEOUT_NS 120000000000ull
#define LIMIT (1ul << 30)
#define IDLE_EXECS 24
#define REWINDS 2

struct subject {
	struct vmm vmm;
	struct snapshot snapshot;
	struct machine first, second;
	struct delta saved, kept;
	unsigned recycled, with_tables, states, execs, bases, rewound;
};

static int die(const struct err *e)
{
	fprintf(stderr, "states: %s\n", e->text);
	exit(2);
}

#define SAME(field)                                                            \
	if (memcmp(&a->field, &b->field, sizeof(a->field)))                    \
	return #field

/* What differs, or NULL. */
static const char *differing(const struct vm_state *a, const struct vm_state *b)
{
	SAME(regs);
	SAME(sregs);
	SAME(xcrs);
	SAME(xsave);
	SAME(events);
	SAME(debugregs);
	SAME(msrs);
	return NULL;
}

/* What is left of an exception that was delivered long ago is nobody's state: CPL0
 * has read it when it came. */
static void forget_exception(struct vm_state *s)
{
	s->sregs.cr2 = 0;
	if (!s->events.exception.injected && !s->events.exception.pending)
		memset(&s->events.exception, 0, sizeof(s->events.exception));
}

static bool same_registers(struct subject *s, const char *name)
{
	static struct vm_state a, b;
	struct err e = { "" };
	const char *what;

	if (vm_save(&s->first.vm, &a, &e) || vm_save(&s->second.vm, &b, &e))
		die(&e);
	forget_exception(&a);
	forget_exception(&b);
	what = differing(&a, &b);
	if (what)
		printf("# %s: %s differs\n", name, what);
	return !what;
}

/* In words: musl's memcmp goes byte by byte. */
static bool same_page(const uint8_t *a, const uint8_t *b)
{
	typedef uint64_t word __attribute__((may_alias));
	const word *x = (const word *)a, *y = (const word *)b;
	uint64_t differing = 0;

	for (size_t i = 0; i < PAGE_BYTES / sizeof(word); i++)
		differing |= x[i] ^ y[i];
	return !differing;
}

/* Random bytes are fresh in each VM. */
static bool is_random(gpa_t at)
{
	return at >= ZB_RANDOM_GPA && at < ZB_RANDOM_GPA + ZB_RANDOM_SIZE;
}

static bool same_memory(struct subject *s, const char *name)
{
	for (uint64_t page = 0; page < s->saved.pages; page++) {
		uint64_t at = page * PAGE_BYTES;

		if (is_random(at) || same_page(s->first.vm.memory + at,
					       s->second.vm.memory + at))
			continue;
		printf("# %s: the page at %#llx differs\n", name,
		       (unsigned long long)at);
		return false;
	}
	return true;
}

/* The second VM becomes what the first one is, and its template again. */
static bool bring(struct subject *s, const char *name)
{
	enum recycle_result result;
	struct err e = { "" };
	bool same;

	if (machine_resume(&s->second, &s->kept, &e))
		die(&e);
	same = same_registers(s, name) && same_memory(s, name);
	/* As after a run that touched nothing. */
	if (machine_renew(&s->second, true, false, &result, &e)) {
		printf("# %s: not the template: %s\n", name, e.text);
		return false;
	}
	s->recycled += result == RECYCLE_DONE;
	if (s->with_tables && result == RECYCLE_DONE &&
	    delta_has_tables(&s->kept) && !s->vmm.nested_paging) {
		printf("# %s: recycled with other page tables\n", name);
		return false;
	}
	return same;
}

static bool prove(struct subject *s, const struct snippet *snippet)
{
	enum recycle_result result;
	struct err e = { "" };
	enum vm_event event;
	bool good;

	if (machine_code(&s->first, snippet->code, snippet->size,
			 ZB_OUTPUT_SIZE))
		return false;
	s->first.vm.keeps = true;
	event = machine_run(&s->first, clock_mono() + TIMEOUT_NS, &e);
	good = event == VM_EXIT;
	if (!good)
		printf("# %s: event %d: %s\n", snippet->name, event, e.text);
	if (good && machine_save(&s->first, &s->saved, &e)) {
		printf("# %s: not saved: %s\n", snippet->name, e.text);
		good = false;
	}
	if (good) {
		s->states++;
		if (delta_add(&s->kept, s->saved.data, s->saved.size, &e))
			die(&e);
		s->with_tables += delta_has_tables(&s->kept);
		/* In a new VM, and in one that was recycled. */
		good = bring(s, snippet->name) && bring(s, snippet->name);
	}
	delta_clear(&s->saved);
	delta_clear(&s->kept);
	if (machine_renew(&s->first, event == VM_EXIT, false, &result, &e)) {
		printf("# %s: its VM: not the template: %s\n", snippet->name,
		       e.text);
		return false;
	}
	return good;
}

/* ---- sessions ---- */

static int request(struct machine *m, const struct snippet *snippet)
{
	struct part head = { .kind = PART_CODE, .size = snippet->size };
	size_t size = part_room(snippet->size);
	char *parts = calloc(1, size);
	int r;

	if (!parts)
		return -ENOMEM;
	memcpy(parts, &head, sizeof(head));
	memcpy(parts + sizeof(head), snippet->code, snippet->size);
	r = machine_request(m, parts, size, ZB_OUTPUT_SIZE);
	free(parts);
	return r;
}

/* The second VM runs more from the state that is kept, some times, and is put back to
 * it each time, which machine_rewind proves; then it is its template's again. */
static bool rewind_state(struct subject *s, const struct snippet *more)
{
	enum recycle_result result = RECYCLE_DONE;
	struct base base;
	struct err e = { "" };
	bool good = true;

	/* Node has some of the large part in its sessions. */
	if (base_open(&base, &s->kept))
		return true;
	s->bases++;
	if (machine_resume(&s->second, &s->kept, &e))
		die(&e);
	for (int i = 0; good && i < REWINDS && result == RECYCLE_DONE; i++) {
		enum vm_event event;

		control_session(&s->second.vm);
		if (request(&s->second, more))
			return false;
		event = machine_run(&s->second, clock_mono() + TIMEOUT_NS, &e);
		/* It may have stopped where it is to go on. */
		good = (event == VM_READY || event == VM_EXIT) &&
		       vm_complete(&s->second.vm) == 0 &&
		       machine_rewind(&s->second, &base, &result, &e) == 0;
		s->rewound += good && result == RECYCLE_DONE;
	}
	if (!good || machine_renew(&s->second, true, false, &result, &e))
		printf("# %s: not put back: %s\n", more->name, e.text);
	base_close(&base);
	return good && !e.text[0];
}

/* What the first VM goes on with is what the second one would. */
static bool prove_state(struct subject *s, const struct snippet *snippet,
			bool only_save)
{
	const char *name = snippet->name;
	struct err e = { "" };

	if (machine_save(&s->first, &s->saved, &e)) {
		printf("# %s: not saved: %s\n", name, e.text);
		return false;
	}
	if (machine_rest(&s->first, &s->saved, &e))
		die(&e);
	if (only_save)
		return machine_go_on(&s->first, &s->saved, &e) == 0;
	s->execs++;
	delta_clear(&s->kept);
	if (delta_add(&s->kept, s->saved.data, s->saved.size, &e) ||
	    machine_go_on(&s->first, &s->saved, &e))
		die(&e);
	return bring(s, name) && rewind_state(s, snippet);
}

static bool end_session(struct subject *s, const char *name)
{
	enum recycle_result result;
	struct err e = { "" };

	delta_clear(&s->saved);
	delta_clear(&s->kept);
	if (machine_renew(&s->first, true, false, &result, &e) == 0)
		return true;
	printf("# %s: its session's VM: not the template: %s\n", name, e.text);
	return false;
}

/* An exec of the session, of which the program may end by it. */
static bool prove_exec(struct subject *s, const struct snippet *snippet,
		       bool only_run)
{
	struct err e = { "" };
	enum vm_event event;

	control_session(&s->first.vm);
	s->first.vm.keeps = true;
	if (request(&s->first, snippet))
		return false;
	event = machine_run(&s->first, clock_mono() + TIMEOUT_NS, &e);
	if (event == VM_READY)
		return prove_state(s, snippet, only_run);
	if (event != VM_EXIT)
		printf("# %s: event %d: %s\n", snippet->name, event, e.text);
	return end_session(s, snippet->name) && event == VM_EXIT;
}

/* Until what these have left alone has left the log, which is nearly all. */
static bool idle(struct subject *s)
{
	static const struct snippet nothing = { .name = "nothing", .code = "" };

	for (int i = 0; i < IDLE_EXECS; i++)
		if (!prove_exec(s, &nothing, i < IDLE_EXECS - 1))
			return false;
	return true;
}

static bool prove_session(struct subject *s, const char *path, unsigned every)
{
	char *text = read_file(path), *at = text;
	struct snippet snippet;
	unsigned n = 0, bad = 0;

	while (next(&at, &snippet))
		if (n++ % every == 0 && !snippet.any_end)
			bad += !prove_exec(s, &snippet, false);
	bad += !idle(s) || !end_session(s, path);
	printf("%s - states: %s: a VM that goes on between execs is as one "
	       "that is brought to its state\n",
	       bad ? "not ok" : "ok", path);
	fflush(stdout);
	free(text);
	return !bad;
}

static bool prove_file(struct subject *s, const char *path, unsigned every)
{
	char *text = read_file(path), *at = text;
	struct snippet snippet;
	unsigned n = 0, bad = 0;

	while (next(&at, &snippet))
		if (n++ % every == 0 && !snippet.any_end)
			bad += !prove(s, &snippet);
	printf("%s - states: %s: a VM that is brought to the state of another "
	       "one "
	       "is the same, and its template afterwards\n",
	       bad || !n ? "not ok" : "ok", path);
	fflush(stdout);
	free(text);
	return !bad && n;
}

int main(int argc, char **argv)
{
	static struct subject s = { .vmm.fd = -1 };
	struct err e = { "" };
	bool ok = true;

	if (argc < 4) {
		fprintf(stderr, "usage: states TEMPLATE EVERY FILE...\n");
		return 2;
	}
	maker_set();
	if (vmm_open(&s.vmm, &e) || host_probe(&s.vmm, &e) ||
	    snapshot_open(&s.snapshot, argv[1], &s.vmm, &e) ||
	    machine_open(&s.first, &s.vmm, &s.snapshot, &e) ||
	    machine_open(&s.second, &s.vmm, &s.snapshot, &e) ||
	    machine_make(&s.first, &e) || machine_make(&s.second, &e) ||
	    delta_open(&s.saved, &s.snapshot, LIMIT, &e) ||
	    delta_open(&s.kept, &s.snapshot, LIMIT, &e))
		die(&e);
	delta_hurry(&s.saved);
	s.first.verify = s.second.verify = true;
	for (int i = 3; i < argc; i++) {
		ok &= prove_file(&s, argv[i], (unsigned)atoi(argv[2]));
		ok &= prove_session(&s, argv[i], 3 * (unsigned)atoi(argv[2]));
	}
	printf("# %u states, %u after execs, %u with page tables, %u times "
	       "recycled\n",
	       s.states, s.execs, s.with_tables, s.recycled);
	ok &= !s.bases == !s.rewound;
	printf("%s - states: a VM is put back to a state after what runs from "
	       "it\n# %u times\n",
	       !s.bases == !s.rewound ? "ok" : "not ok", s.rewound);
	machine_close(&s.first);
	machine_close(&s.second);
	return ok ? 0 : 1;
}
