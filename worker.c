#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "clock.h"
#include "control.h"
#include "errand.h"
#include "inbox.h"
#include "jail.h"
#include "letter.h"
#include "machine.h"
#include "host.h"
#include "outbox.h"
#include "outputs.h"
#include "proc.h"
#include "resident.h"

#define STATE_ROOM                                                             \
	12 /* times the bytes of a session's pages: see delta_most() */
#define AWAKE_NS 200000
#define SETTLE_MS 100 /* between looks whether the template is loaded */
#define IDLE_MS 10000 /* without a request: what the VM has learnt can go */

_Static_assert(PART_CODE == ZB_PART_CODE && PART_REMOVE == ZB_PART_REMOVE,
	       "the kinds of a request's parts are the guest's");

_Static_assert((int)ENDED_SIGNAL == ZB_STATUS_SIGNALLED &&
		       (int)ENDED_MEMORY == ZB_STATUS_OUT_OF_MEMORY,
	       "how a program ended is told as the guest tells it");

_Static_assert(sizeof(((struct err *)NULL)->text) <= PROTOCOL_TEXT_MAX,
	       "what went wrong fits into a message");

/* What the process is doing. */
enum phase { WAITING, TRAINING, RUNNING, RENEWING };

struct slot {
	enum phase phase;
	struct inbox inbox;
	int broken;         /* why no more can be received; 0: it can */
	uint64_t run_id;    /* of what runs, */
	uint64_t saved_run; /* and of what the session was saved after */
	struct vmm vmm;
	struct snapshot snapshot;
	struct machine machine;
	struct resident resident; /* a session, while it is here */
	struct letter_held held; /* the RESULT of its exec, until it is saved */
	struct vm_orders orders;
	struct vm_stream stream; /* of a streamed run, and */
	struct outbox outbox;    /* where its output goes */
	uint32_t discarded;   /* enum recycle_result: why the last VM had to go;
			     * told once */
	uint32_t renew_us;    /* for the last renewal */
	const char *template; /* its name */
	bool settled;         /* the VM starts from files that nobody changes */
	bool fresh;           /* VMs are used once */
	bool warm;            /* this VM needs no training any more */
	bool live; /* it has not been renewed after an exec: it is as its
			       * session was saved */
};

/* ---- what it is told ---- */

/*
 * The next RUN or TRAIN. What is about a run that is over is dropped. 1; 0:
 * there is none yet; -EPIPE: the front end is gone; -errno.
 */
static int next_request(struct slot *s, enum inbox_effort effort,
			struct message *m, const char **body)
{
	int r;

	while ((r = inbox_look(&s->inbox, effort, m, body)) == 1 &&
	       m->kind != MESSAGE_RUN && m->kind != MESSAGE_TRAIN)
		inbox_drop(&s->inbox, m);
	return r;
}

static bool is_asked(struct slot *s)
{
	struct message m;
	const char *body;

	/* An end or an error is found again by whoever waits for a request. */
	return next_request(s, INBOX_POLL, &m, &body) != 0;
}

/* What is about the program that runs: as vm_orders has it. */
static int take_order(struct slot *s, const struct message *m, const char *body)
{
	struct interrupt i = { 0 };
	struct credit c;

	memcpy(&i, body, m->size < sizeof(i) ? m->size : sizeof(i));
	memcpy(&c, &i, sizeof(c));
	inbox_drop(&s->inbox, m);
	if (m->kind == MESSAGE_INTERRUPT && (i.signal < 1 || i.signal > 31))
		s->broken = -EPROTO;
	if (m->kind == MESSAGE_RUN || m->kind == MESSAGE_TRAIN)
		s->broken = -EPROTO;
	if (s->broken)
		return VM_ORDER_END;
	if (i.id != s->run_id)
		return 0;
	if (m->kind == MESSAGE_CREDIT) {
		s->outbox.credit += c.bytes;
		return 0;
	}
	return m->kind == MESSAGE_CANCEL ? VM_ORDER_END : (int)i.signal;
}

static int look_for_orders(struct slot *s, enum inbox_effort effort)
{
	struct message m;
	const char *body;
	int r, order;

	for (;;) {
		r = inbox_look(&s->inbox, effort, &m, &body);
		if (r < 0) {
			s->broken = r;
			return VM_ORDER_END;
		}
		/* A run that comes in a training waits for its end. */
		if (r == 0 || s->phase != RUNNING)
			return 0;
		order = take_order(s, &m, body);
		if (order)
			return order;
	}
}

