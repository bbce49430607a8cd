#include "worker.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "template.h"
#include "vmm.h"

struct worker {
	int channel;
	struct vmm vmm;
	struct template template;
	struct vm vm;
	void *memory, *image;
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

static int fork_vm(struct worker *w, struct err *e)
{
	return template_fork(&w->template, &w->vmm, &w->vm, &w->memory,
			     &w->image, e);
}

static void drop_vm(struct worker *w)
{
	vm_destroy(&w->vm);
	template_unmap(&w->template, w->memory, w->image);
	w->memory = w->image = NULL;
}

static uint64_t fault_count(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_minflt;
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
			      "\nzeroboot: stderr truncated: %llu of %llu bytes\n",
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
		out = vm_output(&w->vm, 1, request->output_limit, &out_size,
				&out_total);
		err = vm_output(&w->vm, 2, request->output_limit, &err_size,
				&err_total);
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
		uint64_t received, struct worker_reply *reply, struct err *e)
{
	uint64_t start, faults = fault_count();

	if (template_request(&w->template, &w->vm, w->code, request->code_size,
			     request->output_limit) < 0) {
		err_set(e, -E2BIG, "code does not fit");
		reply->status = WORKER_FAULT;
		return;
	}
	start = clock_mono();
	reply->fork_ns = start - received;
	switch (vm_run(&w->vm,
		       start + (uint64_t)request->timeout_ms * 1000000, e)) {
	case VM_EXIT:
		reply->status = WORKER_DONE;
		reply->exit_code = vm_exit_code(&w->vm);
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
	reply->exits = w->vm.exits;
	reply->faults = fault_count() - faults;
}

/* One request. 1: go on; 0: the front end is gone; -errno: give up. */
static int serve_one(struct worker *w, struct err *e)
{
	struct worker_request request;
	struct worker_reply reply;
	uint64_t received;
	int r = read_all(w->channel, &request, sizeof(request));

	if (r <= 0)
		return r;
	if (request.code_size > WORKER_CODE_MAX ||
	    request.output_limit > ZB_OUTPUT_SIZE)
		return err_set(e, -EPROTO, "request out of range");
	r = read_all(w->channel, w->code, request.code_size);
	if (r <= 0)
		return r;
	received = clock_mono();
	memset(&reply, 0, sizeof(reply));
	reply.id = request.id;
	run(w, &request, received, &reply, e);
	r = answer(w, &request, &reply, e);
	/* The answer is out; the next VM is made while nobody waits for it. */
	drop_vm(w);
	if (r)
		return r;
	r = fork_vm(w, e);
	return r ? r : 1;
}

int worker_main(int channel, const char *template_path)
{
	struct worker_reply ready = { .status = WORKER_READY };
	struct iovec v = { &ready, sizeof(ready) };
	struct worker w = { .channel = channel, .template.fd = -1 };
	struct rlimit no_core = { 0, 0 };
	struct err e = { "" };
	int r;

	vm_init(&w.vm);
	w.vmm.fd = -1;
	setrlimit(RLIMIT_CORE, &no_core);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	w.code = malloc(WORKER_CODE_MAX);
	r = w.code ? 0 : err_set(&e, -ENOMEM, "no memory");
	if (r == 0)
		r = vmm_open(&w.vmm, &e);
	if (r == 0)
		r = template_open(&w.template, template_path, &w.vmm, &e);
	if (r == 0)
		r = fork_vm(&w, &e);
	if (r == 0)
		r = write_all(channel, &v, 1);
	while (r >= 0) {
		e.text[0] = 0;
		r = serve_one(&w, &e);
		if (r == 0)
			break;
	}
	if (r < 0 && e.text[0])
		dprintf(STDERR_FILENO, "zeroboot: worker: %s\n", e.text);
	drop_vm(&w);
	template_close(&w.template);
	vmm_close(&w.vmm);
	free(w.code);
	close(channel);
	return r < 0 ? 1 : 0;
}
