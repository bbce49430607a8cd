/*
 * map.h: the program's address space.
 *
 * Two kinds of places (address map: kernel.h). In the direct map a mapping's
 * frames are taken at once and its page-table entries are there already. In the
 * zone everything else lives: files, stacks, fixed addresses, reservations;
 * frames come with the first access.
 */
#ifndef MM_MAP_H
#define MM_MAP_H

#include "kernel.h"

struct file;
struct vma;

#define ZONE_TOP 0x7ffff0000000ull
#define ZONE_BOTTOM 0x10000ull

/* As the system call, for the kernel itself. file is not consumed. */
long mm_map(u64 addr, u64 size, u32 prot, u32 flags, struct file *file,
	    u64 offset);
/*
 * Brings in the page of addr for this kind of access. 0: there; -ENOMEM;
 * -EFAULT: no mapping; -EACCES: not allowed; -ENXIO: behind the file's end.
 */
long mm_fault(u64 addr, bool write);
/* Makes all of the range present, as far as memory goes. */
void mm_populate(u64 addr, u64 size);
bool in_direct_map(u64 addr);
/*
 * Before the snapshot: completes the blocks of 256 KiB that the program has
 * begun to use, so that it can go on in them without changing a page table.
 */
void mm_settle(void);

void mm_init(void);
/* Text for /proc/self/maps; bytes written, at most size. */
size_t mm_format_maps(char *buf, size_t size);
u64 mm_resident_pages(void);
u64 mm_mapped_pages(void);

#endif
