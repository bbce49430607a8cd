/*
 * map.h: mappings of the running space. Two kinds: those of the pool (pool.h),
 * whose frames are taken at once, and those of the zone, whose frames come with
 * the first access: files, fixed addresses, stacks, reservations, and what finds
 * no run of free frames.
 */
#ifndef MM_MAP_H
#define MM_MAP_H

#include "mm/space.h"

void mm_init(void); /* frames, and the first space, which is empty */
/* The space is to hold a program: HOME_LOW or HOME_HIGH. 0 or -ENOMEM. */
long mm_open(u64 home);
/*
 * A new mapping with v's prot, flags, object, offset and may_write, near or at
 * addr as the flags say. Its address, or -errno. The object is not consumed.
 */
long mm_map(u64 addr, u64 size, const struct vma *v);
/* The same for a program's file, of which no more than ready bytes are code and will be
 * looked at there. */
long mm_map_ready(u64 addr, u64 size, u64 ready, const struct vma *v);
/* Where there is room for so many bytes of code and then data, which have no table in
 * common; 0: nowhere. */
u64 mm_place_program(u64 code, u64 data);
long mm_unmap(u64 start, u64 end);
/* Changes rights of what is mapped. As the system call, arguments checked. */
long mm_protect(u64 start, u64 end, u32 prot);
/* Nothing is mapped there. */
bool mm_range_free(u64 start, u64 size);
/* 0 when [start, end) is mapped without a hole, else -ENOMEM. */
long mm_check_mapped(u64 start, u64 end);
/* Whether a wish for this fixed range can be met; it may be mapped already. */
bool mm_fixed_ok(u64 addr, u64 size);
/* Whether so many pages more are allowed (RLIMIT_AS, RLIMIT_DATA). */
bool mm_may_grow(u64 pages, u32 prot, u32 flags);

/*
 * Brings in the page of addr for this kind of access. 0: there; -ENOMEM;
 * -EFAULT: no mapping; -EACCES: not allowed; -ENXIO: behind the file's end.
 */
long mm_fault(u64 addr, bool write);
/* Makes all of the range present, as far as memory goes. */
void mm_populate(u64 addr, u64 size);
/* The same for the beginning of new memory, where there is enough: a fault less. */
#define MM_AT_ONCE (64ul << 10)
void mm_populate_first(u64 addr, u64 size);
/*
 * Before the snapshot: completes the blocks of 256 KiB that the program has
 * begun to use, so that it can go on in them without changing a page table.
 */
void mm_settle(void);

/* What /proc/PID/maps calls a mapping; bytes, at most size. */
size_t vma_name(const struct vma *v, char *buf, size_t size);
u64 mm_mapped_pages(void);

#endif
