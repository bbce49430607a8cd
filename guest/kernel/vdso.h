/*
 * vdso.h: the page of data behind the vDSO's clocks. It lies directly before
 * the vDSO's ELF header, which the kernel's loader and vdso_user.c rely on.
 */
#ifndef VDSO_H
#define VDSO_H

#include <stdint.h>

/* 2^-40 ns: a step of mult is 4e-10 of a tick's length, 1 us in 40 minutes. */
#define VDSO_SHIFT 40

struct vdso_data {
	uint64_t tsc_base; /* rdtsc at which mono_ns and wall_ns held */
	uint64_t mult;     /* ns = ticks * mult >> VDSO_SHIFT */
	uint64_t mono_ns;
	uint64_t wall_ns;
	uint64_t stood_ns; /* how long mono_ns has stood still between execs */
};

static inline uint64_t vdso_ticks_to_ns(const struct vdso_data *d,
					uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * d->mult >> VDSO_SHIFT);
}

extern struct vdso_data *clock_data;

/* The vDSO, which is put into memory once: its ELF header's address, for
 * AT_SYSINFO_EHDR, or NULL when memory is short. */
void *vdso_load(void);

#endif
