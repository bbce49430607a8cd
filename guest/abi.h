/*
 * abi.h: the contract between the VMM and the guest kernel, and the layout of
 * an image. It is all that the two sides share. Self-contained: C11 and
 * assembly (with __ASSEMBLER__) may include it.
 *
 * Rules: fixed-width fields, no pointers, explicit numbers. Any change of a
 * layout, a number or a meaning raises ZB_ABI_VERSION; a kernel, template or
 * image with another version is refused before it is loaded.
 * IN is written by the VMM before it enters the guest, OUT by the guest. The
 * VMM copies an OUT field once, checks the copy, and uses the copy.
 */
#ifndef ZEROBOOT_ABI_H
#define ZEROBOOT_ABI_H

#define ZB_ABI_VERSION 11

/*
 * Guest physical memory (gpa) and where it is mapped (gva). All mappings are
 * user-accessible: the guest kernel runs at CPL3 beside its program.
 *
 *  gpa                    what
 *  0x0000'0000            unused (a null gpa is never valid)
 *  0x0000'1000            control page, struct zb_control
 *  0x0000'2000            GDT, TSS and IDT, written by the VMM at boot
 *  0x0000'8000            random bytes (IN), fresh for each run
 *  0x0000'a000            order ring (OUT): struct zb_order
 *  0x0010'0000            guest kernel, loaded from its ELF segments
 *  0x0020'0000            request area (IN): the code to run, or parts;
 *                         at its end (OUT) the files that a run returns, and
 *                         an exec's result
 *  0x0060'0000            standard output (OUT); of a streamed run its beginning is
 *                         a ring, and so is
 *  0x0068'0000            standard input (IN), where ZB_FLAG_INPUT is set
 *  0x0070'0000            standard error (OUT), the same
 *  0x0080'0000 .. memory  page tables made by the VMM, then free frames
 *  0xf000'0000            locked area: the first 2 MiB of the template's memory
 *                         again, read-only whatever page tables say
 *  0x1'0000'0000 ..       the image, read-only
 *
 * The VMM makes two top-level entries, which never change and are equal in all
 * address spaces of the guest; all that programs see is the guest kernel's:
 *
 * gva = ZB_KERNEL_BASE + gpa for all of memory (2 MiB pages, but the first 2 MiB
 * 4 KiB pages; read, write, execute). What CPL0 uses (GDT, TSS, IDT, the
 * kernel's first pages up to header.cpl0_end) leads to the locked area: the
 * program runs beside the kernel at CPL3 and can overwrite it, but cannot get to
 * CPL0 without writing a page table, which shows.
 * gva = ZB_IMAGE_BASE + (gpa - ZB_IMAGE_GPA) for the image (2 MiB pages,
 * read-only).
 */
#define ZB_CONTROL_GPA 0x1000
#define ZB_TABLES_GPA 0x2000
#define ZB_TABLES_SIZE 0x4000
#define ZB_RANDOM_GPA 0x8000
#define ZB_RANDOM_SIZE 0x2000
#define ZB_ORDER_GPA 0xa000
#define ZB_ORDER_COUNT 512
#define ZB_KERNEL_GPA 0x100000
#define ZB_REQUEST_GPA 0x200000
#define ZB_REQUEST_SIZE 0x400000
#define ZB_PARTS_SIZE 0x380000 /* of the request area; then there are */
#define ZB_OUTPUTS_GPA (ZB_REQUEST_GPA + ZB_PARTS_SIZE)
#define ZB_OUTPUTS_SIZE 0x70000
#define ZB_RESULT_GPA (ZB_OUTPUTS_GPA + ZB_OUTPUTS_SIZE)
#define ZB_RESULT_SIZE 0x10000
#define ZB_STDOUT_GPA 0x600000
#define ZB_STDERR_GPA 0x700000
#define ZB_OUTPUT_SIZE 0x100000
#define ZB_INPUT_GPA 0x680000
#define ZB_RING_SIZE 0x10000 /* of each stream, as of a pipe */
#define ZB_FRAMES_GPA 0x800000
#define ZB_LARGE_PAGE 0x200000 /* mapped without a table: SDM 3A, 4.5 */
#define ZB_LOCKED_GPA 0xf0000000
#define ZB_LOCKED_SIZE 0x200000
#define ZB_IMAGE_GPA 0x100000000
/* Where no sanitizer of a program wants its shadow: AddressSanitizer's is below
 * 0x1000'7fff'8000, ThreadSanitizer leaves 0x4000'0000'0000 free. */
