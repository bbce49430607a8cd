/*
 * protocol.h: what the front end and a worker say to each other, and when. Both
 * ends are of one binary, so there are no versions.
 *
 * The channel is a SOCK_STREAM socketpair. All on it are messages: a struct
 * message and the bytes that it announces, always a multiple of 8, so that what
 * follows is aligned. The kinds, with what they carry:
 *
 *  from the front end
 *   RUN        struct run and parts: run this. Not before READY, and not while a
 *              RUN has no RESULT yet. One that comes before the IDLE, or in a
 *              training, waits.
 *   TRAIN      the VM is to be warmed. Only when no RUN is without its RESULT.
 *   CANCEL     struct about: nobody wants the rest of this run. It ends at the
 *              next tick (RESULT_CANCELLED), unless it ended by itself.
 *   INTERRUPT  struct interrupt: a signal for the program that runs. CANCEL and
 *              INTERRUPT of a run that is over mean nothing.
 *   CREDIT     struct credit: so many more bytes of OUTPUT may come of this run.
 *
 *  from a worker
 *   READY      once, first of all: a VM is made; its pages are not warm.
 *   RESULT     struct result and parts, exactly one for each RUN, of its id. The
 *              VM is renewed afterwards; or stays as it is, if a session goes on.
 *   IDLE       struct renewal: the VM is renewed, or stays (then it is not warm,
 *              until TRAIN renews it, or the RUN of another session or of none). Once after each RESULT, unless
 *              the next RUN has come meanwhile: then its RESULT has the renewal.
 *   WARM       struct renewal: the VM has been warmed as far as it can be. Once
 *              after each TRAIN, unless a RUN has come meanwhile.
 *   FAILED     one part, PART_MESSAGE: it cannot go on. The last there is.
 *   OUTPUT     struct about and parts, PART_STDOUT and PART_STDERR: what the program
 *              of a streamed run has written, in its order. Before the RESULT, which
 *              has none of it. All together have at most as many bytes as RUN and
 *              CREDIT allow, and PROTOCOL_REST_MAX: what is left when the program
 *              has ended comes at once.
 *   SAVED      struct saved and the bytes that the session's state has become
 *              longer by, or a part, PART_MESSAGE. Once after a RESULT that says that
 *              the session goes on, before the IDLE. A RESULT that says how much it
 *              is at most goes ahead, so that nobody waits for what can be done later.
 *
 * Sessions: a RUN may be an exec of one (run.session). Its state, a delta (delta.h),
 * is the first part of the RUN, PART_STATE, and comes back with SAVED; in between the
 * front end has it, as bytes that it does not look into. The state goes by the
 * channel as all else does, so that a worker needs no descriptor that comes later:
 * what has been sent is the front end's own copy, which nobody can edit afterwards.
 * A worker that has had nothing else since it has saved a state is told to go on with
 * that (run.stayed), and answers RESULT_AWAY when it has renewed its VM meanwhile.
 *
 * Several runs with a common beginning: one RUN (run.session RUN_BEGINNING) stops when
 * its program asks for standard input, which its RESULT says, and is SAVED like an exec.
 * Each of the others (RUN_BRANCH) goes on from that state with its own standard input. A
 * worker whose last RUN was the beginning, or a branch, has the state: RUN_AGAIN is the
 * same without it, and where it has gone meanwhile the RESULT is RESULT_AWAY, too.
 *
 * Whoever sends anything else (a kind that is not in use, the other side's, out
 * of its state or its bounds, parts that do not fill the message) has broken the
 * protocol. That costs the worker: the front end kills it and says so in the log
 * once; a worker ends by itself. A worker also ends, in the middle of a run too,
 * when the channel is closed.
 */
#ifndef ZEROBOOT_PROTOCOL_H
#define ZEROBOOT_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_REQUEST_MAX (32u << 20)  /* bytes of a request's parts, and */
#define PROTOCOL_HEADS_MAX (2u << 20)     /* of their heads and names */
#define PROTOCOL_FILES_MAX (32u << 20)    /* of files that a run returns */
#define PROTOCOL_NAME_MAX 4095            /* bytes of a part's name */
#define PROTOCOL_ENTRIES_MAX (448u << 10) /* of a directory's entries */
#define PROTOCOL_FILES 64                 /* that a result has, and */
#define PROTOCOL_LEFT_OUT_MAX 8 /* files that a result names as left out */
#define PROTOCOL_OUTPUT_MAX ((1u << 20) + 4096) /* of stdout, of stderr */
#define PROTOCOL_TEXT_MAX 512                   /* of a message for people */
#define PROTOCOL_VALUE_MAX (64u << 10)          /* of an exec's value */
/* Bytes of pages that a session may have, and of its state: see delta_most(). */
#define PROTOCOL_PAGES_MAX (256u << 20)
#define PROTOCOL_STATE_MAX (3 * PROTOCOL_PAGES_MAX + (1u << 20))
#define PROTOCOL_STATE_SPARE (64u << 10)
#define PROTOCOL_STATE_SEGMENTS 256 /* of it */
#define PROTOCOL_UNSURE UINT64_MAX

