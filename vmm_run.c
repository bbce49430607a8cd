#include "vmm_run.h"

#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "rate.h"

/* Linux, Documentation/arch/x86/x86_64/fsgs.rst. */
#define HWCAP2_FSGSBASE 2

/* How often a guest that asks for it is interrupted. Longer than a usual run,
 * short against CPython's switch interval of 5 ms. */
#define TICK_NS 4000000

/* KVM_RUN fails with EAGAIN when KVM cannot make the thread that a VM's first
 * entry asks for: at a limit of processes, which may pass. */
#define PATIENCE_NS 500000000ull
#define PAUSE_NS 5000000

/* Lines of a guest's log: so many at once, and one in this time. */
#define LOG_BURST 20
#define LOG_STEP_NS 10000000000ull

/* The tick's signal handler must reach the VM that is running. */
static struct kvm_run *volatile running;

static void on_tick(int signal)
{
	struct kvm_run *run = running;

	(void)signal;
	/* So that an entry that is about to happen returns at once. */
	if (run)
		run->immediate_exit = 1;
}

static timer_t tick_timer;
static bool tick_ready;
static uint64_t tick_mono, tick_cpu; /* clocks at the tick before, 0: none */

int vm_tick_open(struct err *e)
{
	struct sigaction action = { .sa_handler = on_tick };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGALRM };

	if (tick_ready)
		return 0;
	if (sigaction(SIGALRM, &action, NULL) < 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &tick_timer) < 0)
		return err_set(e, -errno, "timer: %s", strerror(errno));
	tick_ready = true;
	return 0;
}

static int tick_start(struct err *e)
{
	struct itimerspec t = { .it_interval.tv_nsec = TICK_NS,
				.it_value.tv_nsec = TICK_NS };
	int r = vm_tick_open(e);

	if (r)
		return r;
	if (timer_settime(tick_timer, 0, &t, NULL) < 0)
		return err_set(e, -errno, "timer: %s", strerror(errno));
	return 0;
}

static void tick_stop(void)
{
	struct itimerspec t = { 0 };

	timer_settime(tick_timer, 0, &t, NULL);
}

/* Of the time since the tick before, how much this thread waited for a CPU. A
 * run that sees no tick is not asked. */
static uint64_t stolen(struct vm *vm)
{
	uint64_t mono = clock_mono(), cpu = clock_thread(), wall, ran;

	wall = tick_mono ? mono - tick_mono : 0;
	ran = tick_mono ? cpu - tick_cpu : 0;
	tick_mono = mono;
	tick_cpu = cpu;
	vm->ran_ns += ran;
	return wall > ran ? wall - ran : 0;
}

/*
 * A tick has taken the vCPU out of KVM_RUN. If the program runs, it is made to
 * call preempt_entry; if the kernel runs, or an exception is on its way in (it
 * would be delivered at the changed RIP), a flag tells the kernel instead.
 */
static void deliver_tick(struct vm *vm)
{
	volatile struct zb_control *c = control_open(vm);
	struct kvm_sync_regs *s = &vm->run->s.regs;

	c->stolen_ns += stolen(vm);
	/* One that the kernel has not seen, on its way out, is delivered again. */
	if (!c->want_tick && !c->signal && !vm->moved && !c->preempt)
		return;
	vm->moved = false;
	if ((s->regs.rip >= vm->text_start && s->regs.rip < vm->text_end) ||
	    s->events.exception.injected || s->events.exception.pending) {
		c->preempt = 1;
		return;
	}
	c->preempt_rip = s->regs.rip;
	s->regs.rip = vm->preempt_entry;
	vm->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

/* Does what others want of the run. False: it is to end. */
static bool obey(struct vm *vm)
{
	int order = vm->orders ? vm->orders->look(vm->orders->context) : 0;

	if (order > 0)
		control_open(vm)->signal = (uint32_t)order;
	return order >= 0;
}

/* What the program writes and reads is moved. 0 or -errno. */
static int move(struct vm *vm, struct err *e)
{
	int r = vm->stream ? vm->stream->move(vm->stream->context, e) : 0;

	vm->moved |= r > 0;
	return r < 0 ? r : 0;
}

/* For at most so many ns: until there may be an order, or more can be moved. */
static bool wait_for_others(const struct vm *vm, uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000),
			      (long)(ns % 1000000000) };
	struct pollfd p[1 + VM_STREAM_FDS] = {
		{ .fd = vm->orders ? vm->orders->fd : -1, .events = POLLIN }
	};
	unsigned count = 1;

	for (unsigned i = 0; vm->stream && i < vm->stream->count; i++)
		p[count++] = vm->stream->fds[i];
	return ppoll(p, count, &t, NULL) > 0;
}

/*
 * Whether the guest has something to look at first: what has moved now, or what a
 * tick brought that its kernel has not seen, as it was on the way here already.
 */
