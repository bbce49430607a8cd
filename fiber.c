#include "fiber.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define STACK_SIZE (512u << 10)
#define GUARD_SIZE 4096 /* beneath it: an overflow ends the process */

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

/*
 * Puts what a function must keep (System V ABI, 3.2.1) on the stack, leaves its
 * address in *from, and goes on where `to` was left.
 */
void fiber_switch(void **from, void *to);
__asm__(".text\n"
	".globl fiber_switch\n"
	".type fiber_switch, @function\n"
	"fiber_switch:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size fiber_switch, . - fiber_switch\n");
#define SAVED_REGISTERS 6

/* ---- what AddressSanitizer wants to know ---- */

static void entering(struct fiber *f)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(&f->fake, f->stack + GUARD_SIZE,
				       STACK_SIZE - GUARD_SIZE);
#else
	(void)f;
#endif
}

static void entered(struct fiber *f, void *fake)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(fake, &f->below, &f->below_size);
#else
	(void)f, (void)fake;
#endif
}

/* keep: NULL, it does not come back. */
static void leaving(const struct fiber *f, void **keep)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(keep, f->below, f->below_size);
#else
	(void)f, (void)keep;
#endif
}

static void left(const struct fiber *f)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(f->fake, NULL, NULL);
#else
	(void)f;
#endif
}

/* ---- */

int fiber_open(struct fiber *f)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(stack, GUARD_SIZE, PROT_NONE) < 0) {
		munmap(stack, STACK_SIZE);
		return -ENOMEM;
	}
	*f = (struct fiber){ .stack = stack, .ended = true };
	return 0;
}

void fiber_close(struct fiber *f)
{
	if (f->stack)
		munmap(f->stack, STACK_SIZE);
	f->stack = NULL;
}

static struct fiber *starting; /* the one that fiber_switch is to begin */

static void begin(void)
{
	struct fiber *f = starting;

	entered(f, NULL);
	f->run(f->context);
	f->ended = true;
	leaving(f, NULL);
	fiber_switch(&f->inside, f->outside);
	__builtin_unreachable();
}

void fiber_start(struct fiber *f, void (*run)(void *context), void *context)
{
	uintptr_t *top = (uintptr_t *)(void *)(f->stack + STACK_SIZE);

	f->run = run;
	f->context = context;
	f->ended = false;
	/* As if begin() had been called: its return address is 8 below a
	 * multiple of 16. */
	*--top = 0;
	*--top = (uintptr_t)begin;
	for (int i = 0; i < SAVED_REGISTERS; i++)
		*--top = 0;
	f->inside = top;
}

bool fiber_resume(struct fiber *f)
{
	starting = f;
	entering(f);
	fiber_switch(&f->outside, f->inside);
	left(f);
	return f->ended;
}

void fiber_pause(struct fiber *f)
{
	void *fake = NULL;

	leaving(f, &fake);
	fiber_switch(&f->inside, f->outside);
	entered(f, fake);
}
