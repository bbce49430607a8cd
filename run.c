#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "guest/abi.h"
#include "host.h"
#include "image.h"
#include "image_command.h"
#include "interrupt.h"
#include "language.h"
#include "machine.h"
#include "template.h"
#include "worker.h"

#define MAX_ARGUMENTS (LANGUAGE_ARGUMENTS + 2)
#define MAX_VARIABLES 4

/* Of the guest's memory, for a heap that is bounded by an option: the rest is
 * for young objects, code, buffers, stacks and files. */
#define HEAP_SHARE(mb) ((mb) / 2)

static const char *const environment[MAX_VARIABLES + 1] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "LANG=C.UTF-8", NULL
};

/* A command and its environment. */
struct command {
	const char *argv[MAX_ARGUMENTS + 1];
	const char *envp[MAX_VARIABLES + 1];
	char heap[64];
};

static void write_stream(int fd, const char *p, size_t size)
{
	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* whoever listened is gone */
		p += n;
		size -= (size_t)n;
	}
}

static void show_output(const struct vm *vm)
{
	char note[256];
	uint64_t out_total, err_total;
	size_t size;
	const char *p;
	int n;

	p = control_output(vm, 1, ZB_OUTPUT_SIZE, &size, &out_total);
	write_stream(STDOUT_FILENO, p, size);
	p = control_output(vm, 2, ZB_OUTPUT_SIZE, &size, &err_total);
	write_stream(STDERR_FILENO, p, size);
	n = output_note(note, sizeof(note), out_total, err_total,
			ZB_OUTPUT_SIZE);
	write_stream(STDERR_FILENO, note, (size_t)n);
}

static uint64_t deadline_after(uint64_t timeout_ms)
{
	return timeout_ms ? clock_mono() + timeout_ms * 1000000 : UINT64_MAX;
}

/* Runs to the end of the program; the code to leave with, or -errno. */
static int finish(struct vm *vm, uint64_t timeout_ms, struct err *e)
{
	struct interrupt_source source;
	enum vm_event event;
	int r = interrupt_open(&source, e);

	if (r)
		return r;
	vm->orders = source.orders.fd < 0 ? NULL : &source.orders;
	event = vm_run(vm, deadline_after(timeout_ms), e);
	vm->orders = NULL;
	interrupt_close(&source);
	switch (event) {
	case VM_EXIT:
		show_output(vm);
		return control_exit_code(vm);
	case VM_TIMEOUT:
		show_output(vm);
		dprintf(STDERR_FILENO, "zeroboot: timed out after %llu ms\n",
			(unsigned long long)timeout_ms);
		return 124;
	case VM_READY:
		return err_set(e, -EPROTO, "guest: asked for work");
	case VM_CANCELLED:
		show_output(vm);
		return 128 + SIGINT;
	case VM_FAULT:
		break;
	}
	show_output(vm);
	return -EIO;
}

static const struct language *language_of(const struct image *image)
{
	const struct language *l;

	for (size_t n = 0; (l = language_at(n)); n++)
		if (image_lookup(image->data, l->interpreter) >= 0)
			return l;
	return NULL;
}

static void start_agent(const struct language *l, unsigned int memory_mb,
			struct command *c)
{
	const char **argv = c->argv, **envp = c->envp;

	*argv++ = l->interpreter;
	if (l->heap_option) {
		snprintf(c->heap, sizeof(c->heap), "%s%u", l->heap_option,
			 HEAP_SHARE(memory_mb));
		*argv++ = c->heap;
	}
	for (size_t i = 0; l->arguments[i]; i++)
		*argv++ = l->arguments[i];
	while (*envp)
		envp++;
	*envp = l->variable;
}

/* What starts in the template: the program, or the image's interpreter with its
 * agent. */
static int choose_program(const struct template_options *o,
			  const struct image *image, struct vm_boot *boot,
			  struct snapshot_source *source, struct command *c,
			  struct err *e)
{
	const struct language *l;

	memcpy(c->envp, environment, sizeof(environment));
	if (o->program) {
		if (image_lookup(image->data, o->program) < 0)
			return err_set(e, -ENOENT, "%s: no %s in it", o->image,
				       o->program);
		c->argv[0] = o->program;
		return 0;
	}
	l = language_of(image);
	if (!l)
		return err_set(e, -ENOENT,
			       "%s: no interpreter that has an agent",
			       o->image);
	start_agent(l, (unsigned int)o->memory_mb, c);
	boot->agent = l->agent;
	boot->agent_size = (size_t)(l->agent_end - l->agent);
	source->training = l->training;
	source->training_size = (size_t)(l->training_end - l->training);
	return 0;
}