static int orders_come(void *context)
{
	return look_for_orders(context, INBOX_POLL);
}

/*
 * Waits for the next request awake, as it mostly follows soon: being woken on a
 * CPU that has gone to sleep costs 30 to 50 us. Whoever else wants the CPU gets
 * it. After a while the caller sleeps.
 */
static void stay_awake(struct slot *s)
{
	uint64_t end = clock_mono() + AWAKE_NS;

	while (!is_asked(s) && clock_mono() < end)
		sched_yield();
}

/* ---- what it says ---- */

static struct renewal last_renewal(struct slot *s)
{
	struct renewal r = { .warm = s->warm && !s->live,
			     .discarded = s->discarded,
			     .us = s->renew_us };

	s->discarded = RECYCLE_DONE;
	return r;
}

static int tell(struct slot *s, enum message_kind kind)
{
	struct renewal renewal;
	struct letter l;

	letter_begin(&l, kind);
	if (kind != MESSAGE_READY) {
		renewal = last_renewal(s);
		letter_put(&l, &renewal, sizeof(renewal));
	}
	return letter_send(&l, s->inbox.fd);
}

/* The front end writes it to the log: it knows what it has said already. */
static int tell_failure(struct slot *s, const struct err *e)
{
	struct letter l;

	letter_begin(&l, MESSAGE_FAILED);
	letter_part(&l, PART_MESSAGE, e->text, strlen(e->text) + 1, NULL, 0);
	return letter_send(&l, s->inbox.fd);
}

int output_note(char *buf, size_t size, uint64_t out_total, uint64_t err_total,
		uint32_t limit)
{
	int n = 0;

	if (out_total > limit)
		n = snprintf(buf, size,
			     "zeroboot: stdout truncated: %llu of %llu bytes\n",
			     (unsigned long long)limit,
			     (unsigned long long)out_total);
	if (err_total > limit)
		n += snprintf(buf + n, size - (size_t)n,
			      "\nzeroboot: stderr truncated: %llu of %llu "
			      "bytes\n",
			      (unsigned long long)limit,
			      (unsigned long long)err_total);
	return n;
}

static int answer(struct slot *s, const struct run *run, struct result *result,
		  const struct err *e)
{
	struct outputs outputs = { 0 };
	char note[256];
	uint64_t out_total, err_total;
	size_t out_size, err_size, value_size;
	const void *out, *err, *value;
	struct letter l;
	int n, r = 0;
	bool cut;

	letter_begin(&l, MESSAGE_RESULT);
	letter_put(&l, result, sizeof(*result));
	if (result->status == RESULT_FAULT ||
	    result->status == RESULT_REFUSED ||
	    result->status == RESULT_STALE) {
		letter_part(&l, PART_MESSAGE, e->text, strlen(e->text) + 1,
			    NULL, 0);
	} else if (result->status == RESULT_ASKS) {
		account_run(&s->machine.vm, &s->snapshot, run,
			    result); /* its output is in the state */
	} else if (result->status != RESULT_CANCELLED &&
		   result->status != RESULT_AWAY) {
		/* Of a streamed run nothing is there: it has been said. */
		out = control_output(&s->machine.vm, 1, run->output_limit,
				     &out_size, &out_total);
		err = control_output(&s->machine.vm, 2, run->output_limit,
				     &err_size, &err_total);
		n = output_note(note, sizeof(note), out_total, err_total,
				run->output_limit);
		letter_part(&l, PART_STDOUT, out, out_size, NULL, 0);
		letter_part(&l, PART_STDERR, err, err_size, note, (size_t)n);
		account_run(&s->machine.vm, &s->snapshot, run, result);
		if (result->alive) {
			value = control_result(&s->machine.vm, &value_size,
					       &cut);
			letter_part(&l, PART_VALUE, value, value_size, NULL, 0);
			result->cut |= cut ? RESULT_CUT_VALUE : 0;
		}
		if (result->status == RESULT_DONE && run->outputs_limit)
			(void)outputs_gather(&s->machine, run->outputs_limit,
					     &outputs);
		result->left_out = outputs.missed;
		letter_put(&l, outputs.data, outputs.size);
	}
	/* What may not be kept is answered when that is known. */
	if (!result->alive || result->state_most != PROTOCOL_UNSURE ||
	    !letter_hold(&l, &s->held))
		r = letter_send(&l, s->inbox.fd);
	free(outputs.data);
	return r;
}

