#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build.h"
#include "clock.h"
#include "control.h"
#include "exec_parts.h"
#include "file.h"
#include "guest/abi.h"
#include "host.h"
#include "image.h"
#include "image_command.h"
#include "image_find.h"
#include "interrupt.h"
#include "machine.h"
#include "outputs.h"
#include "relay.h"
#include "session_file.h"
#include "template.h"

static const char *const environment[] = { "PATH=/usr/local/sbin:/usr/local/"
					   "bin:/usr/sbin:/usr/bin:/sbin:/bin",
					   "HOME=/root", "LANG=C.UTF-8", NULL };

/* 0 or -errno. */
static int write_stream(int fd, const char *p, size_t size)
{
	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static uint64_t deadline_after(uint64_t timeout_ms)
{
	return timeout_ms ? clock_mono() + timeout_ms * 1000000 : UINT64_MAX;
}

/* Runs to the end of the program, or of an exec when *ended is VM_READY; the code
 * to leave with, or -errno. *ended: how it came about. Its output is ours, and with
 * input so is its input. */
static int finish(struct vm *vm, uint64_t timeout_ms, bool input,
		  enum vm_event *ended, struct err *e)
{
	bool session = *ended == VM_READY;
	struct interrupt_source source;
	enum vm_event event;
	struct relay relay;
	int r = interrupt_open(&source, e);

	if (r)
		return r;
	relay_open(&relay, vm, input);
	vm->orders = source.orders.fd < 0 ? NULL : &source.orders;
	event = vm_run(vm, deadline_after(timeout_ms), e);
	vm->orders = NULL;
	interrupt_close(&source);
	*ended = event;
	/* Of a fault the reason is in e. */
	r = relay.gone ? -EPIPE :
			 relay_close(&relay, event == VM_FAULT ? NULL : e);
	if (relay.gone)
		return 128 + SIGPIPE;
	if (r && event != VM_FAULT)
		return r;
	switch (event) {
	case VM_EXIT:
		return control_exit_code(vm);
	case VM_TIMEOUT:
		dprintf(STDERR_FILENO, "zeroboot: timed out after %llu ms\n",
			(unsigned long long)timeout_ms);
		return 124;
	case VM_READY:
		return session ? control_exit_code(vm) :
				 err_set(e, -EPROTO, "guest: asked for work");
	case VM_ASKS:
		return err_set(e, -EPROTO, "guest: asked for input");
	case VM_CANCELLED:
		return 128 + SIGINT;
	case VM_FAULT:
		break;
	}
	return -EIO;
}

/* What is saved goes to its place once it is proved. */
static int build_file(const struct template_options *o,
		      const struct build_options *b, const struct vmm *vmm,
		      struct err *e)
{
	struct file_draft d = { .fd = -1 };
	int r = file_draft(&d, o->output, e);

	if (r)
		return r;
	return file_replace(&d, o->output, build_template(b, vmm, d.fd, e), e);
}

/* Whoever uses the template looks for its image there. */
static void look_for_image(const struct template_options *o)
{
	struct image_place place;
	struct snapshot s;
	struct err e;

	if (snapshot_open(&s, o->output, NULL, &e) == 0)
		snapshot_close(&s);
	else if (image_beside(place.path, o->output) == 0)
		fprintf(stderr, "zeroboot: %s: belongs beside it, as %s\n",
			o->image, place.path);
}

int run_template_build(const struct template_options *o, struct err *e)
{
	struct build_options b = { .name = o->output,
				   .image_name = o->image,
				   .program = o->program,
				   .memory_mb = o->memory_mb,
				   .trace = o->trace };
	struct vmm vmm = { .fd = -1 };
	struct image image;
	int r = image_open(&image, o->image, e);

	b.image = &image;
	if (r == 0)
		r = vmm_open(&vmm, e);
	if (r == 0)
		r = host_probe(&vmm, e);
	if (r == 0)
		r = build_file(o, &b, &vmm, e);
	if (r == 0)
		look_for_image(o);
	vmm_close(&vmm);
	image_close(&image);
	return r;
}

/* Files that the run returns; why the guest refused it. r: its exit code. */
static int take_outputs(const struct machine *m, const struct parts *parts,
			int r, struct err *e)
{
	struct outputs outputs;
	char line[ZB_LOG_SIZE];
	int saved;

	if (control_refused(&m->vm)) {
		control_log(&m->vm, line, sizeof(line));
		return err_set(e, -EINVAL, "%s", line);
	}
	if (!exec_wants_outputs(parts))
		return r;
	if (outputs_gather(m, PROTOCOL_FILES_MAX, &outputs))
		return err_set(e, -ENOMEM, "no memory");
	saved = outputs.data ? exec_save(parts, outputs.data, outputs.size, e) :
			       0;
	if (outputs.missed)
		dprintf(STDERR_FILENO, "zeroboot: %u more files left out\n",
			outputs.missed);
	free(outputs.data);
	return saved ? saved : r;
}

/* Brings the VM to where the session is. */
static int resume(struct machine *m, struct delta *d, const char *path,
		  int *lock, struct err *e)
{
	int r = delta_open(d, m->snapshot, 2 * m->snapshot->memory_size, e);

	if (r == 0)
		r = session_file_read(path, d, lock, e);
	if (r == 0 && d->size)
		r = machine_resume(m, d, e);
	if (r == 0)
		control_session(&m->vm);
	return r;
}

/* What there is to say of an exec's value, as an interpreter that is asked says. */
static int show_value(const struct vm *vm, struct err *e)
{
	size_t size;
	bool cut;
	const void *text = control_result(vm, &size, &cut);
	int r = size ? write_stream(STDOUT_FILENO, text, size) : 0;

	if (r == 0 && size)
		r = write_stream(STDOUT_FILENO, cut ? "...\n" : "\n",
				 cut ? 4 : 1);
	return r && r != -EPIPE ? err_set(e, r, "stdout: %s", strerror(-r)) : 0;
}

/* After an exec that ended so: keeps the session. r: the code to leave with. */
static int keep(struct machine *m, struct delta *d, const char *path,
		enum vm_event ended, int r, struct err *e)
{
	int failed = 0;

	if (ended == VM_READY)
		failed = show_value(&m->vm, e);
	if (failed == 0 && ended == VM_READY) {
		failed = machine_save(m, d, e);
		if (failed == 0)
			failed = session_file_write(path, d, e);
	} else if (ended == VM_EXIT) {
		dprintf(STDERR_FILENO,
			"zeroboot: %s: the session's program has ended\n",
			path);
		if (unlink(path) && errno != ENOENT)
			failed = err_set(e, -errno, "%s: %s", path,
					 strerror(errno));
	} else if (d->size) {
		dprintf(STDERR_FILENO,
			"zeroboot: %s: the session is as it was before\n",
			path);
	}
	return failed ? failed : r;
}

/* What had been counted, and when, at a moment of a run. */
struct moment {
	uint64_t ns, faults, calls;
};

static struct moment moment_of(const struct vm *vm)
{
	const volatile struct zb_control *c = control_page(vm);

	return (struct moment){ clock_mono(), c->page_faults, c->syscalls };
}

/* start: when the VM was asked for; from, to: around its run. */
static void print_costs(const struct vm *vm, uint64_t start,
			const struct moment *from, const struct moment *to)
{
	dprintf(STDERR_FILENO,
		"zeroboot: fork %.3f ms, run %.3f ms, %llu exits, %llu "
		"pages dirtied, %llu guest faults, %llu system calls\n",
		(double)(from->ns - start) / 1e6,
		(double)(to->ns - from->ns) / 1e6,
		(unsigned long long)vm->exits,
		(unsigned long long)vm_dirty_pages(vm),
		(unsigned long long)(to->faults - from->faults),
		(unsigned long long)(to->calls - from->calls));
}

/* The request to a VM that waits for one, until its program or its exec ends: as
 * finish(), and with what it returns. start: when the VM was asked for. */
static int serve(struct machine *m, const struct exec_options *o,
		 const struct parts *parts, uint64_t start,
		 enum vm_event *ended, struct err *e)
{
	struct moment from, to;
	int r = machine_request(m, parts->data, parts->size, ZB_OUTPUT_SIZE);

	if (r)
		return err_set(e, r,
			       "the request does not fit into the memory of "
			       "its VM");
	control_want_outputs(&m->vm, PROTOCOL_FILES_MAX);
	if (o->trace)
		control_trace(&m->vm);
	from = moment_of(&m->vm);
	r = finish(&m->vm, o->timeout_ms, false, ended, e);
	to = moment_of(&m->vm);
	if (o->stats)
		print_costs(&m->vm, start, &from, &to);
	return r < 0 ? r : take_outputs(m, parts, r, e);
}

int run_exec(const struct exec_options *o, const struct parts *parts,
	     struct err *e)
{
	enum vm_event ended = o->session ? VM_READY : VM_EXIT;
	char session[PATH_MAX];
	struct vmm vmm = { .fd = -1 };
	struct snapshot snapshot = { 0 };
	struct machine m = { 0 };
	struct delta delta = { 0 };
	uint64_t start = clock_mono();
	int lock = -1, r = 0;

	if (o->session)
		r = session_file_find(o->session, session, e);
	if (r == 0)
		r = vmm_open(&vmm, e);
	if (r == 0)
		r = host_probe(&vmm, e);
	if (r == 0)
		r = build_or_open(&snapshot, o->template, &vmm, e);
	if (r == 0)
		r = machine_open(&m, &vmm, &snapshot, e);
	if (r == 0)
		r = machine_make(&m, e);
	if (r == 0 && o->session)
		r = resume(&m, &delta, session, &lock, e);
	if (r == 0)
		r = serve(&m, o, parts, start, &ended, e);
	if (r >= 0 && o->session)
		r = keep(&m, &delta, session, ended, r, e);
	if (lock >= 0)
		close(lock);
	delta_close(&delta);
	machine_close(&m);
	snapshot_close(&snapshot);
	vmm_close(&vmm);
	return r;
}

/* As a shell has it. */
static int cannot_start(int r, const struct err *e)
{
	dprintf(STDERR_FILENO, "zeroboot: %s\n", e->text);
	return r == -ENOENT ? 127 : 126;
}

int run_program(const struct program_options *o, struct err *e)
{
	struct vm_boot boot = { .output_limit = ZB_OUTPUT_SIZE,
				.memory_size = o->memory_mb << 20,
				.trace = o->trace,
				.audit = o->stats };
	enum vm_event ended = VM_EXIT;
	struct image_command_given given = { .argv = o->argv,
					     .environment = environment,
					     .variables = o->variables,
					     .directory = o->directory,
					     .image = o->image };
	struct image_command command = { 0 };
	struct vmm vmm = { .fd = -1 };
	struct image image;
	struct vm vm;
	int r;

	vm_init(&vm);
	r = image_open(&image, o->image, e);
	if (r)
		goto out;
	r = image_command(&command, &image, &given, e);
	if (r == -ENOENT || r == -EACCES)
		r = cannot_start(r, e);
	if (r)
		goto out;
	boot.argv = command.argv;
	boot.envp = command.envp;
	boot.directory = o->directory;
	boot.image = image.data;
	boot.image_size = image.size;
	r = vmm_open(&vmm, e);
	if (r == 0)
		r = vm_boot(&vm, &vmm, &boot, e);
	if (r)
		goto out;
	r = finish(&vm, o->timeout_ms, true, &ended, e);
	if (o->stats) {
		const volatile struct zb_control *c = control_page(&vm);

		dprintf(STDERR_FILENO,
			"zeroboot: %llu exits, %llu guest faults, %llu system "
			"calls, %llu pages free\n",
			(unsigned long long)vm.exits,
			(unsigned long long)c->page_faults,
			(unsigned long long)c->syscalls,
			(unsigned long long)c->frames_free);
	}
out:
	vm_destroy(&vm);
	vmm_close(&vmm);
	image_command_close(&command);
	image_close(&image);
	return r;
}