#define PROTOCOL_PIECE_MAX (32u << 10) /* of an OUTPUT */
#define PROTOCOL_REST_MAX (192u << 10) /* of those after the end */

enum protocol_side { FROM_FRONT_END, FROM_WORKER };

enum message_kind {
	MESSAGE_RUN = 1,
	MESSAGE_TRAIN,
	MESSAGE_CANCEL,
	MESSAGE_INTERRUPT,
	MESSAGE_CREDIT,
	MESSAGE_READY,
	MESSAGE_RESULT,
	MESSAGE_IDLE,
	MESSAGE_WARM,
	MESSAGE_FAILED,
	MESSAGE_OUTPUT,
	MESSAGE_SAVED,
	MESSAGE_KINDS
};

struct message {
	uint32_t kind; /* enum message_kind */
	uint32_t size; /* bytes that follow, a multiple of 8 */
};

struct run {
	uint64_t id;      /* cannot be guessed: no RESULT is there before it */
	uint64_t sent_ns; /* CLOCK_MONOTONIC: when it was sent */
	uint32_t timeout_ms;   /* from entering the guest */
	uint32_t output_limit; /* bytes kept of stdout, of stderr */
	uint32_t memory_mb;    /* that the program may use; 0: all */
	uint32_t stream; /* bytes of OUTPUT that may come; 0: it is not streamed */
	uint32_t outputs_limit; /* bytes of files that are returned */
	uint32_t session; /* RUN_SESSION_*, RUN_*; 0: it begins and ends by itself */
	uint64_t state_limit; /* bytes that the session's pages may have */
	uint64_t stayed;      /* the run that has saved the state, or 0 */
	uint64_t spent_ns, spent_cpu_ns; /* before it was branched off */
	uint32_t grace_ms; /* at timeout_ms the program gets SIGINT, and so long
			    * after that; 0: it is cut off at once */
	uint32_t look;     /* 1: what it does to its session is not kept */
	uint32_t settle; /* 1: an exec without parts, or a first one with code that is
			  * empty: what is SAVED is a template, and the session stays
			  * as it was */
	uint32_t reserved;
};

#define RUN_SESSION_FIRST 1u  /* exec of its session: there is no state yet */
#define RUN_SESSION_STAYED 2u /* the state is as run.stayed has saved it */
#define RUN_SESSION_NEXT 3u   /* with PART_STATE */
#define RUN_SESSION_FORKED                                                     \
	4u               /* the same; it was forked and has not run since */
#define RUN_BEGINNING 5u /* of several runs */
#define RUN_BRANCH 6u    /* one of them: PART_STATE, PART_STDIN, PART_OUTPUT */
#define RUN_AGAIN 7u     /* the same, from the state that is there */
#define RUN_SESSIONS 8u

static inline bool run_has_state(uint32_t session)
{
	return session == RUN_SESSION_NEXT || session == RUN_SESSION_FORKED ||
	       session == RUN_BRANCH;
}

/* An exec of a session that has begun. */
static inline bool run_is_next(uint32_t session)
{
	return session >= RUN_SESSION_STAYED && session <= RUN_SESSION_FORKED;
}

struct about { /* a run */
	uint64_t id;
};

struct interrupt {
	uint64_t id;
	uint32_t signal; /* 1 to 31 */
	uint32_t reserved;
};

struct credit {
	uint64_t id;
	uint32_t bytes;
	uint32_t reserved;
};

/* How the VM became what it is. */
struct renewal {
	uint32_t warm;      /* 1: the VM is trained */
	uint32_t discarded; /* enum recycle_result: why the VM before it had to
			     * go; 0: it did not. Told once */
	uint32_t us;        /* for it */
	uint32_t reserved;
};

enum result_status {
	RESULT_DONE,    /* the program ended; exit_code is valid */
	RESULT_TIMEOUT, /* cut off by timeout_ms; output so far is valid */
	RESULT_FAULT,   /* the VM failed; PART_MESSAGE says how */
	RESULT_REFUSED, /* it cannot be run as it is; PART_MESSAGE says why */
	RESULT_CANCELLED,
	RESULT_STALE, /* the session's state is none; PART_MESSAGE says why */
	RESULT_AWAY, /* of RUN_SESSION_STAYED, RUN_AGAIN: it is not here; nothing was
		      * run */
	RESULT_ASKS, /* a beginning is over: SAVED follows */
	RESULT_STATUSES
};

