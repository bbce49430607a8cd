/*
 * worker_fuzz.c: a front end that says anything at any moment. The worker reads no
 * byte beyond what has come, runs only what was asked for, says what protocol.h
 * lets it say, and comes to an end when the channel does or a rule is broken.
 *
 * worker.c and inbox.c are linked with the machine, recv, sendmsg and what a
 * process does to itself from here (build.sh). Input: what comes, and how much of
 * it at a time.
 */
#undef malloc /* of the worker alone */
#include "fuzz.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "clock.h"
#include "control.h"
#include "host.h"
#include "jail.h"
#include "machine.h"
#include "outputs.h"
#include "protocol.h"
#include "resident.h"
#include "worker.h"

static const uint8_t *input, *end;
static unsigned calls;
static uint64_t now;
static char *room; /* the worker's buffer: it never frees the last one */
static uint8_t memory[ZB_FRAMES_GPA];

/* What the worker has to say. */
static struct {
	unsigned runs, results, trainings, warm, idle, ready;
	bool failed, in_run, owes_saved;
} said;

/* ---- the channel ---- */

ssize_t fake_recv(int fd, void *to, size_t size, int flags)
{
	size_t n = (size_t)(end - input), most = ++calls % 7 * 5 + 1;

	assert(fd == WORKER_CHANNEL && size);
	assert(flags == 0 || flags == MSG_DONTWAIT);
	if (flags && calls % 2) {
		errno = EAGAIN;
		return -1;
	}
	if (n > most && calls % 5)
		n = most;
	if (n > size)
		n = size;
	if (n)
		memcpy(to, input, n);
	input += n;
	return (ssize_t)n;
}

static void check_said(const struct message *m, const char *body)
{
	const char *at = body + sizeof(struct result), *rest = body + m->size;
	struct part_view p;
	int r;

	assert(!said.failed && (said.ready || m->kind == MESSAGE_READY ||
				m->kind == MESSAGE_FAILED));
	switch (m->kind) {
	case MESSAGE_READY:
		assert(said.ready++ == 0);
		break;
	case MESSAGE_RESULT:
		assert(!said.owes_saved);
		said.results++;
		said.owes_saved = ((const struct result *)body)->alive;
		said.idle = 1;
		said.trainings = said.warm = 0;
		while ((r = part_take(&at, rest, FROM_WORKER, &p)) == 1)
			assert(p.size || p.kind == PART_BYTES);
		assert(r == 0);
		break;
	case MESSAGE_OUTPUT:
		at = body + sizeof(struct about);
		assert(at < rest && m->size <= PROTOCOL_PIECE_MAX);
		while ((r = part_take(&at, rest, FROM_WORKER, &p)) == 1)
			assert(p.size && (p.kind == PART_STDOUT ||
					  p.kind == PART_STDERR));
		assert(r == 0);
		break;
	case MESSAGE_IDLE:
		assert(said.idle-- && !said.owes_saved);
		break;
	case MESSAGE_SAVED:
		assert(said.owes_saved);
		said.owes_saved = false;
		break;
	case MESSAGE_WARM:
		said.warm++;
		break;
	default:
		assert(m->kind == MESSAGE_FAILED);
		at = body;
		assert(part_take(&at, rest, FROM_WORKER, &p) == 1 &&
		       p.kind == PART_MESSAGE && p.data[p.size - 1] == 0);
		said.failed = true;
	}
}

/* Whole messages each time, as it takes all that it is given. */
ssize_t fake_sendmsg(int fd, const struct msghdr *m, int flags)
{
	static _Alignas(8) char text[1 << 22];
	struct message head;
	size_t size = 0, want;

	assert(fd == WORKER_CHANNEL);
	assert((flags | MSG_DONTWAIT) == (MSG_NOSIGNAL | MSG_DONTWAIT));
	if (flags & MSG_DONTWAIT && ++calls % 3 == 0) {
		errno = EAGAIN;
		return -1;
	}
	for (size_t i = 0; i < (size_t)m->msg_iovlen; i++) {
		memcpy(text + size, m->msg_iov[i].iov_base,
		       m->msg_iov[i].iov_len);
		size += m->msg_iov[i].iov_len;
	}
	for (size_t at = 0; at < size; at += want) {
		assert(message_look(text + at, size - at, FROM_WORKER, &head,
				    &want) == 1);
		check_said(&head, text + at + sizeof(head));
	}
	return (ssize_t)size;
}

int fake_poll(struct pollfd *p, nfds_t count, int timeout)
{
	assert(p->fd == WORKER_CHANNEL && count == 1 && timeout >= 0);
	return ++calls % 3 ? 1 : 0;
}

/* ---- the machine ---- */

