/*
 * session.c: a session without a server: runs one exec after the other in a VM
 * that is not recycled. tests/sessions.py drives it.
 *
 * session TEMPLATE: reads orders from standard input, a line each:
 *
 *   exec BYTES MILLISECONDS MEMORY_MB  and then so many bytes, parts of protocol.h
 *   forked                             the next exec is the first one of a copy
 *   signal NUMBER                      to what runs, once it has written something
 *
 * and answers each exec by a line of numbers (event, status, exit code; sizes of
 * standard output, standard error, the result and the log; whether the result was
 * cut; CPU time in ns, bytes of memory at most, mono_ns) and what they are the sizes
 * of.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "host.h"
#include "machine.h"
#include "maker.h"
#include "protocol.h"

#define REQUEST_MAX (40ul << 20)

static struct machine machine;

static void die(const char *what)
{
	fprintf(stderr, "session: %s\n", what);
	exit(2);
}

/* Nothing is read ahead: a line may come while an exec runs. */
static bool read_line(char *line, size_t size)
{
	size_t n = 0;

	while (n < size - 1 && read(STDIN_FILENO, &line[n], 1) == 1)
		if (line[n++] == '\n') {
			line[n] = 0;
			return true;
		}
	return false;
}

static void read_all(char *to, size_t size)
{
	while (size) {
		ssize_t n = read(STDIN_FILENO, to, size);

		if (n <= 0)
			die("half a request");
		to += n;
		size -= (size_t)n;
	}
}

static int look(void *context)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char line[64];
	int number;

	(void)context;
	if (!control_page(&machine.vm)->stdout_size || poll(&p, 1, 0) != 1)
		return 0;
	if (!read_line(line, sizeof(line)) ||
	    sscanf(line, "signal %d", &number) != 1)
		return VM_ORDER_END;
	return number;
}

static void answer(enum vm_event event)
{
	const struct vm *vm = &machine.vm;
	const volatile struct zb_control *c = control_page(vm);
	size_t out_size, err_size, result_size = c->result_size;
	const void *out, *err;
	struct control_usage u;
	char log[ZB_LOG_SIZE];
	uint64_t total;

	out = control_output(vm, 1, ZB_OUTPUT_SIZE, &out_size, &total);
	err = control_output(vm, 2, ZB_OUTPUT_SIZE, &err_size, &total);
	control_usage(vm, &u);
	control_log(vm, log, sizeof(log));
	if (result_size > ZB_RESULT_SIZE)
		die("a result that is too long");
	printf("%d %u %d %zu %zu %zu %zu %u %llu %llu %llu\n", event, u.status,
	       control_exit_code(vm), out_size, err_size, result_size,
	       strlen(log), c->result_cut, (unsigned long long)u.cpu_ns,
	       (unsigned long long)u.memory, (unsigned long long)c->mono_ns);
	fwrite(out, 1, out_size, stdout);
	fwrite(err, 1, err_size, stdout);
	fwrite(vm->memory + ZB_RESULT_GPA, 1, result_size, stdout);
	fwrite(log, 1, strlen(log), stdout);
	fflush(stdout);
}

static enum vm_event exec(const char *parts, size_t size, unsigned ms,
			  unsigned memory_mb)
{
	struct err e = { "" };
	enum vm_event event;

	control_limit(&machine.vm, (uint64_t)memory_mb << 20);
	control_want_outputs(&machine.vm, PROTOCOL_FILES_MAX);
	if (machine_request(&machine, parts, size, ZB_OUTPUT_SIZE))
		die("the request does not fit");
	event = machine_run(&machine, clock_mono() + ms * 1000000ull, &e);
	if (event == VM_FAULT)
		fprintf(stderr, "session: %s\n", e.text);
	return event;
}

int main(int argc, char **argv)
{
	static const struct vm_orders orders = { .fd = STDIN_FILENO,
						 .look = look };
	struct snapshot snapshot;
	struct vmm vmm = { .fd = -1 };
	struct err e = { "" };
	enum vm_event event = VM_READY;
	unsigned ms, memory_mb;
	char line[100], *parts = malloc(REQUEST_MAX);
	size_t size;

	if (argc != 2 || !parts)
		die("usage: session TEMPLATE");
	maker_set();
	if (vmm_open(&vmm, &e) || host_probe(&vmm, &e) ||
	    snapshot_open(&snapshot, argv[1], &vmm, &e) ||
	    machine_open(&machine, &vmm, &snapshot, &e))
		die(e.text);
	machine.orders = &orders;
	if (machine_make(&machine, &e))
		die(e.text);
	control_session(&machine.vm);
	while (event == VM_READY && read_line(line, sizeof(line))) {
		if (!strcmp(line, "forked\n"))
			control_forked(&machine.vm);
		if (sscanf(line, "exec %zu %u %u", &size, &ms, &memory_mb) != 3)
			continue; /* a signal that came too late */
		if (size > REQUEST_MAX)
			die("the request is too large");
		read_all(parts, size);
		event = exec(parts, size, ms, memory_mb);
		answer(event);
	}
	machine_close(&machine);
	return 0;
}
