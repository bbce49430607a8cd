/*
 * space.h: an address space: the sorted table of its mappings, and where things
 * are in it. All that a program uses by itself is under one top-level entry, its
 * home: entry 0 when the program is not position independent, else the last
 * one. Offsets in it:
 *
 *   0x00'0040'0000  programs that are not position independent (home 0)
 *   0x40'0000'0000  the pool: all frames by their gpa (pool.h)
 *   0x55'5555'4000  position-independent programs
 *   .. 0x7f'f000'0000  files, stacks, reservations: from the top down
 */
#ifndef MM_SPACE_H
#define MM_SPACE_H

#include "mm/object.h"
#include "mm/pte.h"

#define HOME_LOW 0ul
#define HOME_HIGH 0x7f8000000000ul
#define HOME_SIZE (1ul << 39)
#define HOME_POOL 0x4000000000ul
#define HOME_PIE 0x5555554000ul
#define HOME_ZONE 0x5600000000ul /* bottom of what is handed out top down */
#define HOME_ZONE_TOP 0x7ff0000000ul
/* Kept free below a mapping that grows down: Linux, stack_guard_gap. */
#define GROWTH_GUARD (256 * PAGE_SIZE)
#define LOWEST_ADDRESS 0x10000ul /* as Linux, vm.mmap_min_addr */
/* From ZB_KERNEL_BASE up to here nothing is a program's. */
#define KERNEL_END (ZB_IMAGE_BASE + HOME_SIZE)

enum at_fork { FORK_OMIT = 1, FORK_WIPE = 2 }; /* madvise(2) */

struct vma {
	u64 start, end;
	u32 prot;       /* PROT_* */
	u32 flags;      /* MAP_* of mmap */
	bool pool;      /* its frames are those of its place in the pool */
	bool may_write; /* a shared one: the file was opened for it */
	u8 at_fork;     /* FORK_*, bits */
	bool apart;     /* code: nothing else comes into its tables by itself */
	struct object *object; /* referenced; NULL: anonymous */
	u64 offset;            /* in the object, of start */
};

/* What the kernel knows of changed code in a space (patch.c). */
struct patches {
	u32 users; /* spaces; the last one frees it */
};

struct space {
	struct space *next; /* of all */
	u32 users;          /* processes */
	struct tables tables;
	struct patches *patches; /* NULL: none */
	u32 traps;               /* system calls without a patch: patch.c */
	struct object *program;  /* the file it began with; referenced */
	struct vma *table;       /* by address */
	size_t count, room;
	size_t last;              /* where the previous search ended */
	u64 home;                 /* HOME_LOW or HOME_HIGH */
	u64 pool;                 /* address of gpa 0 in the pool */
	u64 pool_start, pool_end; /* what is handed out of it; 0: it has none */
	u64 brk_start, brk_end, brk_top;
	u64 stack_top;           /* of the stack that its program began with, */
	u64 stack_floor;         /* to where nothing else comes by itself */
	u64 stack_max;           /* RLIMIT_STACK, in bytes */
	u64 pages, pages_peak;   /* in all mappings, now and at most */
	u64 data_pages;          /* of them private and writable */
	u64 pages_max, data_max; /* RLIMIT_AS and RLIMIT_DATA, in pages */
	u64 peak;                /* most frames in use, as far as is known, */
	u64 peak_before;         /* and until mm_start_peak() */
	bool lock_new;           /* mlockall(MCL_FUTURE) */
};
/* The running thread's, unless space_look_at() says another one. */
extern struct space *space;
extern struct space *spaces; /* all of them */

/* All of mm works on s until it is told otherwise; the CPU goes on in the one it
 * has, so that no memory of the program's may be touched meanwhile. Returns what
 * `space` was. */
struct space *space_look_at(struct space *s);

/* Tells whether so many bytes more may be locked, where a locked mapping grows down. */
void space_on_lock(bool (*may)(u64 bytes));

/* An empty one with one user; NULL: no memory. */
struct space *space_new(void);
/* A copy of the running one with one user, as fork makes it: private pages are
 * shared until one side writes. Those of the count addresses in hot, which both
 * will write to at once, are copied now; the first is the stack's pointer. NULL: no
 * memory. */
struct space *space_fork(const u64 *hot, size_t count);
static inline struct space *space_ref(struct space *s)
{
	s->users++;
	return s;
}
/* The last user's: all it has goes. If it is the one the CPU has, there is none
 * until the next space_switch(). */
void space_unref(struct space *s);
/* Takes all mappings out of it, unless it is the one the CPU has. */
void space_clear(struct space *s);
/* From now on s is what the CPU sees. */
void space_switch(struct space *s);
/* Memory of any space, from or to the kernel's own: bytes done, fewer at what is
 * not mapped or not allowed. They may bring pages in. */
size_t space_read(struct space *s, void *to, u64 from, size_t n);
size_t space_write(struct space *s, u64 to, const void *from, size_t n);

/* The mapping that holds addr, or NULL. Valid until the next change. */
const struct vma *vma_at(u64 addr);
/* The same where it is accessed: one that grows down comes to it, as far as
 * RLIMIT_STACK, RLIMIT_AS and, if it is locked, RLIMIT_MEMLOCK let it. */
const struct vma *vma_reach(u64 addr);
/* First mapping that ends above addr, or NULL. */
struct vma *vma_next(u64 addr);
struct vma *vma_after(const struct vma *v);
/* Room for this many more, so that inserts cannot fail. */
bool vma_reserve(size_t more);
/* Into a free range; room was reserved. Takes its own reference. */
void vma_insert(const struct vma *v);
/* Makes start and end boundaries of mappings; false: no memory. */
bool vma_cut(u64 start, u64 end);
void vma_remove(struct vma *v);
/* Whether such a mapping counts for RLIMIT_DATA. */
bool vma_is_data(u32 prot, u32 flags);
/* Changes rights, and what is counted by them. */
void vma_set_prot(struct vma *v, u32 prot);
/* Joins what became alike in and around a range. */
void vma_tidy(u64 start, u64 end);
size_t vma_count(void);
/* Start of the highest free range of this size in [bottom, top), or 0. */
u64 vma_gap(u64 size, u64 bottom, u64 top);

#endif