/* ---- its VM ---- */

static const struct snapshot_files files = { .memory = WORKER_MEMORY,
					     .file = WORKER_FILE,
					     .image = WORKER_IMAGE,
					     .source = WORKER_SOURCE };

/* From the template as it is there now. */
static int make(struct slot *s, struct err *e)
{
	int r;

	s->settled = snapshot_is_loaded(&files);
	r = snapshot_attach(&s->snapshot, &files, s->template, &s->vmm, e);
	if (r == 0)
		r = machine_open(&s->machine, &s->vmm, &s->snapshot, e);
	s->machine.orders = &s->orders;
	if (r == 0)
		r = machine_make(&s->machine, e);
	s->warm = r == 0 && !machine_can_train(&s->machine);
	return r;
}

/* The VM after a run: as new, or another one. ended: it returned VM_EXIT. */
static int renew(struct slot *s, bool ended, struct err *e)
{
	enum recycle_result result;
	int r = machine_renew(&s->machine, ended && !s->fresh, false, &result,
			      e);

	if (result == RECYCLE_DONE)
		return r;
	s->discarded = result;
	s->warm = !machine_can_train(&s->machine);
	return r ? r : vm_enter(&s->machine.vm, e);
}

/* Who is not of the session that the VM is still of needs one that is as new. */
static int leave_session(struct slot *s, struct err *e)
{
	int r = s->live ? renew(s, true, e) : 0;

	s->live = false;
	resident_end(&s->resident);
	return r;
}

/* The VM after a branch: as at its beginning, or as renew leaves it. */
static int rewind_branch(struct slot *s, bool ended, struct err *e)
{
	enum recycle_result result;
	int r;

	if (!ended || s->fresh ||
	    !resident_rewind(&s->resident, &s->machine, &result, &r, e))
		return renew(s, ended, e);
	s->live = r == 0 && result == RECYCLE_DONE;
	if (s->live)
		return 0;
	s->discarded = result;
	s->warm = !machine_can_train(&s->machine);
	return r ? r : vm_enter(&s->machine.vm, e);
}

/*
 * Runs the training until the VM is warm or a request comes. One that cannot be
 * trained or recycled is left as it is: it works, only slower.
 */
static int warm_up(struct slot *s, struct err *e)
{
	for (int i = 0; i < MACHINE_TRAININGS && !s->warm; i++) {
		enum recycle_result result;
		int r;

		if (is_asked(s))
			return 0;
		s->phase = TRAINING;
		r = machine_train(&s->machine, &result, e);
		if (r || s->broken)
			return r ? r : s->broken;
		if (result != RECYCLE_DONE) {
			s->discarded = result;
			break;
		}
	}
	s->warm = true;
	return tell(s, MESSAGE_WARM);
}

/* ---- runs ---- */

/* It needs what is here by now. */
static bool goes_on(const struct slot *s, const struct run *run)
{
	return run->session == RUN_AGAIN ||
	       (run->session == RUN_SESSION_STAYED &&
		run->stayed == s->saved_run);
}

static bool is_away(const struct slot *s, const struct run *run)
{
	return run->session == RUN_AGAIN ?
		       !resident_is_there(&s->resident) :
		       run->session == RUN_SESSION_STAYED && !s->live;
}

/* Brings the VM to the session. False: result says why not. */
static bool resume(struct slot *s, const struct run *run,
		   const struct part_view *state, struct result *result,
		   struct err *e)
{
	int r;

	if (s->live) {
		resident_go_on(&s->machine, run);
		return true;
	}
	r = resident_begin(&s->resident, &s->machine, run, state->data,
			   state->size, e);
	if (r)
		result->status = r == -ESTALE || r == -EINVAL ? RESULT_STALE :
								RESULT_FAULT;
	return r == 0;
}

/* Tells what the session has become. */
static int save(struct slot *s, struct result *result)
{
	struct saved saved = { .id = result->id };
	const struct delta_segment *segment;
	struct err e = { "" };
	struct letter l;
	int r;

	segment = resident_save(&s->resident, &s->machine, &r, &e);
	letter_begin(&l, MESSAGE_SAVED);
	letter_follow(&l, &s->held);
	letter_put(&l, &saved, sizeof(saved));
	if (segment) {
		s->saved_run = result->id;
		saved.whole = segment->whole;
		letter_put(&l, segment, segment->size);
	} else {
		saved.status = r == -ENOSPC ? SAVED_FULL : SAVED_FAILED;
		result->kept = false;
		letter_part(&l, PART_MESSAGE, e.text, strlen(e.text) + 1, NULL,
			    0);
	}
	return letter_send(&l, s->inbox.fd);
}

