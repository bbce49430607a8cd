#include "cpu.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm.h"

/* Intel SDM 2A, CPUID; AMD APM 3, appendix E. */
static const struct {
	uint32_t leaf, index;
	enum { EAX, EBX, ECX, EDX } reg;
	uint32_t ignore; /* bits that no program relies on */
} words[CPU_WORDS] = {
	/* x2APIC, TSC deadline, OSXSAVE (follows CR4), hypervisor */
	{ 1, 0, ECX, 1u << 21 | 1u << 24 | 1u << 27 | 1u << 31 },
	{ 1, 0, EDX, 0 },
	{ 7, 0, EBX, 1u << 1 },              /* TSC_ADJUST */
	{ 7, 0, ECX, 1u << 4 },              /* OSPKE */
	{ 7, 0, EDX, ~0x100u & 0xfc00fe03 }, /* mitigations, not instructions */
	{ 7, 1, EAX, 0 },
	{ 0xd, 1, EAX, 1u << 3 }, /* XSAVES: CPL0 only */
	{ 0x80000001, 0, ECX, 0 },
	{ 0x80000001, 0, EDX, 0 },
	{ 0x80000008, 0, EBX, 0xfffff000 },
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
	{ 8, 27, "rdtscp" },
};

static uint32_t find(const struct vmm *vmm, uint32_t leaf, uint32_t index,
		     int reg)
{
	for (uint32_t i = 0; i < vmm->cpuid.head.nent; i++) {
		const struct kvm_cpuid_entry2 *c = &vmm->cpuid.entries[i];
		const uint32_t regs[] = { c->eax, c->ebx, c->ecx, c->edx };

		if (c->function == leaf &&
		    (!(c->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
		     c->index == index))
			return regs[reg];
	}
	return 0;
}

void cpu_features_read(struct cpu_features *f, const struct vmm *vmm)
{
	memset(f, 0, sizeof(*f));
	for (int i = 0; i < CPU_WORDS; i++)
		f->words[i] =
			find(vmm, words[i].leaf, words[i].index, words[i].reg) &
			~words[i].ignore;
	for (uint32_t i = 0; i < 12; i++) {
		uint32_t part = find(vmm, 0x80000002 + i / 4, 0, (int)(i % 4));

		memcpy(f->brand + 4ul * i, &part, 4);
	}
	f->brand[sizeof(f->brand) - 1] = 0;
}

static const char *name_of(int word, int bit)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].word == word && names[i].bit == bit)
			return names[i].name;
	return NULL;
}

int cpu_features_check(const struct cpu_features *f, uint64_t xcr0,
		       const struct vmm *vmm, const char *path, struct err *e)
{
	struct cpu_features here;
	char list[160] = "";
	size_t n = 0;

	cpu_features_read(&here, vmm);
	for (int i = 0; i < CPU_WORDS; i++) {
		uint32_t missing = f->words[i] & ~here.words[i];

		for (int bit = 0; bit < 32 && n < sizeof(list); bit++) {
			const char *name = name_of(i, bit);

			if (!(missing >> bit & 1))
				continue;
			if (name)
				n += (size_t)snprintf(list + n,
						      sizeof(list) - n, " %s",
						      name);
			else
				n += (size_t)snprintf(
					list + n, sizeof(list) - n,
					" cpuid.%x.%u.%d:%d", words[i].leaf,
					words[i].index, (int)words[i].reg, bit);
		}
	}
	if (n)
		return err_set(e, -ENOTSUP, "%s: this CPU lacks:%s", path,
			       list);
	if (xcr0 & ~vmm->xcr0)
		return err_set(e, -ENOTSUP,
			       "%s: this CPU lacks vector state %#llx", path,
			       (unsigned long long)(xcr0 & ~vmm->xcr0));
	return 0;
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