#define ZB_KERNEL_BASE 0x400000000000
#define ZB_IMAGE_BASE 0x408000000000
#define ZB_MIN_MEMORY 0x2000000  /* 32 MiB */
#define ZB_MAX_MEMORY 0xc0000000 /* 3 GiB: below the locked area */

/* Segment selectors; kvm-pvm accepts no others (docs/platform.md). */
#define ZB_SEL_KCODE 0x10
#define ZB_SEL_KDATA 0x18
#define ZB_SEL_UDATA 0x2b
#define ZB_SEL_UCODE 0x33
#define ZB_SEL_TSS 0x40

/* Hypercalls: a 32-bit `out` of the code to this port from CPL3, which the
 * TSS's I/O permission bitmap allows. */
#define ZB_PORT 0x5a42
#define ZB_HC_READY                                                            \
	1             /* the agent waits for a request; a template stops here, a
		       * session after each exec */
#define ZB_HC_EXIT 2  /* the program ended; control.exit_code */
#define ZB_HC_IDLE 3  /* nothing runnable until control.idle_until */
#define ZB_HC_LOG 4   /* control.log holds a line (tracing, missing calls) */
#define ZB_HC_PANIC 5 /* guest kernel bug; control.log says what */
#define ZB_HC_OUTPUT                                                           \
	6 /* the rings were empty and are not any more, or one is full */
#define ZB_HC_LARGE 7 /* the run wants the large part of memory */
#define ZB_HC_ASK 8   /* the program asks for its standard input: ZB_FLAG_ASK */

/* Where the agent, which comes in the request area at boot, becomes a file. */
#define ZB_AGENT_PATH "/run/zeroboot/agent"

#define ZB_OUTPUTS_MAX 64 /* files that a run returns */

#define ZB_LOG_SIZE 1024
#define ZB_SEED_SIZE 64
#define ZB_ARGS_SIZE 2560

/* control.flags (IN) */
#define ZB_FLAG_TRACE 1 /* log every system call */
#define ZB_FLAG_NESTED                                                         \
	2                /* a changed top-level entry needs a flush of the
			  * TLB. Clear only where paging is known to be
			  * shadowed: KVM sees the change */
#define ZB_FLAG_STREAM 4 /* output goes into the rings */
#define ZB_FLAG_AUDIT 8  /* at its end the guest accounts for all its frames */
#define ZB_FLAG_SESSION                                                        \
	16 /* the request is the first exec of a session: see below. The guest
	    * looks at the first return from ZB_HC_READY */
#define ZB_FLAG_FORKED                                                         \
	32 /* the exec is the first one of a copy of its session, which must
	    * not draw the numbers that others do; the guest clears it */
#define ZB_FLAG_INPUT 64 /* standard input comes by control.input */
#define ZB_FLAG_ASK                                                            \
	128 /* the run stops once for its standard input: see below */
#define ZB_FLAG_SETTLE 256 /* a session is to become a template: see below */

/* control.large (IN): whether the guest may use its memory from control.large_gpa
 * on. A host that keeps it apart gives it to the runs that ask for it, in pages
 * of 2 MiB, without a log, and throws away what they leave. */
#define ZB_LARGE_PLAIN 0 /* as all other memory */
#define ZB_LARGE_ASK 1   /* ZB_HC_LARGE comes first; a write to it asks, too */
#define ZB_LARGE_GIVEN 2
#define ZB_LARGE_REFUSED 3

