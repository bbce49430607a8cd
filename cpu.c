#include "cpu.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Intel SDM 2A, CPUID; AMD APM 3, appendix E. keep: what programs can use. The rest
 * is about CPL0, power, mitigations, or differs from run to run (OSXSAVE).
 */
enum register_number { EAX, EBX, ECX, EDX };
static const struct {
	uint32_t leaf, index;
	enum register_number reg;
	uint32_t keep;
} words[CPU_WORDS] = {
	{ 1, 0, ECX, 0x76d83203 },          { 1, 0, EDX, 0x07888111 },
	{ 7, 0, EBX, 0xfdaf0b39 },          { 7, 0, ECX, 0x1a405f63 },
	{ 7, 0, EDX, 0x03c1411c },          { 7, 1, EAX, 0x00a01cb7 },
	{ 0xd, 1, EAX, 0x00000007 },        { 0x80000001, 0, ECX, 0x202109e1 },
	{ 0x80000001, 0, EDX, 0xea400000 }, { 0x80000008, 0, EBX, 0x00000015 },
};

static const struct {
	uint8_t word, bit;
	const char *name;
} names[] = {
	{ 0, 0, "sse3" },          { 0, 1, "pclmulqdq" },
	{ 0, 9, "ssse3" },         { 0, 12, "fma" },
	{ 0, 13, "cmpxchg16b" },   { 0, 19, "sse4.1" },
	{ 0, 20, "sse4.2" },       { 0, 22, "movbe" },
	{ 0, 23, "popcnt" },       { 0, 25, "aes" },
	{ 0, 26, "xsave" },        { 0, 28, "avx" },
	{ 0, 29, "f16c" },         { 0, 30, "rdrand" },
	{ 2, 0, "fsgsbase" },      { 2, 3, "bmi1" },
	{ 2, 5, "avx2" },          { 2, 8, "bmi2" },
	{ 2, 9, "erms" },          { 2, 16, "avx512f" },
	{ 2, 17, "avx512dq" },     { 2, 18, "rdseed" },
	{ 2, 19, "adx" },          { 2, 21, "avx512ifma" },
	{ 2, 28, "avx512cd" },     { 2, 29, "sha" },
	{ 2, 30, "avx512bw" },     { 2, 31, "avx512vl" },
	{ 3, 1, "avx512vbmi" },    { 3, 6, "avx512vbmi2" },
	{ 3, 8, "gfni" },          { 3, 9, "vaes" },
	{ 3, 10, "vpclmulqdq" },   { 3, 11, "avx512vnni" },
	{ 3, 12, "avx512bitalg" }, { 3, 14, "avx512vpopcntdq" },
	{ 5, 4, "avx-vnni" },      { 5, 5, "avx512bf16" },
	{ 7, 5, "lzcnt" },         { 7, 6, "sse4a" },
	{ 8, 27, "rdtscp" },       { 2, 4, "hle" },
	{ 2, 11, "rtm" },          { 2, 23, "clflushopt" },
	{ 2, 24, "clwb" },         { 2, 26, "avx512pf" },
	{ 2, 27, "avx512er" },     { 3, 5, "waitpkg" },
	{ 3, 22, "rdpid" },        { 3, 25, "cldemote" },
	{ 3, 27, "movdiri" },      { 3, 28, "movdir64b" },
	{ 4, 4, "fsrm" },          { 4, 8, "avx512vp2intersect" },
	{ 4, 14, "serialize" },    { 4, 22, "amx-bf16" },
	{ 4, 23, "avx512fp16" },   { 4, 24, "amx-tile" },
	{ 4, 25, "amx-int8" },     { 5, 23, "avx-ifma" },
	{ 6, 0, "xsaveopt" },      { 6, 1, "xsavec" },
	{ 7, 0, "lahf" },          { 7, 7, "misalignsse" },
	{ 7, 8, "prefetchw" },     { 7, 11, "xop" },
	{ 7, 16, "fma4" },         { 7, 21, "tbm" },
	{ 8, 22, "mmxext" },       { 8, 31, "3dnow" },
	{ 9, 0, "clzero" },        { 9, 4, "rdpru" },
};

/* Of the queries behind those of words. */
enum { BASIC = CPU_WORDS, EXTENDED, BRAND };

void cpu_query(unsigned n, uint32_t *leaf, uint32_t *index)
{
	*index = n < CPU_WORDS ? words[n].index : 0;
	*leaf = n < CPU_WORDS ? words[n].leaf :
		n == BASIC    ? 0 :
		n == EXTENDED ? 0x80000000 :
				0x80000002 + n - BRAND;
}

void cpu_features_take(struct cpu_features *f,
		       const struct cpu_answer answers[CPU_QUERIES],
		       uint64_t xcr0)
{
	memset(f, 0, sizeof(*f));
	for (int i = 0; i < CPU_WORDS; i++) {
		const struct cpu_answer *a = &answers[i];
		const uint32_t regs[] = { a->eax, a->ebx, a->ecx, a->edx };
		bool extended = words[i].leaf >= 0x80000000;

		/* A leaf that is not there answers as another. */
		if (words[i].leaf <= answers[extended ? EXTENDED : BASIC].eax)
			f->words[i] = regs[words[i].reg] & words[i].keep;
	}
	if (answers[EXTENDED].eax >= 0x80000004)
		memcpy(f->brand, &answers[BRAND], sizeof(f->brand));
	f->brand[sizeof(f->brand) - 1] = 0;
	f->xcr0 = xcr0;
}

static const char *name_of(int word, int bit)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].word == word && names[i].bit == bit)
			return names[i].name;
	return NULL;
}

/* Appends the name of a bit. */
static void add_name(char *list, size_t size, int word, int bit)
{
	const char *name = name_of(word, bit);
	size_t n = strlen(list);

	if (name)
		snprintf(list + n, size - n, " %s", name);
	else
		snprintf(list + n, size - n, " cpuid.%x.%u.%s:%d",
			 words[word].leaf, words[word].index,
			 (const char *[]){ "eax", "ebx", "ecx",
					   "edx" }[words[word].reg],
			 bit);
}

int cpu_features_check(const struct cpu_features *f,
		       const struct cpu_features *here, const char *name,
		       struct err *e)
{
	char list[sizeof(e->text)] = "";

	for (int i = 0; i < CPU_WORDS; i++)
		for (int bit = 0; bit < 32; bit++)
			if ((f->words[i] & ~here->words[i]) >> bit & 1)
				add_name(list, sizeof(list), i, bit);
	if (list[0])
		err_set(e, -ENOTSUP, "%s: this CPU lacks:%s", name, list);
	else if (f->xcr0 & ~here->xcr0)
		err_set(e, -ENOTSUP, "%s: this CPU lacks: vector state %#llx",
			name, (unsigned long long)(f->xcr0 & ~here->xcr0));
	else
		return 0;
	err_machine();
	return -ENOTSUP;
}

bool cpu_has_vmx(void)
{
	uint32_t eax, ebx, ecx, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && ecx >> 5 & 1;
}

bool cpu_has_svm(void)
{
	uint32_t eax, ebx, ecx, edx;

	return __get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx) && ecx >> 2 & 1;
}

void cpu_features_print(const struct cpu_features *f)
{
	printf("%.47s:", f->brand);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (f->words[names[i].word] >> names[i].bit & 1)
			printf(" %s", names[i].name);
	putchar('\n');
}
