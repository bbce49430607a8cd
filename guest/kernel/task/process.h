/*
 * process.h: a process: what its threads share. There is one so far; nothing
 * but process_init() assumes so. Threads reach theirs as current->process.
 */
#ifndef TASK_PROCESS_H
#define TASK_PROCESS_H

#include "task/cputimer.h"
#include "task/itimer.h"
#include "task/limits.h"
#include "task/sigset.h"
#include "task/thread.h"
#include "task/usage.h"

/* The kernel: it has no handlers, so it ignores all signals. */
#define INIT_PROCESS 1
#define FIRST_PROCESS 2
#define PROCESS_PATH 256

struct space;
struct descriptors;
struct node;
struct posix_timer;
struct terminal;

/* Where the program's parts are, as exec has put them: proc(5), stat. */
struct layout {
	u64 code_start, code_end, data_start, data_end;
	u64 stack; /* at the first instruction */
	u64 args, args_end, environment, environment_end; /* strings */
	u64 auxv[48];
	size_t auxv_size;
};

struct process {
	s32 pid, parent, group, session;
	struct terminal *terminal; /* the controlling one, inherited; or NULL */
	struct space *space;
	struct descriptors *descriptors; /* fs/descriptor.h */
	struct node *cwd;                /* referenced; NULL: the root */
	struct node *root;               /* of chroot, the same */
	u32 umask;
	u32 thread_count;
	struct signals signals;
	struct limits limits;
	struct usage ended; /* of threads that have ended */
	struct cputimer cpu_limit;
	struct itimer itimers[3];
	struct posix_timer *timers;
	s32 next_timer;
	struct layout layout;
	s32 oom_score_adj;
	u64 started;  /* mono ns */
	u32 dumpable; /* PR_SET_DUMPABLE */
	bool subreaper, no_huge_pages;
	u32 barriers;                 /* MEMBARRIER_CMD_REGISTER_* so far */
	char exec_path[PROCESS_PATH]; /* for /proc/PID/exe */
};

/* The first process, with the space that is there; its thread is current. */
void process_init(void);
/* Other arguments of the running process, in place of those that exec gave it:
 * strings of the program's. Their size, or -errno. */
long process_set_command(const void *strings, size_t size);
/* Ends the running process; status as a shell shows it. */
_Noreturn void process_exit(int status);
/* The same by a signal, or because there is no memory left for it. */
_Noreturn void process_killed(int signo);
_Noreturn void process_out_of_memory(void);
/* Something to do at the end of the last one. */
void process_at_end(void (*call)(void));
/* The process with this number, or NULL. */
struct process *process_find(s32 pid);
/* That of a thread's number; 0: the running one. */
struct process *process_of(s32 id);

#endif
long process_exec_begin(void);
void process_exec_done(void);