struct result {
	uint64_t id;
	uint32_t status;       /* enum result_status */
	uint32_t exit_code;    /* 0-255; if it was refused, the errno of a file
				* or 1 */
	uint32_t recycled;     /* 1: the VM had run before */
	uint32_t kept;         /* 1: the same VM is to be used again */
	struct renewal before; /* the one before the run */
	uint64_t fork_ns;      /* from sent_ns to a VM that runs it */
	uint64_t exec_ns; /* from entering the guest to the program's end */
	uint64_t exits;   /* VM exits of this run */
	uint32_t ended;   /* enum result_end */
	uint32_t cut; /* RESULT_CUT_*: of what was written some is missing */
	uint32_t left_out; /* files that were, beside those that are named */
	uint32_t alive;    /* 1: the session's program goes on: SAVED follows */
	uint64_t cpu_ns;   /* of all processes */
	uint64_t memory;   /* bytes in use, at most */
	uint64_t calls;    /* system calls */
	uint32_t overran;  /* 1: its time was over, and it got SIGINT */
	uint32_t reserved;
	uint64_t state_most; /* of one that is alive: bytes that SAVED adds to its
			      * state at most; PROTOCOL_UNSURE: it may also fail */
};

enum result_end { ENDED_EXIT, ENDED_SIGNAL, ENDED_MEMORY, RESULT_ENDS };
#define RESULT_CUT_STDOUT 1u
#define RESULT_CUT_STDERR 2u
#define RESULT_CUT_VALUE 4u
#define RESULT_CUTS 7u /* all of them */

struct saved {
	uint64_t id;     /* of the run */
	uint32_t status; /* enum saved_status */
	uint32_t whole;  /* 1: what was kept before is not needed any more */
};

enum saved_status {
	SAVED_DONE,
	SAVED_FULL,   /* it is larger than state_limit allows */
	SAVED_FAILED, /* PART_MESSAGE says why */
	SAVED_STATUSES
};

/* The kinds of a request are those of guest/abi.h. */
enum part_kind {
	PART_CODE = 1, /* one in each RUN but a branch; of a session that has
			* begun there may be none */
	PART_STDIN,
	PART_ARGUMENT,
	PART_ENVIRONMENT, /* name=value */
	PART_FILE,        /* name: its path */
	PART_OUTPUT,      /* name: a path or pattern of files to return */
	PART_LOOK,        /* name: a file to return, or a directory to list */
	PART_REMOVE,      /* name: a file that is to go */
	PART_STATE,       /* of a session: not for the guest */
	/* of a worker */
	PART_STDOUT,
	PART_STDERR,
	PART_MESSAGE,  /* for people, with a NUL at its end */
	PART_TEXT,     /* a file, name: its path; UTF-8, or */
	PART_BYTES,    /* any bytes */
	PART_LEFT_OUT, /* name: of a file that is not returned */
	PART_VALUE,    /* of a session's exec, as text */
	PART_ENTRIES,  /* of a directory: struct entry and names */
	PART_KINDS
};

/* The head of a part; its name and its data follow, each padded to 8 bytes. */
struct part {
	uint32_t kind; /* enum part_kind */
	uint32_t name_size;
	uint64_t size;
};

/* Of a directory; the name follows, padded to 8 bytes. */
struct entry {
	uint64_t size; /* of a file */
	uint32_t name_size;
	uint32_t kind; /* ENTRY_* */
};
#define ENTRY_FILE 2
#define ENTRY_DIRECTORY 3
#define ENTRY_LINK 4
#define ENTRY_OTHER 5

#define PADDED(size) (((size) + 7) & ~(size_t)7)

/* One that was taken from a message, in place. */
struct part_view {
	uint32_t kind;
	const char *name, *data;
	size_t name_size, size;
};

/*
 * Looks at what has come, aligned to 8 bytes. 1: it starts with a whole message,
 * *m, its kind and size as they should be for the side it comes from; 0: it is
 * not all there, its first *want bytes would be more; -EPROTO.
 */
int message_look(const void *data, size_t size, enum protocol_side from,
		 struct message *m, size_t *want);

/*
 * Takes the part at *at out of the message that ends at end, both aligned. 1;
 * 0: there is none left; -EPROTO: not a part, or one that is not in use.
 */
int part_take(const char **at, const char *end, enum protocol_side from,
	      struct part_view *p);

/* Bytes that a session's state may have, with so many of pages: a RUN carries no
 * more, and with SAVED it becomes no more. */
static inline size_t protocol_state_most(size_t pages)
{
	return 3 * pages + PROTOCOL_STATE_SPARE;
}

/* Bytes that a part without a name takes in a message. */
static inline size_t part_room(size_t size)
{
	return sizeof(struct part) + PADDED(size);
}

#endif
