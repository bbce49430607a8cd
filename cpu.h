/*
 * cpu.h: the CPU features a program may have found at its start, and that every
 * host which runs its template must have.
 */
#ifndef ZEROBOOT_CPU_H
#define ZEROBOOT_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct vmm;

#define CPU_WORDS 10

/* Feature words of CPUID; which ones: cpu.c. */
struct cpu_features {
	uint32_t words[CPU_WORDS];
	char brand[48]; /* not checked, for people */
};

void cpu_features_read(struct cpu_features *f, const struct vmm *vmm);
/* 0, or -ENOTSUP with a message that names what this host lacks. */
int cpu_features_check(const struct cpu_features *f, uint64_t xcr0,
		       const struct vmm *vmm, const char *path, struct err *e);
/* Whether this CPU can run guests by itself; where it cannot, KVM shadows page
 * tables. */
bool cpu_has_vmx(void);
bool cpu_has_svm(void);
void cpu_features_print(const struct cpu_features *f);

#endif