/* What a guest that is streamed says it has written, which may be nonsense. */
static void write_rings(const struct machine *m)
{
	volatile struct zb_control *c =
		(volatile struct zb_control *)(memory + ZB_CONTROL_GPA);
	struct zb_order *order = (struct zb_order *)(memory + ZB_ORDER_GPA);
	unsigned stream = ++calls % 2, size = calls * 977 % 40000;
	struct err e;

	if (!m->vm.stream)
		return;
	order[c->order.head % ZB_ORDER_COUNT] =
		(struct zb_order){ calls % 67 ? stream + 1 : calls, size };
	c->output[stream].head += calls % 71 ? size : calls;
	c->order.head += calls % 73 ? 1 : calls;
	assert(m->vm.stream->move(m->vm.stream->context, &e) <= 1);
}

static bool may_ask;

static enum vm_event outcome(const struct machine *m)
{
	static const enum vm_event events[] = { VM_EXIT,  VM_EXIT,  VM_TIMEOUT,
						VM_FAULT, VM_READY, VM_ASKS };
	enum vm_event event = events[calls % 6];

	assert(m->orders && m->orders->fd == WORKER_CHANNEL);
	for (unsigned ticks = ++calls % 4; ticks; ticks--) {
		int order = m->orders->look(m->orders->context);

		assert(order >= VM_ORDER_END && order <= 31);
		if (order == VM_ORDER_END)
			return VM_CANCELLED;
		write_rings(m);
	}
	/* What may ask is known to the VM. */
	return event == VM_ASKS && !may_ask ? VM_FAULT : event;
}

int machine_request(struct machine *m, const char *parts, size_t size,
		    uint32_t output_limit)
{
	volatile uint8_t sum = 0;

	assert(m->vm.memory == memory && output_limit <= ZB_OUTPUT_SIZE);
	for (size_t i = 0; i < size; i++)
		sum ^= (uint8_t)parts[i];
	(void)sum;
	said.runs++;
	return ++calls % 13 ? 0 : -E2BIG;
}

enum vm_event machine_run(struct machine *m, uint64_t deadline, struct err *e)
{
	(void)deadline;
	err_set(e, -EIO, "what it says");
	return outcome(m);
}

/* Once in a run, when its time is over. */
enum vm_event machine_interrupt(struct machine *m, int signal,
				uint64_t deadline, struct err *e)
{
	assert(signal == SIGINT);
	return machine_run(m, deadline, e);
}

int machine_renew(struct machine *m, bool keep, bool learn,
		  enum recycle_result *result, struct err *e)
{
	(void)e;
	*result = !keep       ? RECYCLE_UNFINISHED :
		  ++calls % 3 ? RECYCLE_DONE :
				RECYCLE_GREW;
	m->used = *result == RECYCLE_DONE;
	assert(!learn);
	return 0;
}

int machine_train(struct machine *m, enum recycle_result *result, struct err *e)
{
	(void)e;
	m->used = outcome(m) == VM_EXIT;
	*result = m->used ? RECYCLE_DONE : RECYCLE_UNFINISHED;
	return 0;
}

int machine_open(struct machine *m, const struct vmm *vmm,
		 const struct snapshot *s, struct err *e)
{
	(void)vmm, (void)s, (void)e;
	memset(m, 0, sizeof(*m));
	return 0;
}

int machine_make(struct machine *m, struct err *e)
{
	(void)e;
	m->vm.memory = memory;
	m->vm.memory_size = sizeof(memory);
	return 0;
}

bool machine_can_train(const struct machine *m)
{
	(void)m;
	return true;
}

const void *control_output(const struct vm *vm, int stream, uint32_t limit,
			   size_t *size, uint64_t *total)
{
	(void)stream;
	*total = ++calls % 9;
	*size = *total < limit ? *total : limit;
	return vm->memory + ZB_STDOUT_GPA;
}

volatile struct zb_control *control_open(struct vm *vm)
{
	return (volatile struct zb_control *)(vm->memory + ZB_CONTROL_GPA);
}

void *control_write(struct vm *vm, gpa_t gpa, uint64_t size)
{
	assert(gpa + size <= sizeof(memory));
	return vm->memory + gpa;
}

void control_usage(const struct vm *vm, struct control_usage *u)
{
	(void)vm;
	*u = (struct control_usage){ .status = ++calls % 5 };
}

void control_want_outputs(struct vm *vm, uint64_t limit)
{
	assert(vm->memory == memory && limit <= PROTOCOL_FILES_MAX);
}

int outputs_gather(const struct machine *m, uint64_t limit, struct outputs *o)
{
	static const struct part head = { .kind = PART_BYTES, .name_size = 1 };
	char *data = calloc(1, sizeof(head) + 8);

	assert(data);
	memcpy(data, &head, sizeof(head));
	(void)m, (void)limit;
	*o = (struct outputs){ .data = data, .size = sizeof(head) + 8 };
	return 0;
}

void control_limit(struct vm *vm, uint64_t limit)
{
	assert(vm->memory == memory && limit);
}

/* ---- sessions ---- */