static void refuse(struct slot *s, struct result *result, struct err *e)
{
	char line[ZB_LOG_SIZE];

	control_log(&s->machine.vm, line, sizeof(line));
	err_set(e, -EINVAL, "%s", line);
	result->status = RESULT_REFUSED;
	result->exit_code = (uint32_t)control_exit_code(&s->machine.vm);
}

static int move_output(void *context, struct err *e)
{
	struct slot *s = context;
	int r = outbox_move(&s->outbox);

	s->stream.count = outbox_unsent(&s->outbox);
	s->stream.fds[0] = (struct pollfd){ s->inbox.fd, POLLOUT, 0 };
	if (r < 0 && r != -EPROTO)
		s->broken = r;
	return r < 0 ? err_set(e, r, "guest: " RINGS_NONSENSE) : r;
}

static void open_stream(struct slot *s, const struct run *run)
{
	outbox_open(&s->outbox, s->inbox.fd, &s->machine.vm, run);
	s->stream = (struct vm_stream){ .move = move_output, .context = s };
	s->machine.vm.stream = &s->stream;
}

/* What the program has written and nobody has been told. */
static void close_stream(struct slot *s, struct result *result, struct err *e)
{
	bool all = result->status == RESULT_DONE ||
		   result->status == RESULT_TIMEOUT;
	int r = outbox_finish(&s->outbox, all);

	s->machine.vm.stream = NULL;
	if (r == -EPROTO) {
		err_set(e, r, "guest: " RINGS_NONSENSE);
		result->status = RESULT_FAULT;
		result->kept = false;
	} else if (r) {
		s->broken = r;
	}
}

/* An exec of a session has ended, and its program goes on. */
static void end_exec(struct slot *s, const struct run *run,
		     struct result *result, struct err *e)
{
	if (control_refused(&s->machine.vm)) {
		refuse(s, result, e);
		return;
	}
	result->status = RESULT_DONE;
	result->exit_code = (uint32_t)control_exit_code(&s->machine.vm);
	result->alive = !run->look;
	result->kept = !s->fresh;
}

/* What the run has come to. */
static void take_event(struct slot *s, const struct run *run,
		       enum vm_event event, struct result *result,
		       struct err *e)
{
	switch (event) {
	case VM_EXIT:
		result->status = RESULT_DONE;
		result->exit_code = (uint32_t)control_exit_code(&s->machine.vm);
		result->kept = !s->fresh;
		if (control_refused(&s->machine.vm))
			refuse(s, result, e);
		break;
	case VM_TIMEOUT:
		result->status = RESULT_TIMEOUT;
		break;
	case VM_CANCELLED:
		result->status = RESULT_CANCELLED;
		break;
	case VM_ASKS:
		result->status = RESULT_ASKS;
		result->alive = 1;
		result->kept = !s->fresh;
		break;
	case VM_READY:
		if (run->session && run->session < RUN_BEGINNING) {
			end_exec(s, run, result, e);
			break;
		}
		err_set(e, -EIO, "guest: asked for work in the middle of it");
		/* fall through */
	case VM_FAULT:
		result->status = RESULT_FAULT;
		break;
	}
}

/* False: the VM was not used. */
static bool enter(struct slot *s, const struct errand *errand,
		  struct result *result, struct err *e)
{
	const struct run *run = &errand->run;
	const size_t size = (size_t)(errand->end - errand->parts);
	int order = look_for_orders(s, INBOX_PEEK);
	enum vm_event event;
	uint64_t start;