/* control.status (OUT): how the program ended */
#define ZB_STATUS_EXITED 0
#define ZB_STATUS_SIGNALLED 1     /* by signal exit_code - 128 */
#define ZB_STATUS_OUT_OF_MEMORY 2 /* killed for it: exit_code is 137 */
#define ZB_STATUS_REFUSED                                                      \
	3 /* nothing has run: control.log says what is wrong with a part */

/* Parts of a request: struct zb_part.kind */
#define ZB_PART_CODE 1
#define ZB_PART_STDIN 2
#define ZB_PART_ARGUMENT 3
#define ZB_PART_ENVIRONMENT 4 /* name=value in the data */
#define ZB_PART_FILE 5        /* name: its path */
#define ZB_PART_OUTPUT 6      /* name: a path or pattern of files to return */
#define ZB_PART_LOOK 7   /* name: a file to return, or a directory to list */
#define ZB_PART_REMOVE 8 /* name: a file that is to go */

/* Arguments and variables of a request: how many, and bytes of them, each with a
 * NUL. */
#define ZB_STRINGS_COUNT 1024
#define ZB_STRINGS_MAX (128 << 10)

/*
 * Sessions: a program that runs one request after the other, its execs. An exec
 * ends with ZB_HC_READY, OUT fields filled in as for ZB_HC_EXIT, the whole VM
 * standing still; returning from it starts the next one, with the request, the IN
 * fields that a run is given, and mono_ns as the guest left it. The guest has
 * cleared parts, room_used, memory_limit and outputs_limit, so that they hold for
 * one exec. With ZB_STATUS_REFUSED the exec has not begun (files of it may be
 * there); exit_code is the errno of a part that names a file, or 1. ZB_HC_EXIT: the
 * program has ended, and the session with it. Of an exec without ZB_PART_CODE the other
 * parts are served, and nothing of the program runs.
 *
 * With ZB_FLAG_SETTLE, of an exec without any parts or of the first one, the guest is
 * made ready for a snapshot once the exec has ended, and stops as an exec does. It is
 * then a template that takes a run or the first exec of a session, as any: with
 * ZB_FLAG_SESSION, which it has cleared, or without. A run is what an exec is, and its
 * program ends with it.
 */

/*
 * Standard input on demand: the first operation on it, by whatever thread or process,
 * that could tell what is in it ends with ZB_HC_ASK, the whole VM standing still,
 * control.cpu_ns and control.mono_ns as they are then, output where it was written.
 * The request has done its part, and parts and room_used are cleared. Returning from
 * it the run goes on, with a request of which the guest takes ZB_PART_STDIN and
 * ZB_PART_OUTPUT, the IN fields that a run is given, and mono_ns as the guest left it.
 * The output areas must be as they were.
 */

/* Of preempt_rip in struct zb_control, for entry.S. */
#define ZB_PREEMPT_RIP 152

#define ZB_KERNEL_MAGIC 0x4c4e524b425a3130 /* "01ZBKRNL" */

#ifndef __ASSEMBLER__
#include <stdint.h>

/* A guest physical address; the host never dereferences it. */
typedef uint64_t gpa_t;

/* The head of a part in the request area; its name and its data follow, each
 * padded to 8 bytes, or the data is elsewhere. */
struct zb_part {
	uint32_t kind; /* ZB_PART_* */
	uint32_t name_size;
	uint64_t size;
	uint64_t gpa; /* of the data, in the room: whole frames that become
	               * the guest's, zero behind it; 0: it follows */
};

/* The head of a file that matched, in the list at ZB_OUTPUTS_GPA; its path follows,
 * padded to 8 bytes, and then, of ZB_OUTPUT_FILE, the gpa of each of its pages: in
 * memory or in the image, 0: zeroes. Of a directory that is listed: its entries, each
 * with its name. */
