/*
 * derive.c: makes a template of a session, for recycle.c and states.c to prove of it what
 * they prove of any.
 *
 * derive TEMPLATE OUT CODE...: each CODE an exec of the session.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "delta.h"
#include "host.h"
#include "machine.h"
#include "maker.h"
#include "protocol.h"

#define TIMEOUT_NS 120000000000ull
#define LIMIT (256ul << 20)

static int die(const char *what, const struct err *e)
{
	fprintf(stderr, "derive: %s: %s\n", what, e->text);
	exit(2);
}

static void exec(struct machine *m, const char *code)
{
	struct part head = { .kind = PART_CODE, .size = strlen(code) };
	size_t size = part_room(head.size);
	char *parts = calloc(1, size);
	struct err e = { "" };

	if (!parts)
		exit(2);
	memcpy(parts, &head, sizeof(head));
	memcpy(parts + sizeof(head), code, head.size);
	control_session(&m->vm);
	if (machine_request(m, parts, size, ZB_OUTPUT_SIZE) ||
	    machine_run(m, clock_mono() + TIMEOUT_NS, &e) != VM_READY)
		die(code, &e);
	free(parts);
}

/* As the last exec, which has no code. */
static void settle(struct machine *m, struct delta *d)
{
	struct err e = { "" };

	if (machine_save(m, d, &e) || machine_go_on(m, d, &e))
		die("not saved", &e);
	control_session(&m->vm);
	control_settle(&m->vm);
	if (machine_request(m, NULL, 0, ZB_OUTPUT_SIZE) ||
	    machine_run(m, clock_mono() + TIMEOUT_NS, &e) != VM_READY ||
	    machine_save(m, d, &e))
		die("not settled", &e);
}

int main(int argc, char **argv)
{
	static struct snapshot snapshot;
	static struct machine machine;
	struct vmm vmm = { .fd = -1 };
	struct err e = { "" };
	struct delta delta;
	int fd;

	if (argc < 4) {
		fprintf(stderr, "usage: derive TEMPLATE OUT CODE...\n");
		return 2;
	}
	maker_set();
	if (vmm_open(&vmm, &e) || host_probe(&vmm, &e) ||
	    snapshot_open(&snapshot, argv[1], &vmm, &e) ||
	    machine_open(&machine, &vmm, &snapshot, &e) ||
	    machine_make(&machine, &e) ||
	    delta_open(&delta, &snapshot, LIMIT, &e))
		die(argv[1], &e);
	for (int i = 3; i < argc; i++)
		exec(&machine, argv[i]);
	settle(&machine, &delta);
	fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || snapshot_derive(fd, &snapshot, &delta, &e))
		die(argv[2], &e);
	close(fd);
	machine_close(&machine);
	return 0;
}