	if (order == VM_ORDER_END) {
		result->status = RESULT_CANCELLED;
		result->kept = true;
		return false;
	}
	if (is_away(s, run)) {
		result->status = RESULT_AWAY;
		result->kept = true;
		return false;
	}
	if (run->session && !resume(s, run, &errand->state, result, e))
		return true;
	if (machine_request(&s->machine, errand->parts, size,
			    run->output_limit) < 0) {
		err_set(e, -E2BIG,
			"the request does not fit into the memory of its VM");
		result->status = RESULT_REFUSED;
		return true;
	}
	if (run->memory_mb)
		control_limit(&s->machine.vm, (uint64_t)run->memory_mb << 20);
	control_want_outputs(&s->machine.vm, run->outputs_limit);
	control_open(&s->machine.vm)->signal = (uint32_t)order;
	if (run->stream)
		open_stream(s, run);
	start = clock_mono();
	/* From the front end's having the request: the wake-up is in it. */
	result->fork_ns = start > run->sent_ns ? start - run->sent_ns : 0;
	event = machine_run(&s->machine,
			    start + (uint64_t)run->timeout_ms * 1000000, e);
	if (event == VM_TIMEOUT && run->grace_ms) {
		result->overran = 1;
		event = machine_interrupt(
			&s->machine, SIGINT,
			clock_mono() + (uint64_t)run->grace_ms * 1000000, e);
	}
	take_event(s, run, event, result, e);
	result->exec_ns = clock_mono() - start + run->spent_ns;
	result->exits = s->machine.vm.exits;
	if (run->stream)
		close_stream(s, result, e);
	return true;
}

/* Ready for the next one, and says so unless it is there already. */
static int be_ready(struct slot *s)
{
	struct message m;
	const char *body;
	int r = next_request(s, INBOX_POLL, &m, &body);

	if (r < 0 || (r == 1 && m.kind == MESSAGE_RUN))
		return r < 0 ? r : 0;
	r = tell(s, MESSAGE_IDLE);
	if (r == 0)
		stay_awake(s);
	return r;
}

/* A RUN, all of it. 0 or -errno. */
static int serve_run(struct slot *s, const struct message *m, const char *body,
		     struct err *e)
{
	struct result result = { 0 };
	struct errand errand;
	uint64_t start;
	bool used, branch;
	int r = errand_take(&errand, body, m->size);

	if (r)
		return err_set(e, r, "request out of range");
	branch = errand.run.session >= RUN_BRANCH;
	if (!goes_on(s, &errand.run))
		r = leave_session(s, e);
	if (r)
		return r;
	inbox_drop(&s->inbox, m); /* they are there until more is received */
	result.id = s->run_id = errand.run.id;
	result.recycled = s->live || (s->machine.used && !s->fresh);
	result.before = last_renewal(s);
	s->phase = RUNNING;
	used = enter(s, &errand, &result, e);
	if (s->broken)
		return s->broken;
	s->phase = RENEWING;
	if (result.alive)
		result.state_most = resident_look(&s->resident, &s->machine);
	if (result.status == RESULT_ASKS)
		result.state_most = PROTOCOL_UNSURE; /* nobody waits for less */
	r = answer(s, &errand.run, &result, e);
	if (r == 0 && result.alive) {
		sched_yield(); /* as below */
		r = save(s, &result);
	}
	if (used)
		s->live = result.alive && result.kept;
	s->renew_us = 0;
	if (r == 0 && used && s->live)
		r = resident_rest(&s->resident, &s->machine, e);
	if (r || s->live)
		return r ? r : be_ready(s);
	if (!branch)
		resident_end(&s->resident);
	/* The answer is out; the VM is made ready while nobody waits for it, but
	 * not before a front end that shares this CPU has passed it on. */
	sched_yield();
	start = clock_mono();
	if (used && branch)
		r = rewind_branch(s, result.kept, e);
	else if (used)
		r = renew(s, result.kept, e);
	s->renew_us = (uint32_t)((clock_mono() - start) / 1000);
	return r ? r : be_ready(s);
}

/* The template may have been loaded meanwhile: VMs start from that from now on,
 * and nothing that becomes of its file is any matter of theirs. */
static int settle(struct slot *s, struct err *e)
{
	int r;

	if (s->settled || !snapshot_is_loaded(&files))
		return 0;
	s->live = false;
	resident_close(&s->resident);
	machine_close(&s->machine);
	snapshot_close(&s->snapshot);
	r = make(s, e);
	return r ? r : vm_enter(&s->machine.vm, e);
}

/*
 * Waits for what comes next. A worker that nobody needs for some time gives back
 * the memory that its runs have used, as there may be a thousand like it.
 */
