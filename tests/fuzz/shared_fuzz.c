/*
 * shared_fuzz.c: a guest that writes anything into the control page and exits
 * for any reason, at any moment, while others give orders. The VMM stays within
 * its memory, ends by the deadline and by the order, sleeps no longer than the
 * deadline, logs what is printable and no more than its share, and hands out output
 * that is there.
 *
 * vmm.c and vmm_run.c are linked with the clock, ioctl, write, ppoll, timer_create
 * and timer_settime from here (build.sh). Input: the deadline, then steps; KVM_RUN
 * takes steps up to one that returns.
 */
#include "fuzz.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "vmm_run.h"
#include "vmm_boot.h"

#define MEMORY (8u << 20)
#define RUN_SIZE 12288
#define PREEMPT_ENTRY 0x100000101234
#define ORDERS 1000 /* their descriptor */
#define LINE_MAX_SIZE (ZB_LOG_SIZE + 64)

static uint8_t *memory;
static struct kvm_run *run;
static const uint8_t *input, *end;
static uint64_t deadline, now;
static int order;  /* what look() says next */
static bool ended; /* it has said VM_ORDER_END */
static unsigned lines, sleeps;
static bool interrupted; /* the last KVM_RUN returned EINTR */

/* ---- what vmm.c needs and is not tested here ---- */

int boot_layout(struct vm *vm, const struct vm_boot *boot,
		struct vm_state *state, struct err *e)
{
	(void)vm, (void)boot, (void)state, (void)e;
	return -ENOSYS;
}

int fake_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
	(void)clock, (void)event;
	*timer = NULL;
	return 0;
}

int fake_timer_settime(timer_t timer, int flags, const struct itimerspec *value,
		       struct itimerspec *old)
{
	(void)timer, (void)flags, (void)value, (void)old;
	return 0;
}

/* ---- promises ---- */

uint64_t clock_mono(void)
{
	return now += 1000;
}

uint64_t clock_thread(void)
{
	return now / 2;
}

uint64_t clock_wall(void)
{
	return 1700000000000000000 + now;
}

int fake_ppoll(struct pollfd *p, nfds_t count, const struct timespec *t,
	       const sigset_t *mask)
{
	uint64_t left = (uint64_t)t->tv_sec * 1000000000 + (uint64_t)t->tv_nsec;

	(void)mask;
	assert(t->tv_sec >= 0 && t->tv_nsec >= 0 && t->tv_nsec < 1000000000);
	assert(count == 0 || (count == 1 && p->fd == ORDERS));
	assert(count == 0 || left <= deadline - now + 10000);
	sleeps++;
	if (count && sleeps % 3 == 1) {
		now += left / 2;
		errno = EINTR;
		return sleeps % 2 ? 1 : -1;
	}
	now += left;
	return 0;
}

static int look(void *context)
{
	int said = order;

	assert(context == &order && !ended);
	order = 0;
	ended = said == VM_ORDER_END;
	return said;
}

static const struct vm_orders orders = { ORDERS, look, &order };

/* The log can always be written to. */
int fake_poll(struct pollfd *p, nfds_t count, int timeout)
{
	assert(p->fd == -7 && count == 1 && timeout == 0);
	p->revents = POLLOUT;
	return 1;
}

ssize_t fake_write(int fd, const void *data, size_t size)
{
	const uint8_t *p = data;

	assert(fd == -7);
	assert(size > 0 && size <= LINE_MAX_SIZE && p[size - 1] == '\n');
	for (size_t i = 0; i < size - 1; i++)
		assert(p[i] >= ' ' && p[i] < 0x7f);
	lines++;
	return (ssize_t)size;
}

/* ---- steps ---- */

static uint64_t take(size_t size)
{
	uint64_t value = 0;

	if (size > (size_t)(end - input))
		size = (size_t)(end - input);
	memcpy(&value, input, size);
	input += size;
	return value;
}

static void write_control(void)
{
	uint64_t offset = take(2) % (4096 - 8), value;

	/* Small numbers by far the most often, and the edges. */
	switch (take(1) % 4) {
	case 0:
		value = take(1);
		break;
	case 1:
		value = ~take(1);
		break;
	case 2:
		value = 1ull << take(1) % 64;
		break;
	default:
		value = take(8);
	}
	if (take(1) & 1)
		offset = 144 + offset % 80;
	memcpy(memory + ZB_CONTROL_GPA + offset, &value, 8);
}

static void hypercall(uint32_t code)
{
	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = KVM_EXIT_IO_OUT;
	run->io.size = 4;
	run->io.count = 1;
	run->io.port = ZB_PORT;
	run->io.data_offset = 4096;
	memcpy((char *)run + 4096, &code, 4);
}

