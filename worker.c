#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "jail.h"
#include "machine.h"
#include "paging.h"

#define AWAKE_NS 200000
#define IDLE_MS 10000 /* without a request: what the VM has learnt can go */

struct worker {
	int channel;
	struct vmm vmm;
	struct snapshot snapshot;
	struct machine machine;
	uint32_t discarded; /* enum recycle_result: why the last VM had to go;
			     * told once */
	uint32_t renew_us;  /* for the last renewal */
	bool fresh;         /* VMs are used once */
	bool warm;          /* this VM needs no training any more */
	char *code;
};

/* 1: all of it; 0: the channel is closed; -errno. */
static int read_all(int fd, void *buf, size_t size)
{
	char *p = buf;

	while (size) {
		ssize_t n = recv(fd, p, size, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		p += n;
		size -= (size_t)n;
	}
	return 1;
}

/*
 * Waits for the next request awake, as it mostly follows soon: being woken on a
 * CPU that has gone to sleep costs 30 to 50 us. Whoever else wants the CPU gets
 * it. After a while the caller sleeps.
 */
static void stay_awake(const struct worker *w)
{
	uint64_t end = clock_mono() + AWAKE_NS;
	char byte;

	while (recv(w->channel, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN && clock_mono() < end)
		sched_yield();
}

static int write_all(int fd, struct iovec *v, int count)
{
	while (count) {
		struct msghdr message = { .msg_iov = v,
					  .msg_iovlen = (size_t)count };
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		while (count && (size_t)n >= v->iov_len) {
			n -= (ssize_t)v->iov_len;
			v++;
			count--;
		}
		if (count) {
			v->iov_base = (char *)v->iov_base + n;
			v->iov_len -= (size_t)n;
		}
	}
	return 0;
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

static int answer(struct worker *w, const struct worker_request *request,
		  struct worker_reply *reply, const struct err *e)
{
	char note[256];
	uint64_t out_total = 0, err_total = 0;
	size_t out_size = 0, err_size = 0;
	const void *out = "", *err = "";
	int note_size = 0;
	struct iovec v[5];

	if (reply->status == WORKER_FAULT) {
		reply->message_size =
			(uint32_t)strnlen(e->text, sizeof(e->text));
	} else {
		out = control_output(&w->machine.vm, 1, request->output_limit,
				     &out_size, &out_total);
		err = control_output(&w->machine.vm, 2, request->output_limit,
				     &err_size, &err_total);
		note_size = output_note(note, sizeof(note), out_total,
					err_total, request->output_limit);
	}
	reply->stdout_size = (uint32_t)out_size;
	reply->stderr_size = (uint32_t)err_size + (uint32_t)note_size;
	v[0] = (struct iovec){ reply, sizeof(*reply) };
	v[1] = (struct iovec){ (void *)(uintptr_t)out, out_size };
	v[2] = (struct iovec){ (void *)(uintptr_t)err, err_size };
	v[3] = (struct iovec){ note, (size_t)note_size };
	v[4] = (struct iovec){ (void *)(uintptr_t)e->text,
			       reply->message_size };
	return write_all(w->channel, v, 5);
}

static void run(struct worker *w, const struct worker_request *request,
		struct worker_reply *reply, struct err *e)
{
	uint64_t start;

	if (machine_request(&w->machine, w->code, request->code_size,
			    request->output_limit) < 0) {
		err_set(e, -E2BIG, "code does not fit");
		reply->status = WORKER_FAULT;
		return;
	}
	start = clock_mono();
	/* From the front end's having the request: the wake-up is in it. */
	reply->fork_ns = start > request->sent_ns ? start - request->sent_ns :
						    0;
	switch (machine_run(&w->machine,
			    start + (uint64_t)request->timeout_ms * 1000000,
			    e)) {
	case VM_EXIT:
		reply->status = WORKER_DONE;
		reply->exit_code = control_exit_code(&w->machine.vm);
		break;
	case VM_TIMEOUT:
		reply->status = WORKER_TIMEOUT;
		break;
	case VM_READY:
		err_set(e, -EIO, "guest: asked for work in the middle of it");
		/* fall through */
	case VM_FAULT:
		reply->status = WORKER_FAULT;
		break;
	}
	reply->exec_ns = clock_mono() - start;
	reply->exits = w->machine.vm.exits;
}

/* The VM after a run: as new, or another one. ended: it returned VM_EXIT. */
static int renew(struct worker *w, bool ended, struct err *e)
{
	enum recycle_result result;
	int r = machine_renew(&w->machine, ended && !w->fresh, false, &result,
			      e);

	if (result == RECYCLE_DONE)
		return r;
	w->discarded = result;
	w->warm = !machine_can_train(&w->machine);
	return r;
}

static int tell(struct worker *w, enum worker_status status)
{
	struct worker_reply reply = { .status = status,
				      .discarded = w->discarded };
	struct iovec v = { &reply, sizeof(reply) };

	w->discarded = RECYCLE_DONE;
	return write_all(w->channel, &v, 1);
}

/* The front end writes it to the log: it knows what it has said already. */
static int tell_failure(struct worker *w, const struct err *e)
{
	struct worker_reply reply = { .status = WORKER_FAILED,
				      .message_size = (uint32_t)strnlen(
					      e->text, sizeof(e->text)) };
	struct iovec v[2] = { { &reply, sizeof(reply) },
			      { (void *)(uintptr_t)e->text,
				reply.message_size } };

	return write_all(w->channel, v, 2);
}

static bool asked(const struct worker *w)
{
	struct pollfd p = { .fd = w->channel, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/*
 * Runs the training until the VM is warm or a request comes. One that cannot be
 * trained or recycled is left as it is: it works, only slower.
 */
static int warm_up(struct worker *w, struct err *e)
{
	for (int i = 0; i < MACHINE_TRAININGS && !w->warm; i++) {
		enum recycle_result result;
		int r;

		if (asked(w))
			return 0;
		r = machine_train(&w->machine, &result, e);
		if (r)
			return r;
		if (result != RECYCLE_DONE) {
			w->discarded = result;
			break;
		}
	}
	w->warm = true;
	return tell(w, WORKER_WARM);
}

/*
 * Waits for what comes next. A worker that nobody needs for some time gives back
 * the memory that its runs have used, as there may be a thousand like it.
 */
static int wait_for_request(struct worker *w, struct err *e)
{
	struct pollfd p = { .fd = w->channel, .events = POLLIN };

	if (!w->machine.used || poll(&p, 1, IDLE_MS) != 0 ||
	    recycle_trim(&w->machine.recycle, &w->machine.vm) == 0)
		return 0;
	return err_set(e, -EIO, "memory cannot be given back");
}

/* One request. 1: go on; 0: the front end is gone; -errno: give up. */
static int serve_one(struct worker *w, struct err *e)
{
	struct worker_request request;
	struct worker_reply reply;
	uint64_t start;
	int r = wait_for_request(w, e);

	if (r == 0)
		r = read_all(w->channel, &request, sizeof(request));
	if (r <= 0)
		return r;
	if (request.train) {
		r = warm_up(w, e);
		return r ? r : 1;
	}
	if (request.code_size > WORKER_CODE_MAX ||
	    request.output_limit > ZB_OUTPUT_SIZE)
		return err_set(e, -EPROTO, "request out of range");
	r = read_all(w->channel, w->code, request.code_size);
	if (r <= 0)
		return r;
	memset(&reply, 0, sizeof(reply));
	reply.id = request.id;
	reply.recycled = w->machine.used && !w->fresh;
	reply.discarded = w->discarded;
	reply.renew_us = w->renew_us;
	w->discarded = RECYCLE_DONE;
	run(w, &request, &reply, e);
	r = answer(w, &request, &reply, e);
	if (r)
		return r;
	/* The answer is out; the VM is made ready while nobody waits for it, but
	 * not before a front end that shares this CPU has passed it on. */
	sched_yield();
	start = clock_mono();
	r = renew(w, reply.status == WORKER_DONE, e);
	w->renew_us = (uint32_t)((clock_mono() - start) / 1000);
	/* After other runs the front end knows. */
	if (r == 0 && !w->machine.used && !w->fresh &&
	    reply.status == WORKER_DONE)
		r = tell(w, WORKER_COLD);
	if (r)
		return r;
	stay_awake(w);
	return 1;
}

/* Of all processes the kernel takes a worker when memory is short: the front
 * end has nothing to give, and starts another (proc(5), oom_score_adj). */
static void die_first(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

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
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int lock(const struct worker *w, const char *user, struct err *e)
{
	struct seccomp_files files = { .channel = w->channel,
				       .log = w->machine.vm.log_fd,
				       .kvm = w->vmm.fd,
				       .template = w->snapshot.fd,
				       .vm = w->machine.vm.fd,
				       .vcpu = w->machine.vm.vcpu };

	return jail_enter(user, &files, e);
}

static int start(struct worker *w, const struct worker_options *o,
		 struct err *e)
{
	int r;

	set_signals();
	die_first();
	w->code = malloc(WORKER_CODE_MAX);
	r = w->code ? 0 : err_set(e, -ENOMEM, "no memory");
	if (r == 0)
		r = vmm_open(&w->vmm, e);
	if (r == 0)
		r = paging_set(&w->vmm, o->paging, e);
	if (r == 0)
		r = vm_tick_open(e);
	if (r == 0)
		r = snapshot_open(&w->snapshot, o->template, &w->vmm, e);
	if (r == 0)
		r = machine_open(&w->machine, &w->vmm, &w->snapshot, e);
	if (r == 0)
		r = machine_make(&w->machine, e);
	w->warm = r == 0 && !machine_can_train(&w->machine);
	if (r == 0)
		r = lock(w, o->user, e);
	return r ? r : tell(w, WORKER_READY);
}

int worker_main(const struct worker_options *o)
{
	struct worker w = { .channel = WORKER_CHANNEL,
			    .fresh = o->fresh,
			    .snapshot.fd = -1 };
	struct err e = { "" };
	int r;

	w.vmm.fd = -1;
	r = start(&w, o, &e);
	while (r >= 0) {
		e.text[0] = 0;
		r = serve_one(&w, &e);
		if (r == 0)
			break;
	}
	if (r < 0 && e.text[0] && tell_failure(&w, &e))
		dprintf(STDERR_FILENO, "zeroboot: worker: %s\n", e.text);
	return r < 0 ? 1 : 0; /* the process ends and takes all with it */
}
