/* syscall.c: from the number to the handler, and the tracer. */
#include <asm/unistd.h>

#include "mm/user.h"
#include "patch.h"
#include "syscalls.h"
#include "task/thread.h"

#define CALL_0(f) f()
#define CALL_1(f) f(a[0])
#define CALL_2(f) f(a[0], a[1])
#define CALL_3(f) f(a[0], a[1], a[2])
#define CALL_4(f) f(a[0], a[1], a[2], a[3])
#define CALL_5(f) f(a[0], a[1], a[2], a[3], a[4])
#define CALL_6(f) f(a[0], a[1], a[2], a[3], a[4], a[5])

#define SYSCALL(number, name, argc, level, kinds, note)                        \
	static long call_##name(const u64 *a)                                  \
	{                                                                      \
		(void)a;                                                       \
		return CALL_##argc(sys_##name);                                \
	}
#include "syscalls.def"
#undef SYSCALL

struct entry {
	long (*call)(const u64 *arguments);
	const char *name;
	const char *kinds;
};

static const struct entry table[] = {
#define SYSCALL(number, name, argc, level, kinds, note)                        \
	[number] = { call_##name, #name, kinds },
#include "syscalls.def"
#undef SYSCALL
};

/* ---- missing calls ---- */

#define NUMBERS 1024 /* Linux has fewer */

static u64 reported[NUMBERS / 64 + 1]; /* a bit for each; one for those above */

static long missing(u64 number)
{
	u64 i = MIN(number, (u64)NUMBERS);

	if (!(reported[i / 64] >> (i % 64) & 1)) {
		reported[i / 64] |= 1ull << (i % 64);
		klog("system call %lu is not implemented", number);
	}
	return -ENOSYS;
}

/* ---- the tracer ---- */

static size_t format_string(char *buf, size_t size, u64 address)
{
	char text[80];
	long n = copy_string_from_user(text, address, sizeof(text) - 1);

	if (n == -EFAULT)
		return (size_t)ksnprintf(buf, size, "%#lx", address);
	text[sizeof(text) - 1] = 0;
	return (size_t)ksnprintf(buf, size, "\"%s\"%s", text,
				 n < 0 ? "..." : "");
}

static size_t format_argument(char *buf, size_t size, char kind, u64 value)
{
	switch (kind) {
	case 's':
		return format_string(buf, size, value);
	case 'f':
	case 'd':
		return (size_t)ksnprintf(buf, size, "%d", (s32)value);
	case 'u':
		return (size_t)ksnprintf(buf, size, "%lu", value);
	case 'o':
		return (size_t)ksnprintf(buf, size, "0%o", (u32)value);
	default:
		return (size_t)ksnprintf(buf, size, "0x%lx", value);
	}
}

/* The call as text; returns its length. */
static size_t format_call(char *line, size_t size, const struct entry *e,
			  u64 number, const u64 *arguments)
{
	size_t n;

	if (!e)
		return (size_t)ksnprintf(line, size, "[%d] syscall_%lu(",
					 current->tid, number);
	n = (size_t)ksnprintf(line, size, "[%d] %s(", current->tid, e->name);
	for (size_t i = 0; e->kinds[i]; i++) {
		if (i)
			n += (size_t)ksnprintf(line + n, size - n, ", ");
		n += format_argument(line + n, size - n, e->kinds[i],
				     arguments[i]);
	}
	return n;
}

static void trace(const struct entry *e, u64 number, const u64 *arguments,
		  long result)
{
	char line[600];
	size_t n = format_call(line, sizeof(line), e, number, arguments);

	if (result == -ERESTARTSYS || result == -ERESTARTNOINTR)
		ksnprintf(line + n, sizeof(line) - n, ") = ? (interrupted)");
	else if (result > -4096 && result < 4096)
		ksnprintf(line + n, sizeof(line) - n, ") = %ld", result);
	else
		ksnprintf(line + n, sizeof(line) - n, ") = 0x%lx", (u64)result);
	klog("%s", line);
}

/* A call that does not come back is traced before it is made. */
static void trace_last(const struct entry *e, u64 number, const u64 *arguments)
{
	char line[600];
	size_t n;

	if (number != __NR_exit && number != __NR_exit_group)
		return;
	n = format_call(line, sizeof(line), e, number, arguments);
	ksnprintf(line + n, sizeof(line) - n, ") = ?");
	klog("%s", line);
}

/*
 * From entry.S. Both return 0 when only rax has changed, and the quick way out
 * will do. syscall_trap: the instruction was executed, not its patch.
 */
int syscall_handle(struct regs *r);
int syscall_trap(struct regs *r);
int syscall_handle(struct regs *r)
{
	const u64 arguments[6] = {
		r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9
	};
	u64 number = (u32)r->rax; /* as Linux: the rest is not looked at */
	const struct entry *e = NULL;
	u64 rip = r->rip, rsp = r->rsp;
	long result;

	usage_enter();
	current->regs = r;
	r->orig_rax = number; /* never NO_CALL, whatever rax held */
	control->syscalls++;
	if (number < ARRAY_SIZE(table) && table[number].call)
		e = &table[number];
	if (control->flags & ZB_FLAG_TRACE)
		trace_last(e, number, arguments);
	result = e ? e->call(arguments) : missing(number);
	if (control->flags & ZB_FLAG_TRACE)
		trace(e, number, arguments, result);
	/* rt_sigreturn has set all registers, rax too. */
	if (r->orig_rax != NO_CALL)
		r->rax = (u64)result;
	exit_work(r);
	usage_leave();
	return r->orig_rax == NO_CALL || r->rip != rip || r->rsp != rsp;
}

/* From entry.S. */
void syscall_aborted(struct regs *r);
void syscall_aborted(struct regs *r)
{
	r->rax = (u64)-EFAULT;
	exit_work(r);
	usage_leave();
}

int syscall_trap(struct regs *r)
{
	bool changed = patch_site(r);

	return syscall_handle(r) || changed;
}