static int wait_for_request(struct slot *s, struct err *e)
{
	struct pollfd p = { .fd = s->inbox.fd, .events = POLLIN };
	int r = settle(s, e);

	while (r == 0 && !s->settled && !inbox_pending(&s->inbox) &&
	       poll(&p, 1, SETTLE_MS) == 0)
		r = settle(s, e);
	/* What has come may be the word to train, which is said afterwards. */
	if (r == 0)
		r = settle(s, e);
	if (r)
		return r;
	if ((!s->machine.used && !resident_is_there(&s->resident)) ||
	    inbox_pending(&s->inbox) || poll(&p, 1, IDLE_MS) != 0)
		return 0;
	r = leave_session(s, e);
	resident_close(&s->resident);
	if (r == 0)
		r = inbox_trim(&s->inbox);
	if (r || !s->machine.used ||
	    recycle_trim(&s->machine.recycle, &s->machine.vm) == 0)
		return r;
	return err_set(e, -EIO, "memory cannot be given back");
}

/* One request. 0; -EPIPE: the front end is gone; -errno: give up. */
static int serve_one(struct slot *s, struct err *e)
{
	struct message m;
	const char *body;
	int r;

	s->phase = WAITING;
	r = wait_for_request(s, e);
	if (r)
		return r;
	r = next_request(s, INBOX_WAIT, &m, &body);
	if (r < 0)
		return r;
	if (m.kind == MESSAGE_RUN)
		return serve_run(s, &m, body, e);
	inbox_drop(&s->inbox, &m);
	/* Or what is trained goes, and nobody is told. */
	r = settle(s, e);
	if (r == 0)
		r = leave_session(s, e);
	return r ? r : warm_up(s, e);
}

/* Of all processes the kernel takes a worker when memory is short: the front
 * end has nothing to give, and starts another (proc(5), oom_score_adj). */
static void die_first(void)
{
	int fd = proc_open("self/oom_score_adj", O_WRONLY);

	if (fd < 0)
		return;
	(void)!write(fd, "500", 3);
	close(fd);
}

/* The front end decides when to end, not who signals all of its processes. */
static void set_signals(void)
{
	sigset_t none;

	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int lock(const struct slot *s, const char *user, struct err *e)
{
	struct seccomp_files files = { .channel = s->inbox.fd,
				       .log = s->machine.vm.log_fd,
				       .kvm = s->vmm.fd,
				       .memory = WORKER_MEMORY,
				       .image = WORKER_IMAGE,
				       .file = WORKER_FILE,
				       .source = WORKER_SOURCE,
				       .vm = s->machine.vm.fd,
				       .vcpu = s->machine.vm.vcpu };

	return jail_enter(user, &files, e);
}

static int start(struct slot *s, const struct worker_options *o, struct err *e)
{
	int r;

	set_signals();
	die_first();
	vm_bound_log();
	r = inbox_open(&s->inbox, WORKER_CHANNEL);
	if (r)
		err_set(e, r, "no memory");
	if (r == 0)
		r = vmm_open(&s->vmm, e);
	if (r == 0)
		r = host_set(&s->vmm, o->host, e);
	if (r == 0)
		r = vm_tick_open(e);
	if (r == 0)
		r = make(s, e);
	/* For a state as it comes, as it is kept, and as it grows. */
	jail_spare(STATE_ROOM * (unsigned long long)o->pages_mb << 20);
	if (r == 0)
		r = lock(s, o->user, e);
	/* Only now: KVM makes a thread for it, and the jail wants to be alone. */
	if (r == 0)
		r = vm_enter(&s->machine.vm, e);
	return r ? r : tell(s, MESSAGE_READY);
}

int worker_main(const struct worker_options *o)
{
	struct slot s = { .inbox.fd = WORKER_CHANNEL,
			  .template = o->template,
			  .fresh = o->fresh };
	struct err e = { "" };
	int r;

	s.orders = (struct vm_orders){ .fd = WORKER_CHANNEL,
				       .look = orders_come,
				       .context = &s };
	s.vmm.fd = -1;
	r = start(&s, o, &e);
	while (r == 0) {
		e.text[0] = 0;
		r = serve_one(&s, &e);
	}
	if (!e.text[0])
		err_set(&e, r, "channel: %s", strerror(-r));
	if (r != -EPIPE && tell_failure(&s, &e))
		dprintf(STDERR_FILENO, "zeroboot: worker: %s\n", e.text);
	return r == -EPIPE ? 0 : 1; /* the process ends and takes all with it */
}
