/*
 * kernel.h: what the parts of the guest kernel share.
 *
 * A library OS with the Linux x86-64 system call ABI: one process, many
 * threads, one vCPU, no interrupts. Kernel and program share the address space
 * and CPL3. The kernel is not preempted: a thread runs in it until it returns
 * or waits, so its data needs no locks; anything may have changed across a call
 * that waits (thread_wait and all that says it may wait).
 *
 * Built with general registers only: the program's vector registers live on in
 * the CPU during a system call and are saved only at a switch of threads.
 *
 * Virtual addresses (page tables are laid out before the snapshot; ordinary
 * runs change no entry):
 *
 *   0x0000'0040'0000   programs that are not position independent
 *   0x1000'0000'0000   direct map of all memory (guest/abi.h): this kernel, and
 *                      what the program gets from brk (growing up) and from
 *                      plain anonymous mmap (from the top down)
 *   0x2000'0000'0000   the image, read-only
 *   .. 0x7fff'f000'0000 mapped files, stacks, reservations: from the top down,
 *                      filled by faults
 *
 * Return values: >= 0 or -errno, as `long`.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <asm/errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef int32_t s32;

#define PAGE_SIZE 4096ul
#define PAGE_UP(x) (((u64)(x) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1))
#define PAGE_DOWN(x) ((u64)(x) & ~(PAGE_SIZE - 1))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define FOREVER (~0ull)          /* a deadline that never comes */
#define NSEC 1000000000ul
#define ERESTARTSYS 512          /* as EINTR, but SA_RESTART starts it again */

#define USER_TOP 0x7ffffffff000ull

#define control ((volatile struct zb_control *)(ZB_DIRECT_BASE + ZB_CONTROL_GPA))

static inline void *gpa_to_ptr(gpa_t gpa)
{
	return (void *)(ZB_DIRECT_BASE + gpa);
}
static inline gpa_t ptr_to_gpa(const void *p)
{
	return (u64)p - ZB_DIRECT_BASE;
}

