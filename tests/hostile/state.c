/*
 * state.c: what a guest can see of its CPU and memory. Before the template is
 * taken every page is hashed through its mapping; `check` does it again and
 * names what differs, so that a mapping that leads elsewhere shows as well as a
 * byte that changed.
 */
#include "hostile.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_PAGES 65536
#define VECTOR_SIZE 16384

static u64 *hashes;
static size_t count;
static uint8_t vectors[VECTOR_SIZE] __attribute__((aligned(64)));
static uint8_t vectors_then[VECTOR_SIZE] __attribute__((aligned(64)));
static u64 segments[8];

void say(const char *format, ...)
{
	static char line[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	for (int at = 0; at < n;) {
		ssize_t r = write(1, line + at, (size_t)(n - at));

		if (r <= 0)
			return;
		at += (int)r;
	}
}

static u64 hash(const u64 *p)
{
	u64 h = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < PAGE / 8; i++)
		h = (h ^ p[i]) * 0x100000001b3ull;
	return h;
}

/* By words: musl's memcmp looks at each byte, which an emulator takes long for. */
static bool same_page(const u64 *a, const u64 *b)
{
	for (size_t i = 0; i < PAGE / 8; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* Every present 4 KiB of the tables below, in order; the part of a large page
 * that the image does not fill is no memory. */
static void each_page(u64 table, int level, u64 va,
		      void (*fn)(u64 va, gpa_t gpa))
{
	for (u64 i = 0; i < 512; i++) {
		u64 entry = at_gpa(table)[i];
		u64 at = va | i << (12 + 9 * (level - 1));

		if (!(entry & P))
			continue;
		if (level == 1) {
			fn(at, entry & ADDRESS);
		} else if (level == 2 && entry & PS) {
			u64 end = ZB_IMAGE_GPA + control->image_size;

			for (u64 o = 0; o < 2 << 20; o += PAGE)
				if ((entry & ADDRESS) + o < end)
					fn(at + o, (entry & ADDRESS) + o);
		} else {
			each_page(entry & ADDRESS, level - 1, at, fn);
		}
	}
}

static void learn(u64 va, gpa_t gpa)
{
	(void)gpa;
	if (count < MAX_PAGES)
		hashes[count++] = hash((void *)va);
}

static void compare(u64 va, gpa_t gpa)
{
	u64 now = hash((void *)va);

	if (count >= MAX_PAGES || now != hashes[count++])
		say("page %lx\n", va);
	/* The hashing itself moves the stack. */
	if (va < ZB_KERNEL_BASE && gpa < control->memory_size &&
	    !same_page((u64 *)va, at_gpa(gpa)))
		say("alias %lx\n", va);
}

gpa_t gpa_of(const volatile void *p)
{
	u64 va = (u64)p;

	if (va >= ZB_KERNEL_BASE && va < ZB_IMAGE_BASE)
		return va - ZB_KERNEL_BASE;
	return (*entry_of(root(), va, 1) & ADDRESS) + va % PAGE;
}

u64 root(void)
{
	return control->cr3 & ADDRESS;
}

static u64 xcr0(void)
{
	u32 low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

void state_learn(void)
{
	hashes = mmap(NULL, MAX_PAGES * 8, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(hashes, 0, MAX_PAGES * 8);
	count = 0;
	each_page(root(), 4, 0, learn);
}

/* Reads with every vector register in a known state, and keeps what is in them
 * afterwards: the kernel does not touch them. */
long state_request(int fd, char *buf, size_t size)
{
	u64 mask = xcr0(), start = 0x123456789abcdef;
	long r = SYS_read;
	u32 low = (u32)mask, high = (u32)(mask >> 32);

	__asm__ volatile("fninit\n fldpi\n fld1\n"
			 "movq %0, %%xmm0\n pinsrq $1, %0, %%xmm0\n"
			 "vpbroadcastq %%xmm0, %%ymm1\n vmovdqa %%ymm1, "
			 "%%ymm15\n"
			 :
			 : "r"(start)
			 : "memory");
	__asm__ volatile("xsave64 %0"
			 : "=m"(vectors_then)
			 : "a"(low), "d"(high));
	__asm__ volatile("syscall"
			 : "+a"(r)
			 : "D"(fd), "S"(buf), "d"(size)
			 : "rcx", "r11", "memory");
	__asm__ volatile("xsave64 %0" : "=m"(vectors) : "a"(low), "d"(high));
	__asm__ volatile("mov %%cs, %0\n mov %%ss, %1\n mov %%ds, %2\n"
			 "mov %%es, %3\n mov %%fs, %4\n mov %%gs, %5\n"
			 : "=r"(segments[0]), "=r"(segments[1]),
			   "=r"(segments[2]), "=r"(segments[3]),
			   "=r"(segments[4]), "=r"(segments[5]));
	__asm__ volatile("pushfq\n pop %0" : "=r"(segments[6]));
	return r;
}

static u64 limit_of(u64 selector)
{
	u64 limit = 0, rights = 0;

	__asm__ volatile("lsl %2, %0\n jz 1f\n mov $-1, %0\n1:\n"
			 "lar %2, %1\n jz 2f\n mov $-1, %1\n2:"
			 : "+r"(limit), "+r"(rights)
			 : "r"(selector)
			 : "cc");
	return limit ^ rights << 32;
}

void state_check_cpu(void)
{
	u64 fs, gs;

	__asm__ volatile("rdfsbase %0\n rdgsbase %1" : "=r"(fs), "=r"(gs));
	say("xcr0 %lx fs %lx gs %lx\n", xcr0(), fs, gs);
	for (int i = 0; i < 7; i++)
		say("segment %d %lx\n", i, segments[i] & ~0xf000ul);
	/* 0x78 is the host CPU's number on kvm-pvm. */
	for (u64 s = 0; s < 0x100; s += 8)
		if (s != 0x78)
			say("selector %lx %lx\n", s, limit_of(s | 3));
	for (size_t i = 0; i < VECTOR_SIZE; i++)
		if (vectors[i] != vectors_then[i])
			say("vector byte %zu: %x\n", i, vectors[i]);
}

void state_check(void)
{
	state_check_cpu();
	count = 0;
	each_page(root(), 4, 0, compare);
	say("pages %zu\n", count);
}