struct zb_output {
	uint64_t size;
	uint32_t name_size;
	uint32_t kind; /* ZB_OUTPUT_* */
};
#define ZB_OUTPUT_FILE 0
#define ZB_OUTPUT_LEFT_OUT 1
#define ZB_OUTPUT_ENTRY 2           /* a regular file */
#define ZB_OUTPUT_ENTRY_DIRECTORY 3 /* size is 0 of these */
#define ZB_OUTPUT_ENTRY_LINK 4
#define ZB_OUTPUT_ENTRY_OTHER 5

/* What waits in a ring: head and tail only rise; head - tail of it wait. Who takes
 * keeps a tail of its own and reads head once. */
struct zb_ring {
	uint64_t head; /* written since the run's start */
	uint64_t tail; /* of that, taken */
};

/* An entry of the order ring: the next size bytes are of this stream. Both heads
 * are raised after what they count is there, the order's last. */
struct zb_order {
	uint32_t stream; /* 1 or 2 */
	uint32_t size;   /* not 0 */
};

struct zb_control {
	uint32_t abi_version; /* 0 IN */
	uint32_t flags;       /* 4 IN: ZB_FLAG_* */
	uint64_t memory_size; /* 8 IN: bytes of guest memory */
	uint64_t image_size;  /* 16 IN: bytes of the image */
	uint64_t frames_start; /* 24 IN: first gpa behind the VMM's page tables */
	uint64_t tsc_khz;      /* 32 IN: rate of rdtsc in the guest */
	uint64_t wall_ns;      /* 40 IN: CLOCK_REALTIME at this entry */
	uint64_t mono_ns;      /* 48 IN: CLOCK_MONOTONIC at this entry, goes on
	                         * from the template's; OUT: where it stands
	                         * between the execs of a session */
	uint64_t cr3;          /* 56 IN */
	uint8_t seed[ZB_SEED_SIZE]; /* 64 IN: fresh for each run; for what goes
	                         * beyond the random_size bytes */
	uint32_t request_size; /* 128 IN: bytes of the request area in use */
	uint32_t output_limit; /* 132 IN: bytes kept of each stream, at most
	                         * ZB_OUTPUT_SIZE */
	uint32_t args_size;    /* 136 IN: bytes of args in use (boot only) */
	uint32_t argc; /* 140 IN: of args, the first argc strings are argv,
	                         * the rest the environment, each NUL-terminated */