int run_template_build(const struct template_options *o, struct err *e)
{
	struct command command = { .argv = { NULL } };
	struct vm_boot boot = { .argv = command.argv,
				.envp = command.envp,
				.output_limit = ZB_OUTPUT_SIZE,
				.memory_size = o->memory_mb << 20,
				.trace = o->trace };
	struct snapshot_source source = { 0 };
	struct vmm vmm = { .fd = -1 };
	struct image image;
	uint64_t start = clock_mono();
	struct vm vm;
	int r;

	vm_init(&vm);
	r = image_open_at(&image, o->image, o->image_offset, o->image_size, e);
	if (r)
		goto out;
	r = choose_program(o, &image, &boot, &source, &command, e);
	if (r)
		goto out;
	boot.image = image.data;
	boot.image_size = image.size;
	r = vmm_open(&vmm, e);
	if (r == 0)
		r = host_probe(&vmm, e);
	if (r)
		goto out;
	r = vm_boot(&vm, &vmm, &boot, e);
	if (r)
		goto out;
	switch (vm_run(&vm, UINT64_MAX, e)) {
	case VM_READY:
		break;
	case VM_EXIT:
		show_output(&vm);
		r = err_set(e, -EPROTO,
			    "%s: the program ended with %d before it was ready",
			    o->image, control_exit_code(&vm));
		goto out;
	default:
		show_output(&vm);
		r = -EIO;
		goto out;
	}
	source.image = image.data;
	source.image_size = image.size;
	source.program = o->program;
	source.build_ns = clock_mono() - start;
	r = snapshot_save(o->output, &vm, &vmm, &source, e);
out:
	vm_destroy(&vm);
	vmm_close(&vmm);
	image_close(&image);
	return r;
}

int run_exec(const struct exec_options *o, const void *code, size_t size,
	     struct err *e)
{
	struct vmm vmm = { .fd = -1 };
	struct snapshot snapshot = { 0 };
	struct machine m = { 0 };
	uint64_t start = clock_mono(), forked, ended;
	int r = vmm_open(&vmm, e);

	if (r == 0)
		r = host_probe(&vmm, e);
	if (r == 0)
		r = snapshot_open(&snapshot, o->template, &vmm, e);
	if (r == 0)
		r = machine_open(&m, &vmm, &snapshot, e);
	if (r == 0)
		r = machine_make(&m, e);
	if (r)
		goto out;
	r = machine_code(&m, code, size, ZB_OUTPUT_SIZE);
	if (r) {
		err_set(e, r, "code longer than %d bytes", ZB_REQUEST_SIZE);
		goto out;
	}
	if (o->trace)
		control_trace(&m.vm);
	forked = clock_mono();
	r = finish(&m.vm, o->timeout_ms, e);
	ended = clock_mono();
	if (o->stats) {
		const volatile struct zb_control *c = control_page(&m.vm);

		dprintf(STDERR_FILENO,
			"zeroboot: fork %.3f ms, run %.3f ms, %llu exits, %llu "
			"pages dirtied, %llu guest faults, %llu system calls\n",
			(double)(forked - start) / 1e6,
			(double)(ended - forked) / 1e6,
			(unsigned long long)m.vm.exits,
			(unsigned long long)vm_dirty_pages(&m.vm),
			(unsigned long long)c->page_faults,
			(unsigned long long)c->syscalls);
	}
out:
	machine_close(&m);
	snapshot_close(&snapshot);
	vmm_close(&vmm);
	return r;
}

int run_program(const struct program_options *o, struct err *e)
{
	struct vm_boot boot = { .output_limit = ZB_OUTPUT_SIZE,
				.memory_size = o->memory_mb << 20,
				.trace = o->trace,
				.audit = o->stats };
	struct image_command command = { 0 };
	struct vmm vmm = { .fd = -1 };
	struct image image;
	struct vm vm;
	int r;

	vm_init(&vm);
	r = image_open(&image, o->image, e);
	if (r == 0)
		r = image_command(&command, &image, o->argv, environment,
				  o->image, e);
	if (r)
		goto out;
	boot.argv = command.argv;
	boot.envp = command.envp;
	boot.image = image.data;
	boot.image_size = image.size;
	r = vmm_open(&vmm, e);
	if (r == 0)
		r = vm_boot(&vm, &vmm, &boot, e);
	if (r)
		goto out;
	r = finish(&vm, o->timeout_ms, e);
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