int resident_begin(struct resident *r, struct machine *m, const struct run *run,
		   const char *state, size_t size, struct err *e)
{
	static const int results[] = { 0, 0, -ESTALE, -ENOMEM };
	volatile uint8_t sum = 0;

	(void)r, (void)m;
	assert(run->session && run->session < RUN_SESSIONS);
	for (size_t i = 0; i < size; i++)
		sum ^= (uint8_t)state[i];
	(void)sum;
	err_set(e, -EIO, "what it says");
	may_ask = run->session == RUN_BEGINNING;
	return results[++calls % 4];
}

void resident_go_on(struct machine *m, const struct run *run)
{
	(void)m;
	assert(run->session > RUN_SESSION_FIRST &&
	       run->session != RUN_BEGINNING);
	may_ask = false;
}

bool resident_is_there(const struct resident *r)
{
	(void)r;
	return ++calls % 3;
}

bool resident_rewind(struct resident *r, struct machine *m,
		     enum recycle_result *result, int *error, struct err *e)
{
	(void)r, (void)m;
	*result = ++calls % 5 ? RECYCLE_DONE : RECYCLE_GREW;
	*error = calls % 97 ? 0 : err_set(e, -EIO, "what it says");
	return calls % 3;
}

uint64_t resident_look(struct resident *r, struct machine *m)
{
	(void)r;
	(void)m;
	return PROTOCOL_UNSURE;
}

const struct delta_segment *resident_save(struct resident *r, struct machine *m,
					  int *result, struct err *e)
{
	static struct delta_segment segment = { .size = sizeof(segment) };

	(void)r, (void)m;
	*result = ++calls % 3 ? 0 : -ENOSPC;
	err_set(e, -EIO, "what it says");
	return *result ? NULL : &segment;
}

int resident_rest(struct resident *r, struct machine *m, struct err *e)
{
	(void)r, (void)m, (void)e;
	assert(!said.owes_saved);
	return 0;
}

void resident_end(struct resident *r)
{
	(void)r;
}

void resident_close(struct resident *r)
{
	(void)r;
}

const void *control_result(const struct vm *vm, size_t *size, bool *cut)
{
	*size = ++calls % 9;
	*cut = calls % 2;
	return vm->memory + ZB_RESULT_GPA;
}

void jail_spare(unsigned long long more)
{
	(void)more;
}

bool control_refused(const struct vm *vm)
{
	(void)vm;
	return ++calls % 7 == 0;
}

size_t control_log(const struct vm *vm, char *line, size_t size)
{
	(void)vm;
	memset(line, 'l', size - 1);
	line[size - 1] = 0;
	return size - 1;
}

int control_exit_code(const struct vm *vm)
{
	(void)vm;
	return (int)(++calls % 256);
}

int recycle_trim(struct recycle *r, struct vm *vm)
{
	(void)r, (void)vm;
	return ++calls % 11 ? 0 : -EIO;
}

/* ---- the rest of a process ---- */

int vmm_open(struct vmm *vmm, struct err *e)
{
	(void)vmm, (void)e;
	return 0;
}

int host_set(struct vmm *vmm, const char *word, struct err *e)
{
	(void)vmm, (void)word, (void)e;
	return 0;
}

int vm_tick_open(struct err *e)
{
	(void)e;
	return 0;
}

void vm_bound_log(void)
{
}

int vm_enter(struct vm *vm, struct err *e)
{
	(void)vm, (void)e;
	return 0;
}

int snapshot_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e)
{
	(void)s, (void)path, (void)vmm, (void)e;
	return 0;
}

bool snapshot_is_loaded(const struct snapshot_files *files)
{
	(void)files;
	return calls % 3 == 0;
}

int snapshot_attach(struct snapshot *s, const struct snapshot_files *files,
		    const char *name, const struct vmm *vmm, struct err *e)
{
	(void)files, (void)name, (void)vmm, (void)e;
	s->memory = memory;
	return 0;
}

void snapshot_close(struct snapshot *s)
{
	(void)s;
}

void machine_close(struct machine *m)
{
	(void)m;
}

int jail_enter(const char *user, const struct seccomp_files *files,
	       struct err *e)
{
	(void)user, (void)e;
	assert(files->channel == WORKER_CHANNEL);
	return 0;
}

uint64_t clock_mono(void)
{
	return now += 50000;
}

void *fake_malloc(size_t size)
{
	room = malloc(size);
	return room;
}

int fake_open(const char *path, int flags)
{
	(void)path, (void)flags;
	errno = ENOENT;
	return -1;
}

void (*fake_signal(int number, void (*handler)(int)))(int)
{
	(void)number, (void)handler;
	return NULL;
}

int fake_sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how, (void)set, (void)old;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct worker_options o = { .template = "t", .host = "h" };
	uint8_t *copy = exact(data, size);
	int status;

	if (!copy)
		return 0;
	input = copy;
	end = copy + size;
	calls = (unsigned)size;
	now = 0;
	memset(&said, 0, sizeof(said));
	status = worker_main(&o);
	assert(said.ready == 1);
	assert(said.results <= said.runs + 1 + size / 8);
	/* An end without a word is that of the channel. */
	assert(status == (said.failed ? 1 : 0));
	assert(status || input == end);
	free(copy);
	free(room);
	return 0;
}