	uint32_t preempt;     /* 144 IN: a tick came while the kernel ran; the
	                         * kernel clears it, or ZB_HC_IDLE, which then
	                         * returns at once */
	uint32_t want_tick;   /* 148 OUT: deliver ticks at preempt_entry */
	uint64_t preempt_rip; /* 152 IN: where the tick interrupted the program */
	uint64_t idle_until; /* 160 OUT: mono_ns at which to wake, ~0 = never */
	uint32_t exit_code; /* 168 OUT: wait status as a shell shows it, 0-255 */
	uint32_t log_size;  /* 172 OUT: bytes of log */
	uint64_t stdout_size; /* 176 OUT: bytes the program wrote, cut or not */
	uint64_t stderr_size; /* 184 OUT */
	uint64_t frames_free; /* 192 OUT: free frames, now */
	uint64_t page_faults; /* 200 OUT: faults handled since boot */
	uint64_t syscalls;    /* 208 OUT: system calls since boot */
	uint32_t random_size; /* 216 IN: bytes at ZB_RANDOM_GPA, at most
	                         * ZB_RANDOM_SIZE */
	uint32_t random_used; /* 220 OUT: how many of them the run has taken */
	uint32_t status;      /* 224 OUT: ZB_STATUS_* */
	uint32_t parts; /* 228 IN: struct zb_part in the request area; 0: it
	                         * is the code alone */
	uint64_t memory_limit; /* 232 IN: bytes that may be in use, 0: all */
	uint64_t memory_peak;  /* 240 OUT: bytes that a process had in use at
	                         * most */
	uint64_t stolen_ns; /* 248 IN: of the time since boot, how much the vCPU
	                         * waited for a CPU; brought up to date at ticks */
	uint32_t signal; /* 256 IN: to send to the program; the kernel looks at
	                         * a tick and after ZB_HC_IDLE, and clears it */
	uint32_t processes; /* OUT: how often the run has made one, or executed a
	                     * program */
	struct zb_ring output[2]; /* 264: stdout, stderr, in bytes: heads are
	                         * OUT, tails IN */
	struct zb_ring order;     /* 296: which of them came when, in struct
	                         * zb_order: the same */
	uint64_t room_gpa;  /* 312 OUT: free frames, which the host may write */
	uint64_t room_size; /* 320 OUT: parts into, from their beginning on;
	                         * where that is too few, the host takes some in the
	                         * large part, and says so in room_gpa (IN) */
	uint64_t room_used; /* 328 IN: bytes of them, whole frames */
	uint64_t outputs_limit;  /* 336 IN: bytes of files that are returned */
	uint64_t outputs_size;   /* 344 OUT: bytes of the request area in use */
	uint32_t outputs;        /* 352 OUT: struct zb_output in it */
	uint32_t outputs_missed; /* 356 OUT: files that matched and are not */
	uint64_t cpu_ns; /* 360 OUT: CPU time of all processes at the end */
	uint32_t result_size;  /* 368 OUT: bytes at ZB_RESULT_GPA: the value of
	                         * the exec's last expression as a text, whole
	                         * characters of UTF-8 where it is that; 0: none */
	uint32_t result_cut;   /* 372 OUT: 1: there was more of it */
	struct zb_ring input;  /* 376: head is IN, tail OUT */
	uint32_t input_ended;  /* 392 IN: nothing follows what is in it */
	uint32_t directory;    /* 396 IN: where in args the directory's name is
	                         * to start in, behind the rest; 0: the image
	                         * says (boot only) */
	char log[ZB_LOG_SIZE]; /* 400 OUT */
	char args[ZB_ARGS_SIZE]; /* 1424 IN */
	uint64_t large_gpa; /* 3984 OUT: see ZB_LARGE_*: a multiple of 2 MiB;
	                         * 0: there is none. The host gives it only
	                         * where a snapshot has nothing there */
	uint32_t large;     /* 3992 IN: ZB_LARGE_* */
};

#define ZB_OFFSET_IS(field, offset)                                            \
	_Static_assert(__builtin_offsetof(struct zb_control, field) ==         \
			       (offset),                                       \
		       "layout changed: raise ZB_ABI_VERSION")
ZB_OFFSET_IS(seed, 64);
ZB_OFFSET_IS(request_size, 128);
ZB_OFFSET_IS(preempt, 144);
ZB_OFFSET_IS(exit_code, 168);
ZB_OFFSET_IS(preempt_rip, ZB_PREEMPT_RIP);
ZB_OFFSET_IS(status, 224);
ZB_OFFSET_IS(output, 264);
ZB_OFFSET_IS(room_gpa, 312);
ZB_OFFSET_IS(result_size, 368);
ZB_OFFSET_IS(input, 376);
ZB_OFFSET_IS(log, 400);
ZB_OFFSET_IS(args, 1424);
ZB_OFFSET_IS(large_gpa, 3984);
_Static_assert(sizeof(struct zb_control) <= 4096, "one page");
_Static_assert(sizeof(struct zb_order) * ZB_ORDER_COUNT == 4096, "one page");

/*
 * The first bytes of the kernel's loaded image (at ZB_KERNEL_GPA): where the
 * VMM finds what it must point the CPU at. Addresses are gva.
 */