static int kvm_run(void)
{
	if (interrupted) {
		struct kvm_sync_regs *s = &run->s.regs;
		const struct zb_control *c = (void *)(memory + ZB_CONTROL_GPA);

		if (run->kvm_dirty_regs & KVM_SYNC_X86_REGS)
			assert(s->regs.rip == PREEMPT_ENTRY &&
			       (c->want_tick || c->signal || c->preempt));
		assert(!run->immediate_exit);
	}
	interrupted = false;
	run->kvm_dirty_regs = 0;
	assert(!ended);
	if (run->immediate_exit) { /* nothing is run */
		errno = take(1) & 1 ? EAGAIN : EINTR;
		return -1;
	}
	while (input < end) {
		switch (take(1) % 8) {
		case 0:
		case 1:
			write_control();
			break;
		case 2:
			memset(memory + ZB_CONTROL_GPA + 216, (int)take(1),
			       take(2) % (4096 - 216));
			break;
		case 3: /* what KVM tells, whatever it is */
			((uint8_t *)run)[take(2) % sizeof(*run)] ^=
				(uint8_t)take(1);
			run->kvm_dirty_regs = 0; /* ours to tell KVM */
			break;
		case 4:
			hypercall((uint32_t)take(1) % 8);
			return 0;
		case 5:
			run->exit_reason = (uint32_t)take(1) % 40;
			return 0;
		case 6:
			run->s.regs.regs.rip = take(8);
			run->s.regs.events.exception.injected = take(1) == 1;
			order = (int8_t)take(1);
			if (order < VM_ORDER_END)
				order = 0;
			errno = take(1) & 1 ? EAGAIN : EINTR;
			interrupted = errno == EINTR;
			return -1;
		default: /* the pages as they are, out again */
			return 0;
		}
	}
	errno = EIO;
	return -1;
}

int fake_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	int r;

	(void)fd;
	va_start(ap, request);
	if (request == KVM_RUN) {
		r = kvm_run();
	} else {
		errno = ENOTTY;
		r = -1;
	}
	va_end(ap);
	return r;
}

/* ---- one VM ---- */

static void check_output(const struct vm *vm, int stream, uint32_t limit)
{
	uint64_t total;
	size_t size;
	const uint8_t *p = control_output(vm, stream, limit, &size, &total);
	volatile uint8_t sum;

	assert(size <= limit && size <= ZB_OUTPUT_SIZE && size <= total);
	assert(p >= memory && p + size <= memory + MEMORY);
	for (size_t i = 0; i < size; i += 4095)
		sum = p[i];
	(void)sum;
}

/* Whatever the list of files says, it is within its bounds and has an end. */
static void check_outputs(const struct vm *vm)
{
	static uint8_t data[1 << 18];
	struct control_output_file f;
	uint64_t at = 0;
	int left = 100;
	const char *list = (const char *)memory + ZB_OUTPUTS_GPA;

	for (uint64_t before = 0; left-- && control_next_output(vm, &at, &f);
	     before = at) {
		assert(at > before && at <= ZB_OUTPUTS_SIZE);
		assert(f.name >= list && f.name + f.name_size <= list + at);
		if (!f.left_out && f.size <= sizeof(data))
			(void)control_copy_output(vm, NULL, 0, &f, data);
	}
}

static void check_memory(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	const uint8_t *p = control_at(vm, gpa, size);

	assert(!p == (gpa > MEMORY || size > MEMORY - gpa));
	assert(!p || p == memory + gpa);
}

static void setup(void)
{
	memory = mmap(NULL, MEMORY + 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(memory != MAP_FAILED);
	mprotect(memory + MEMORY, 4096, PROT_NONE);
	run = malloc(RUN_SIZE);
	assert(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = { "" };
	enum vm_event event;
	struct vm vm;
	uint32_t limit;

	if (!memory)
		setup();
	vm_bound_log();
	memset(memory + ZB_CONTROL_GPA, 0, 4096);
	memset(run, 0, RUN_SIZE);
	input = data;
	end = data + size;
	lines = sleeps = 0;
	interrupted = ended = false;
	order = 0;
	now = 1000000000;
	vm_init(&vm);
	vm.orders = &orders;
	vm.memory = memory;
	vm.memory_size = MEMORY;
	vm.run = run;
	vm.run_size = RUN_SIZE;
	vm.log_fd = -7;
	vm.preempt_entry = PREEMPT_ENTRY;
	vm.text_start = 0x100000100000;
	vm.text_end = 0x100000120000;
	deadline = take(1);
	deadline = deadline < 64  ? UINT64_MAX :
		   deadline < 128 ? 0 :
				    clock_mono() + (deadline << 20);
	limit = (uint32_t)take(4);
	check_memory(&vm, take(8), take(8));
	control_prepare(&vm, take(8), limit);
	event = vm_run(&vm, deadline, &e);
	assert(event == VM_READY || event == VM_EXIT || event == VM_TIMEOUT ||
	       event == VM_CANCELLED || event == VM_FAULT);
	assert(ended == (event == VM_CANCELLED));
	assert(event != VM_FAULT || e.text[0]);
	assert(event != VM_TIMEOUT || clock_mono() >= deadline);
	for (const char *p = e.text; *p; p++)
		assert(*p >= ' ' && *p < 0x7f);
	/* One more may say how many others there were. */
	assert(lines <= 2 * (21 + (clock_mono() - 1000000000) / 10000000000));
	assert(control_exit_code(&vm) >= 0 && control_exit_code(&vm) <= 255);
	check_output(&vm, 1, limit);
	check_output(&vm, 2, ZB_OUTPUT_SIZE);
	check_outputs(&vm);
	return 0;
}
