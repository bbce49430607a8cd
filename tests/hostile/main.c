/* main.c: the hostile guest's start, the way to CPL0, and the requests that are
 * no attack. */
#include "hostile.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

u64 *scratch, *page_a, *page_b;
static char request[4096];

static bool session;

u32 last_call(void)
{
	return session ? ZB_HC_READY : ZB_HC_EXIT;
}

/* Of a run; or of an exec, and then of the one that comes. */
static _Noreturn void leave(void)
{
	if (session)
		hypercall(ZB_HC_READY);
	hypercall(ZB_HC_EXIT);
	for (;;)
		;
}

_Noreturn void end(int code)
{
	control->exit_code = (u32)code;
	leave();
}

volatile u64 *entry_of(u64 table, u64 va, int level)
{
	for (int l = 4; l > level; l--)
		table = at_gpa(table)[va >> (12 + 9 * (l - 1)) & 511] & ADDRESS;
	return &at_gpa(table)[va >> (12 + 9 * (level - 1)) & 511];
}

/* ---- CPL0 ---- */

void (*cpl0_fn)(u64 a, u64 b);
u64 cpl0_a, cpl0_b;
void cpl0_gate(void);
__asm__(".text\n"
	".globl cpl0_gate\n"
	"cpl0_gate:\n"
	"	push %rax\n push %rcx\n push %rdx\n push %rsi\n push %rdi\n"
	"	push %r8\n push %r9\n push %r10\n push %r11\n"
	"	mov cpl0_a, %rdi\n"
	"	mov cpl0_b, %rsi\n"
	"	call *cpl0_fn\n"
	"	pop %r11\n pop %r10\n pop %r9\n pop %r8\n"
	"	pop %rdi\n pop %rsi\n pop %rdx\n pop %rcx\n pop %rax\n"
	"	addq $2, (%rsp)\n"
	"	iretq\n");

/* #UD's gate in an IDT of its own leads to the gate above. */
void at_cpl0(void (*fn)(u64 a, u64 b), u64 a, u64 b)
{
	u64 gate = (u64)cpl0_gate, *idt = scratch + 60 * 512;

	cpl0_fn = fn;
	cpl0_a = a;
	cpl0_b = b;
	memcpy(idt, (const void *)IDT, PAGE);
	idt[12] = (gate & 0xffff) | ZB_SEL_KCODE << 16 | 0x8eull << 40 |
		  (gate >> 16 & 0xffff) << 48;
	idt[13] = gate >> 32;
	*entry_of(root(), (u64)IDT, 1) = gpa_of(idt) | P | W | U | AD;
	tlb_flush();
	__asm__ volatile("ud2" : : : "memory");
}

/* ---- requests ---- */

static void list(const struct attack *a)
{
	static const char *const outcomes[] = { "ends",   "kept",      "thrown",
						"faults", "times-out", "any" };

	for (; a->name; a++)
		say("%s %s\n", outcomes[a->outcome], a->name);
}

static bool attack(const struct attack *a, const char *name)
{
	for (; a->name; a++) {
		if (strcmp(a->name, name))
			continue;
		a->run(a->a, a->b);
		return true;
	}
	return false;
}

static uint8_t code[256];

/* Machine code, with a return behind it. */
static void from_hex(const char *hex)
{
	size_t n = 0;

	for (; hex[0] && hex[1] && n < sizeof(code) - 1; hex += 2) {
		char byte[3] = { hex[0], hex[1], 0 };

		code[n++] = (uint8_t)strtoul(byte, NULL, 16);
	}
	code[n] = 0xc3;
}

CPL0 static void run_code(u64 a, u64 b)
{
	(void)a, (void)b;
	__asm__ volatile("push %%rbx\n push %%rbp\n call *%0\n pop %%rbp\n pop "
			 "%%rbx"
			 :
			 : "r"(code)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
			   "r11", "memory");
}

static int obey(char *what)
{
	if (!strcmp(what, "check")) {
		state_check();
		return 0;
	}
	if (!strcmp(what, "cpu")) {
		state_check_cpu();
		return 0;
	}
	if (!strcmp(what, "list")) {
		list(attacks);
		list(table_attacks);
		list(space_attacks);
		return 0;
	}
	if (attack(attacks, what) || attack(table_attacks, what) ||
	    attack(space_attacks, what))
		return 0;
	if (!strncmp(what, "code ", 5)) {
		/* code BYTES: executed at CPL3 */
		from_hex(what + 5);
		((void (*)(void))code)();
		end(0);
	}
	if (!strncmp(what, "cpl0 ", 5)) {
		from_hex(what + 5);
		at_cpl0(run_code, 0, 0);
		end(0);
	}
	if (!strncmp(what, "control ", 8)) {
		/* control OFFSET VALUE: the last thing before the end */
		char *next;
		u64 offset = strtoul(what + 8, &next, 16);
		u64 value = strtoul(next, NULL, 16);

		*(volatile u64 *)((u64)control + (offset & 0xff8)) = value;
		leave();
	}
	if (!strncmp(what, "rings ", 6)) {
		/* rings ENTRY COUNT BYTES HYPERCALL: so many such entries of the
		 * order, and bytes in both rings */
		char *next;
		u64 entry = strtoul(what + 6, &next, 16);
		u64 entries = strtoul(next, &next, 16);
		u64 bytes = strtoul(next, &next, 16);

		for (int i = 0; i < ZB_ORDER_COUNT; i++)
			at_gpa(ZB_ORDER_GPA)[i] = entry;
		control->output[0].head = control->output[1].head = bytes;
		control->output[0].tail = control->order.tail = ~0ul;
		control->order.head = entries;
		control->idle_until = 0;
		hypercall((u32)strtoul(next, NULL, 16));
		end(0);
	}
	if (!strncmp(what, "hypercall ", 10)) {
		hypercall((u32)strtoul(what + 10, NULL, 16));
		end(0);
	}
	say("no such attack: %s\n", what);
	return 9;
}

int main(void)
{
	volatile char stack[65536];
	long n;
	int fd;

	for (size_t i = 0; i < sizeof(stack); i += PAGE)
		stack[i] = 1;
	scratch = mmap(NULL, (SCRATCH_PAGES + 2) * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page_a = scratch + SCRATCH_PAGES * 512;
	page_b = page_a + 512;
	memset(page_a, 0xa1, PAGE);
	memset(page_b, 0xb2, PAGE);
	say("%s", ""); /* everything that a run needs is there */
	fd = open("/dev/zeroboot", O_RDONLY);
	if (fd < 0)
		return 8;
	state_learn();
	n = state_request(fd, request, sizeof(request) - 1);
	/* Streamed: what an agent is told before the code comes. */
	for (int i = 0; i < 3 && n <= 0; i++)
		n = read(fd, request, sizeof(request) - 1);
	if (n < 0)
		return 7;
	session = control->flags & ZB_FLAG_SESSION;
	request[n] = 0;
	request[strcspn(request, "\n")] = 0;
	if (!session)
		return obey(request);
	end(obey(request));
}