static bool stays_awake(struct vm *vm)
{
	bool ticked = control_page(vm)->preempt != 0;

	if (ticked)
		control_open(vm)->preempt = 0;
	return ticked || vm->moved;
}

/*
 * Sleeps until the guest's earliest timer, the deadline, an order, or until some of
 * its output or input has moved. True when *event is to be returned.
 */
static bool idle(struct vm *vm, uint64_t deadline, enum vm_event *event,
		 struct err *e)
{
	uint64_t until = control_page(vm)->idle_until, now = clock_mono();
	bool go_on = true, ordered = false, awake;
	int r = move(vm, e);

	awake = stays_awake(vm);
	if (until != UINT64_MAX)
		until -= (uint64_t)vm->mono_offset;
	else if (deadline == UINT64_MAX && r == 0 && !awake &&
		 !(vm->stream && vm->stream->count))
		r = err_set(e, -EDEADLK, "guest: all threads wait forever");
	if (until > deadline)
		until = deadline;
	if (until > UINT64_MAX / 2)
		until = UINT64_MAX / 2;
	tick_stop();
	tick_mono = 0;
	/* One that only pretends to sleep sees no tick either: it begins anew. */
	if (awake || now >= until)
		go_on = obey(vm);
	while (r == 0 && now < until && go_on && !ordered && !awake) {
		if (wait_for_others(vm, until - now)) {
			go_on = obey(vm);
			ordered = control_page(vm)->signal != 0;
			r = move(vm, e);
			awake = vm->moved;
		}
		now = clock_mono();
	}
	vm->moved = false;
	vm->run->immediate_exit = 0;
	tick_start(NULL);
	if (r == 0 && go_on && clock_mono() < deadline)
		return false;
	*event = r ? VM_FAULT : go_on ? VM_TIMEOUT : VM_CANCELLED;
	return true;
}

static bool log_bounded;

void vm_bound_log(void)
{
	log_bounded = true;
}

/* Whether there may be one more line of a guest's in the log: no run waits for
 * whoever does not read it, and runs do not fill it, however many there are. */
static bool may_log(const struct vm *vm)
{
	static struct rate rate = { .burst = LOG_BURST,
				    .step_ns = LOG_STEP_NS };
	struct pollfd p = { .fd = vm->log_fd, .events = POLLOUT };
	uint64_t now = clock_mono();
	char line[128];
	unsigned missed;
	int n;

	if (!log_bounded)
		return true;
	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return false;
	missed = rate_missed(&rate, now);
	if (missed) {
		n = snprintf(line, sizeof(line), "%s%u more lines\n",
			     vm->log_prefix, missed);
		(void)!write(vm->log_fd, line, (size_t)n);
	}
	return rate_take(&rate, now);
}

static void write_log(struct vm *vm)
{
	char line[ZB_LOG_SIZE + 64];
	size_t prefix = strlen(vm->log_prefix), n;

	if (prefix > 60 || !may_log(vm))
		return;
	memcpy(line, vm->log_prefix, prefix);
	n = prefix + control_log(vm, line + prefix, sizeof(line) - prefix - 1);
	line[n++] = '\n';
	(void)!write(vm->log_fd, line, n);
}

static enum vm_event fault(struct vm *vm, struct err *e)
{
	struct kvm_run *run = vm->run;
	uint64_t rip = run->s.regs.regs.rip;

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		err_set(e, -EIO, "guest: triple fault");
		break;
	case KVM_EXIT_HLT:
		err_set(e, -EIO, "guest: halted at %#llx",
			(unsigned long long)rip);
		break;
	case KVM_EXIT_MMIO:
		err_set(e, -EIO,
			"guest: access to %#llx, which is no memory, at %#llx",
			(unsigned long long)run->mmio.phys_addr,
			(unsigned long long)rip);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		err_set(e, -EIO, "KVM internal error %u at %#llx",
			run->internal.suberror, (unsigned long long)rip);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		err_set(e, -EIO, "KVM entry failed: %#llx",
			(unsigned long long)
				run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		err_set(e, -EIO, "guest: unexpected exit %u at %#llx",
			run->exit_reason, (unsigned long long)rip);
	}
	return VM_FAULT;
}

/* The code of a hypercall, or 0 for any other exit. */
static uint32_t hypercall_code(const struct vm *vm)
{
	const struct kvm_run *run = vm->run;
	uint32_t code;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != ZB_PORT ||
	    run->io.direction != KVM_EXIT_IO_OUT || run->io.size != 4 ||
	    run->io.count != 1 || run->io.data_offset > vm->run_size - 4)
		return 0;
	memcpy(&code, (const char *)run + run->io.data_offset, 4);
	return code;
}

/* One exit; true when *event is to be returned. */
static bool handle_exit(struct vm *vm, uint64_t deadline, enum vm_event *event,
			struct err *e)
{
	char line[200];

