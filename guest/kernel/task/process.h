/*
 * process.h: a process: what its threads share. Threads reach theirs as
 * current->process. The kernel is process 1: it reaps what nobody else does.
 * Process 2 is the program: the run ends with it.
 *
 * A process is in the list and has its number until it is reaped; what points to
 * one for longer holds a reference.
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

struct space;
struct descriptors;
struct surroundings;
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

/* What a parent waits for: a child that has stopped or gone on. */
enum news { NEWS_NONE, NEWS_STOPPED, NEWS_CONTINUED };

struct process {
	struct process *all_next, **all_link; /* list of all */
	struct process *hash_next;            /* numbers.c */
	u32 refs;
	s32 pid, group, session;
	struct terminal *terminal; /* the controlling one, inherited; or NULL */
	struct process *parent;    /* NULL: the kernel */
	s32 maker;                 /* the parent's thread that made it */
	struct process *children, *last_child; /* the oldest first */
	struct process *sibling;               /* the next of the parent's */
	struct waitq waiting;   /* threads that wait for children */
	struct thread *threads; /* its threads, by peer */
	struct thread *leader;  /* the first one, which may have ended */
	u32 thread_count;       /* that have not ended */
	bool ending;            /* all its threads are to leave */
	bool zombie;            /* all have; it waits to be reaped */
	bool execing;           /* one waits for the others to leave */
	bool executed;          /* has called execve since it was made */
	u32 status;             /* as wait(2) shows it */
	s32 exit_signal;        /* for the parent; 0: none */
	enum news news;         /* not told to a waiting parent yet */
	s32 stop_signal;
	struct waitq sole;    /* execing: for the others' end */
	struct waitq vforked; /* its parent, until it has its own space */
	bool borrowed;        /* it has not: vfork(2) */
	struct space *space;  /* NULL: a zombie's */
	struct descriptors *descriptors;   /* fs/descriptor.h */
	struct surroundings *surroundings; /* fs/surroundings.h */
	struct signals signals;
	struct limits limits;
	struct usage ended;          /* of threads that have ended */
	struct usage children_usage; /* of children that were waited for */
	u64 peak, children_peak;     /* pages; the first of a zombie */
	struct cputimer cpu_limit;
	struct itimer itimers[3];
	struct posix_timer *timers;
	s32 next_timer;
	struct layout layout;
	s32 oom_score_adj;
	u64 started;  /* boot ns */
	u32 dumpable; /* PR_SET_DUMPABLE */
	bool subreaper, no_huge_pages;
	u32 barriers; /* MEMBARRIER_CMD_REGISTER_* so far */
};

extern struct process *processes; /* all of them, the youngest first */
extern struct process *first_process;
/* Process 1, in no list: it has no space, and its one thread never runs. */
extern struct process *kernel_process;

/* The first process, with the space that is there; its thread is current. */
void process_init(void);
/* Other arguments of the running process, in place of those that exec gave it:
 * strings of the program's. Their size, or -errno. */
long process_set_command(const void *strings, size_t size);
/* The process with this number, or NULL. */
struct process *process_find(s32 pid);
/* That of a thread's number; 0: the running one. */
struct process *process_of(s32 id);
s32 process_parent(const struct process *p); /* its number */
/* Whether the running thread may look into p, as ptrace(2) has it. */
bool process_may_look(const struct process *p);
void process_unref(struct process *p);

/*
 * What higher floors keep for each process. A missing operation does nothing.
 * fork may fail; then end is called for the parts that have been made.
 */
struct process_part {
	struct process_part *next;
	/* The child of the running process is made; flags: CLONE_*. */
	long (*fork)(struct process *child, u64 flags);
	/* The running process has executed a program. */
	void (*exec)(struct process *p);
	/* p is to be a zombie, or was never to run. It must not wait. */
	void (*end)(struct process *p);
	/* p has become a zombie, or was reaped at once. */
	void (*ended)(struct process *p);
};
void process_add_part(struct process_part *part);
long process_parts_fork(struct process *child, u64 flags);
void process_parts_exec(struct process *p);
void process_parts_end(struct process *p);
void process_parts_ended(struct process *p);

/* ---- for fork, exit, wait ---- */

bool process_too_many(void);
/* A copy of the running process, in no list, without threads, space, parts and
 * actions; NULL: no memory. */
struct process *process_copy(void);
/* From now on it is there, as the youngest child of its parent. */
void process_add(struct process *p);
void process_add_thread(struct process *p, struct thread *t);
void process_remove_thread(struct process *p, struct thread *t);
/* Moves it to another parent, NULL: the kernel. */
void process_adopt(struct process *p, struct process *parent);
/* A zombie goes. */
void process_reap(struct process *p);

/* ---- exit.c ---- */

#define STATUS_EXITED(code) (((u32)(code)&0xff) << 8)

/* Ends the running process; status as exit(2). */
_Noreturn void process_exit(int status);
/* The same by a signal. */
_Noreturn void process_killed(int signo);
_Noreturn void process_end_run_out_of_memory(void);
/* All threads of p are to leave, for status. */
void process_end(struct process *p, u32 status);
/* The running thread ends, with exit(2)'s status. */
_Noreturn void process_leave(int status);
/* All but the first one end, now. */
void process_end_others(void);
/* Tells the host what the run, or exec, has used; kind: ZB_STATUS_*. */
void process_account(u32 kind);
/* Something to do at the end of the first one, with its kind. Out of memory, any
 * process may be the running one, and in the middle of something. */
void process_at_end(void (*call)(u32 kind));
/* It no longer has its parent's space: wakes that one. */
void process_release_vfork(struct process *p);

/* ---- shortage.c ---- */

/* There is no memory left: the process that has most of it ends, and gives it
 * back at once if it is not the running one. If it is the first one, the run
 * ends. */
void process_out_of_memory(void);

/* ---- execution.c: for execve ---- */

/* Ends the other threads of the running process; the caller then is the first
 * thread. 0, or -EAGAIN: the process ends, or another thread does the same. */
long process_exec_begin(void);
/* The running process has a new program in a space of its own. */
void process_exec_done(void);

#endif
