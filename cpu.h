/*
 * cpu.h: the CPU features a program may have found at its start, and that every
 * host which runs its template must have: what CPUID and XGETBV say to a program
 * in a guest. On kvm-pvm that is the real CPU, on VMX and SVM what the VMM has
 * set; a guest is asked (host.h), as nobody else knows.
 */
#ifndef ZEROBOOT_CPU_H
#define ZEROBOOT_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define CPU_WORDS 10

/* Feature words of CPUID; which ones, and which bits: cpu.c. */
struct cpu_features {
	uint32_t words[CPU_WORDS];
	char brand[48]; /* not checked, for people */
	uint64_t xcr0;  /* vector state */
};

/* What a guest must ask, and what CPUID answered. */
#define CPU_QUERIES (CPU_WORDS + 5)
struct cpu_answer {
	uint32_t eax, ebx, ecx, edx;
};
void cpu_query(unsigned n, uint32_t *leaf, uint32_t *index);
void cpu_features_take(struct cpu_features *f,
		       const struct cpu_answer answers[CPU_QUERIES],
		       uint64_t xcr0);

/* 0, or -ENOTSUP with a message that names all that is not here. */
int cpu_features_check(const struct cpu_features *f,
		       const struct cpu_features *here, const char *name,
		       struct err *e);
/* Whether this CPU can run guests by itself; where it cannot, KVM shadows page
 * tables. */
bool cpu_has_vmx(void);
bool cpu_has_svm(void);
void cpu_features_print(const struct cpu_features *f);

#endif