/* ---- string.c ---- */
void *memcpy(void *restrict d, const void *restrict s, size_t n);
void *memmove(void *d, const void *s, size_t n);
void *memset(void *d, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* As snprintf: %s %.*s %d %u %x %o %c %p, l and z modifiers, widths, 0 and -.
 * Returns the length without the NUL that the whole text would have. */
int ksnprintf(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int kvsnprintf(char *buf, size_t size, const char *format, __builtin_va_list ap);

/* ---- log.c ---- */
/* One line to the host's standard error, without the newline. */
void klog(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The kernel's own invariant is broken: ends the VM with an honest error. */
_Noreturn void panic(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* ---- frame.c: physical memory ---- */
/* count adjacent frames of zeroes, or 0 when memory is short. */
gpa_t frames_alloc(u64 count);
void frames_free(gpa_t gpa, u64 count);
u64 frames_available(void);
u64 frames_total(void);

/* ---- heap.c: the kernel's own objects ---- */
void *kmalloc(size_t size); /* zeroed; NULL when memory is short */
void *krealloc(void *p, size_t size); /* new bytes are zero; p kept on NULL */
void kfree(void *p);
char *kstrdup(const char *s);

/* ---- random.c ---- */
void random_fill(void *buf, size_t n); /* reseeded in every fork */

/* ---- clock.c ---- */
u64 mono_now(void); /* CLOCK_MONOTONIC, ns */
u64 wall_now(void); /* CLOCK_REALTIME, ns */

/*
 * A timer calls fn from the kernel's way out or from the tick, never inside a
 * system call; fn must not wait. Owned by the caller; deadline is mono ns.
 */
struct timer {
	u64 deadline; /* FOREVER: not armed */
	void (*fn)(struct timer *t);
	struct timer *next;
};
void timer_arm(struct timer *t, u64 deadline); /* re-arms; FOREVER disarms */

/* ---- user.c: memory that belongs to the program ---- */
/*
 * True when all of [addr, addr + size) is mapped and readable (or writable).
 * The kernel may then use the range directly until it waits.
 */
bool user_readable(u64 addr, u64 size);
bool user_writable(u64 addr, u64 size);
/* 0 or -EFAULT, nothing copied then */
long copy_from_user(void *to, u64 from, size_t size);
long copy_to_user(u64 to, const void *from, size_t size);
/* Length of a NUL-terminated string, copied to buf with its NUL; -EFAULT, or
 * -ENAMETOOLONG when it does not fit into size bytes. */
long copy_string_from_user(char *buf, u64 from, size_t size);

/* ---- thread.c ---- */
struct regs { /* what entry.S saves, in this order */
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi,
		rdi;
	u64 orig_rax; /* system call number, or -1 for a fault or tick */
	u64 rip, cs, rflags, rsp, ss;
};

struct waitq {
	struct thread *head, *tail;
};

#define SIGNAL_COUNT 64
typedef u64 sigset; /* bit n - 1: signal n */

struct sigqueue_info { /* the parts of siginfo_t that we fill */
	s32 signo, errno_, code;
	s32 pid, uid; /* or timer id, overrun */
	u64 value;    /* or address of the fault */
};

struct thread {
	struct thread *next;      /* run queue or wait queue */
	struct thread *all_next;  /* list of all threads */
	u64 kernel_sp;            /* saved by thread_switch */
	struct regs *regs;        /* user registers, on the kernel stack */
	void *stack;              /* kernel stack */
	void *xsave;              /* vector registers while not running */
	u64 fs_base;
	s32 tid;
	u32 state;
	struct waitq *queue;      /* where it waits, or NULL */
	struct timer wake;        /* deadline of the wait */
	long wait_result;
	u64 clear_tid;            /* user address, 0 none */
	u64 robust_list;
	char name[16];
	/* signal.c */
	sigset blocked;
	sigset pending;
	sigset saved_blocked;     /* restored after a handler ran (sigsuspend,
	                           * ppoll...), valid with restore_blocked */
	bool restore_blocked;
	u64 altstack_sp, altstack_size;
	u32 altstack_flags;
	sigset waiting_for;       /* sigtimedwait: wake for these, blocked or not */
	u64 trap_number, error_code, cr2; /* of the last fault */
	struct sigqueue_info info[SIGNAL_COUNT];
	u64 cpu_ns;               /* time on the CPU so far */
	u64 on_cpu_since;
	/* futex.c */
	u64 futex_key;
	u32 futex_bits;
};
extern struct thread *current;
extern struct thread *threads; /* all of them */
struct thread *thread_find(s32 tid);
#define PROCESS_ID 2

/*
 * Waits until woken, the deadline (mono ns) passes, or a signal that is not
 * blocked is pending. 0, -ETIMEDOUT, -EINTR. The caller checks its condition
 * again in a loop.
 */
long thread_wait(struct waitq *q, u64 deadline);
void waitq_wake_all(struct waitq *q);
void waitq_wake_one(struct waitq *q);
/* Wakes t from its wait with -EINTR (a signal came). */
void thread_interrupt(struct thread *t);
void thread_yield(void);
/* Ends the whole run; status as a shell shows it. */
_Noreturn void process_exit(int status);

/* ---- signal.c ---- */
/* Sends to one thread; sync: a fault, not to be ignored or blocked. */
void signal_send_thread(struct thread *t, const struct sigqueue_info *info);
void signal_send_process(const struct sigqueue_info *info);
void signal_fault(struct thread *t, const struct sigqueue_info *info,
		  u64 trap_number, u64 error_code, u64 cr2);
/* True when the thread has a signal to handle now. */
bool signal_pending(const struct thread *t);
/* On the way out to the program: delivers pending signals by changing regs. */
void signal_deliver(struct regs *r);
/* Swaps the mask for the time of one wait (ppoll, epoll_pwait, sigsuspend). The
 * old one comes back on the way out, after a handler ran. user == 0: no-op.
 * 0, -EINVAL, -EFAULT. */
long signal_mask_for_wait(u64 user_mask, u64 size);
void signal_init(void);

/* ---- file.c and the file systems ---- */
struct file;
struct stat; /* <asm/stat.h> */

/*
 * Operations of an open file; a missing one answers as Linux does for such a
 * file. buf is checked by the caller and may be used until the operation waits,
 * after which it must be checked again (the program may have unmapped it):
 * so wait first, then copy. pos is the offset to use and advance, NULL for
 * files without one.
 */
struct file_ops {
	long (*read)(struct file *f, void *buf, size_t n, u64 *pos);
	long (*write)(struct file *f, const void *buf, size_t n, u64 *pos);
	u32 (*poll)(struct file *f); /* EPOLLIN | EPOLLOUT | ... now */
	long (*stat)(struct file *f, struct stat *st);
	long (*ioctl)(struct file *f, u64 command, u64 arg);
	long (*truncate)(struct file *f, u64 size);
	/*
	 * The frame that holds page `index`, for mmap; 0 past the end. Frames
	 * of the image are at or above ZB_IMAGE_GPA and read-only. With
	 * `write` the frame must be writable and belong to the file
	 * (MAP_SHARED). A frame stays valid while the file is referenced.
	 */
	gpa_t (*page)(struct file *f, u64 index, bool write);
	void (*release)(struct file *f); /* last reference is gone */
};

struct file {
	const struct file_ops *ops;
	u32 refs;
	u32 flags;    /* O_* of open and F_SETFL; access mode in the low bits */
	u64 pos;
	void *node;   /* of the file system or object */
	u32 edges;    /* raised with every new readiness, for EPOLLET */
	char *path;   /* where opened (for /proc and *at), NULL otherwise */
	void *epolls; /* epoll.c: who watches this file */
};

/* kmalloc'd with refs 1, or NULL. */
struct file *file_new(const struct file_ops *ops, void *node, u32 flags);
void file_ref(struct file *f);
void file_unref(struct file *f);
struct file *fd_file(s32 fd);       /* borrowed, NULL when not open */
long fd_install(struct file *f, bool cloexec); /* takes the reference, also on
                                     * failure; lowest free number or -EMFILE */
/* Tells pollers that f became ready; call after every change of readiness. */
void file_ready(struct file *f);
void file_init(void); /* mounts, and 0, 1, 2 */
/* Opens by absolute path for the kernel itself (exec); -errno as pointer no:
 * returns NULL and sets *error. */
struct file *file_open_kernel(const char *path, long *error);
/* Makes a read-only in-memory file with this content (the agent). */
long file_make(const char *path, const void *data, size_t size, u32 mode);

/* ---- console.c: what reaches the host ---- */
/* stream 1 or 2; bytes past the limit are counted and dropped. */
void output_write(int stream, const void *buf, size_t n);

/* ---- mm.c ---- */
void mm_init(void);
/* Text for /proc/self/maps; bytes written, at most size. */
size_t mm_format_maps(char *buf, size_t size);
u64 mm_resident_pages(void);
u64 mm_mapped_pages(void);

/* ---- process.c ---- */
u64 process_fd_limit(void); /* RLIMIT_NOFILE */

/* ---- main.c ---- */
/* Stops for a request: the template is taken here. Returns in every fork with
 * the request in place; code and size say where. Only the first call stops. */
void request_wait(const u8 **code, size_t *size);
extern char exec_path[256]; /* of the program, for /proc/self/exe */

/* ---- syscalls ---- */
#define SYSCALL_ROWS "syscalls.def"
#endif