	vm->exits++;
	switch (hypercall_code(vm)) {
	case ZB_HC_READY:
		*event = VM_READY;
		return true;
	case ZB_HC_ASK:
		*event = vm->asks ? VM_ASKS : fault(vm, e);
		vm->asks = false;
		return true;
	case ZB_HC_EXIT:
		*event = VM_EXIT;
		return true;
	case ZB_HC_IDLE:
		return idle(vm, deadline, event, e);
	case ZB_HC_OUTPUT:
		*event = VM_FAULT;
		return move(vm, e) != 0;
	case ZB_HC_LARGE:
		control_open(vm)->large = vm_give_large(vm) ? ZB_LARGE_REFUSED :
							      ZB_LARGE_GIVEN;
		return false;
	case ZB_HC_LOG:
		write_log(vm);
		return false;
	case ZB_HC_PANIC:
		control_log(vm, line, sizeof(line));
		err_set(e, -EIO, "guest kernel: %s", line);
		*event = VM_FAULT;
		return true;
	default:
		*event = fault(vm, e);
		return true;
	}
}

/*
 * On kvm-pvm the guest's DS, ES, FS and GS are this thread's, and no register
 * of the vCPU shows them: a run would find what an earlier one left, even one
 * of another VM. They are 0 in a process of Linux.
 */
static void clear_segments(void)
{
	uint32_t ds, es, fs, gs;
	uint64_t base;

	__asm__ volatile("mov %%ds, %0\n\tmov %%es, %1\n\t"
			 "mov %%fs, %2\n\tmov %%gs, %3"
			 : "=r"(ds), "=r"(es), "=r"(fs), "=r"(gs));
	if (!(ds | es | fs | gs))
		return;
	__asm__ volatile("mov %0, %%ds\n\tmov %0, %%es\n\tmov %0, %%gs"
			 :
			 : "r"(0));
	/* libc's thread is found by FS.base, which goes with the selector. */
	if (fs && getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)
		__asm__ volatile("rdfsbase %0\n\tmov %1, %%fs\n\twrfsbase %0"
				 : "=&r"(base)
				 : "r"(0));
}

/* Tries a KVM_RUN again that has failed with EAGAIN, for a while. 0: it has
 * not failed now, or otherwise; -errno. */
static int try_again(struct vm *vm, struct err *e)
{
	struct timespec pause = { .tv_nsec = PAUSE_NS };
	uint64_t end = clock_mono() + PATIENCE_NS;

	while (clock_mono() < end) {
		ppoll(NULL, 0, &pause, NULL);
		vm->run->immediate_exit = 1;
		if (ioctl(vm->vcpu, KVM_RUN, 0) == 0 || errno != EAGAIN)
			return 0;
	}
	return err_set(e, -EAGAIN,
		       "KVM_RUN: %s: is there a limit of processes?",
		       strerror(EAGAIN));
}

int vm_enter(struct vm *vm, struct err *e)
{
	int r = 0;

	vm->run->immediate_exit = 1;
	if (ioctl(vm->vcpu, KVM_RUN, 0) < 0 && errno == EAGAIN)
		r = try_again(vm, e);
	vm->run->immediate_exit = 0;
	return r;
}

/* KVM_RUN has been interrupted. True when *event is to be returned. */
static bool handle_tick(struct vm *vm, uint64_t deadline, enum vm_event *event,
			struct err *e)
{
	vm->exits++;
	vm->run->immediate_exit = 0;
	if (clock_mono() >= deadline) {
		*event = VM_TIMEOUT;
		return true;
	}
	if (!obey(vm)) {
		*event = VM_CANCELLED;
		return true;
	}
	*event = VM_FAULT;
	if (move(vm, e))
		return true;
	deliver_tick(vm);
	return false;
}

enum vm_event vm_run(struct vm *vm, uint64_t deadline, struct err *e)
{
	enum vm_event event = VM_FAULT;

	vm->seeded = vm->completed = false;
	vm->ran_ns = 0;
	vm->moved = false;
	tick_mono = 0;
	clear_segments();
	running = vm->run;
	vm->run->immediate_exit = 0;
	if (tick_start(e) < 0)
		return VM_FAULT;
	for (;;) {
		if (ioctl(vm->vcpu, KVM_RUN, 0) == 0) {
			if (handle_exit(vm, deadline, &event, e))
				break;
			continue;
		}
		/* A wild write to the large part: to memory that is there. */
		if (errno == EFAULT && !vm->large_given &&
		    vm_give_large(vm) == 0)
			continue;
		if (errno == EAGAIN) {
			if (vm_enter(vm, e))
				break;
			continue;
		}
		if (errno != EINTR) {
			err_set(e, -errno, "KVM_RUN: %s", strerror(errno));
			break;
		}
		if (handle_tick(vm, deadline, &event, e))
			break;
	}
	tick_stop();
	running = NULL;
	return event;
}
