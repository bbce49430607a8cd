/* user.h: the gate to memory that belongs to the program. */
#ifndef MM_USER_H
#define MM_USER_H

#include "kernel.h"

/*
 * True when all of [addr, addr + size) is mapped and readable (or writable). A
 * page may still be missing for good (behind a mapped file's end), so the range
 * is used only through the functions below, and checked again after a wait.
 */
bool user_readable(u64 addr, u64 size);
bool user_writable(u64 addr, u64 size);
/* How many bytes from addr on are that, at most size. */
u64 user_readable_size(u64 addr, u64 size);
u64 user_writable_size(u64 addr, u64 size);
/* Whether a program could have memory there at all: what is not there can be told
 * from the kernel's own then, by its address. */
bool user_range(u64 addr, u64 size);
/*
 * For file operations, whose buffer is the program's and checked, or the
 * kernel's own: the bytes that were copied, fewer than n where the program's
 * memory has no page.
 */
size_t user_copy(void *to, const void *from, size_t n);
size_t user_clear(void *to, size_t n); /* to zero */
/*
 * The same, to and from a buffer of which nobody has checked more than user_range(),
 * or not since the call has waited: another thread may have unmapped it, and its
 * pages are others' by now. What is not the kernel's own, by its address, must be
 * the program's as far as it is copied.
 */
size_t user_put(void *to, const void *from, size_t n);
size_t user_get(void *to, const void *from, size_t n);
/* For fault.c: where to go on after a fault at rip that cannot be mended; 0:
 * rip is none of the gate's. */
u64 user_resume(u64 rip);
/* 0 or -EFAULT, nothing copied then */
long copy_from_user(void *to, u64 from, size_t size);
long copy_to_user(u64 to, const void *from, size_t size);
/* Length of a NUL-terminated string, copied to buf with its NUL; -EFAULT, or
 * -ENAMETOOLONG when it does not fit into size bytes. */
long copy_string_from_user(char *buf, u64 from, size_t size);

#endif