struct zb_kernel_header {
	uint64_t magic;
	uint32_t abi_version;
	uint32_t reserved;
	uint64_t text_start,
		text_end;       /* a tick inside is deferred, not delivered */
	uint64_t entry;         /* first instruction, at CPL3 */
	uint64_t boot_stack;    /* top of the stack at entry */
	uint64_t lstar;         /* for MSR_LSTAR */
	uint64_t preempt_entry; /* see control.preempt_rip */
	uint64_t exc_stack;     /* top of the CPL0 stack, for TSS.RSP0 */
	uint64_t vectors;  /* 32 uint64_t: gva of the CPL0 stub per vector */
	uint64_t cpl0_end; /* end of the pages from ZB_KERNEL_GPA on that
	                         * CPL0 executes and reads */
};

/*
 * An image: a root file system in one file, mapped read-only at ZB_IMAGE_GPA.
 * Everything little-endian. Offsets are from the start of the image; data of a
 * regular file starts on a page and is zero-filled to the end of its last page.
 * Directory entries of one directory are adjacent and sorted by name (memcmp,
 * shorter first), without "." and "..". Version 1 ended with the checksum, zeros
 * behind it: no attributes, no settings.
 */
#define ZB_IMAGE_MAGIC "ZBIMAGE\n"
#define ZB_IMAGE_VERSION 2
#define ZB_PAGE_SIZE 4096

struct zb_image_header {
	char magic[8];
	uint32_t version;
	uint32_t inode_count;
	uint64_t size;    /* of the whole image, a multiple of 4096 */
	uint64_t inodes;  /* offset of inode_count struct zb_image_inode */
	uint64_t dirents; /* offset of dirent_count struct zb_image_dirent */
	uint64_t dirent_count;
	uint64_t names; /* offset of the name bytes and symlink targets */
	uint64_t names_size;
	uint64_t checksum; /* FNV-1a of header (this field 0), inodes, dirents,
	                         * names and xattrs, in that order */
	uint64_t xattrs;   /* offset of xattr_count struct zb_image_xattr */
	uint64_t xattr_count;
	uint64_t settings; /* offset in names of settings_size bytes: a letter
	                         * of ZB_SETTING_*, a text and a NUL each */
	uint64_t settings_size;
};
_Static_assert(sizeof(struct zb_image_header) == 104, "image layout");
#define ZB_IMAGE_HEADER_1 72 /* bytes of version 1 */

/* What a container image says about how to start it. */
#define ZB_SETTING_ENVIRONMENT 'e' /* NAME=VALUE */
#define ZB_SETTING_DIRECTORY 'd'
#define ZB_SETTING_ENTRY 'p'   /* an argument of the entry point, in order */
#define ZB_SETTING_COMMAND 'c' /* what follows it when nothing else is given */
#define ZB_SETTING_USER 'u'

struct zb_image_inode { /* number 0 is the root directory */
	uint32_t mode;  /* as st_mode */
	uint32_t uid;
	uint32_t gid;
	uint32_t nlink;
	uint64_t size; /* file: bytes; symlink: target's bytes; directory:
	                         * number of entries */
	uint64_t data; /* file: offset; symlink: offset in names;
	                         * directory: index of the first entry; device:
	                         * st_rdev */
	int64_t mtime_sec;
	uint32_t mtime_nsec;
	uint32_t parent; /* directory: inode number of its parent */
};
_Static_assert(sizeof(struct zb_image_inode) == 48, "image layout");

struct zb_image_dirent {
	uint32_t inode;
	uint32_t name;      /* offset in names, not NUL-terminated */
	uint16_t name_size; /* 1-255 */
	uint16_t reserved;
};
_Static_assert(sizeof(struct zb_image_dirent) == 12, "image layout");

/* Sorted by inode and name. */
struct zb_image_xattr {
	uint32_t inode;
	uint32_t name;       /* offset in names, not NUL-terminated */
	uint32_t value;      /* the same */
	uint32_t value_size; /* at most 65536 */
	uint16_t name_size;  /* 1-255 */
	uint16_t reserved;
};
_Static_assert(sizeof(struct zb_image_xattr) == 20, "image layout");

#endif /* __ASSEMBLER__ */
#endif
