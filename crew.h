/*
 * crew.h: the worker processes of one language: started, chosen, ended, and how
 * many of them there should be. The first `minimum` are always kept; others are
 * added while no worker is free and another one would help, and go again when
 * they have had nothing to do. Part of the front end's event loop.
 *
 * A worker is trained (worker.h) when the crew says so, a few at a time, so that
 * a start of many does not keep the first request waiting; and only so many are
 * kept trained ahead of demand: that costs a VM three times the memory.
 */
#ifndef ZEROBOOT_CREW_H
#define ZEROBOOT_CREW_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"
#include "member.h"
#include "queue.h"
#include "stock.h"

/* The free ones of a kind, the next to be taken first. */
struct free_list {
	struct member *first, *last;
	unsigned count;
};

struct crew {
	char name[96], path[PATH_MAX]; /* name: in metrics and the log */
	char called[64];               /* by requests and answers */
	int language;                  /* its number: catalog.h */
	bool foreign;    /* its template may be of another zeroboot's making */
	bool derived;    /* it was made of a session */
	unsigned tenure; /* see catalog_tenure */
	bool off;        /* it has no workers, and wants none: crew_stop */
	char template[SHA256_HEX + 1]; /* its template's name, and */
	unsigned generation;           /* how often that has become another */
	int memory_mb;
	struct stock stock; /* what workers start from */
	struct queue queue;
	struct member *members; /* maximum of them */
	unsigned minimum, maximum;
	unsigned count[MEMBER_STATES], training;
	struct free_list free[4]; /* see crew.c */
	uint64_t load_ns; /* from a worker's start to its first VM, last time */
	uint64_t short_since; /* no worker was free, or runs waited; 0: neither */
	uint64_t run_begun, run_ended; /* when one did, last time */
	uint64_t served;               /* when there was last a worker */
	struct task filling;
	bool failed; /* the last start of one did */
	char complaint[PROTOCOL_TEXT_MAX];
	uint64_t complained;
};

/* For all crews: set before crew_open. */
struct crews {
	int epoll;
	unsigned cpus;
	const char *host;  /* of this host; see host.h */
	bool fresh;        /* VMs are used once */
	unsigned pages_mb; /* that a session may have */
	void (*ready)(struct watch *w, uint32_t events); /* of workers */
	void (*loaded)(struct stock *s), (*failed)(struct stock *s);
	void (*noted)(struct stock *s, const char *level);
	const struct stock_set *(*image)(const struct image_id *id);
	unsigned starting, training;
	uint64_t restarts;       /* workers that ended and were replaced */
	uint64_t added, removed; /* those beyond the minimum */
};
extern struct crews crews;

/* crew has its name and path; nothing is started yet. 0 or -ENOMEM. */
int crew_open(struct crew *c, unsigned minimum, unsigned maximum);
void crew_close(struct crew *c);
/* Ends its workers, which run nothing, and lets go of its template. Waits for nothing. */
void crew_stop(struct crew *c);
/* The last of these has ended, too, and what loaded it: crew_go_on can be called. */
bool crew_is_gone(const struct crew *c);
/* A crew once more, with another name and path, and the same members. */
void crew_go_on(struct crew *c);

/* Starts what is missing of the minimum, one in a turn of the loop, some at a
 * time. */
void crew_fill(struct crew *c);
/* How many are missing of the minimum. */
unsigned crew_missing(const struct crew *c);
/* One more worker, if the maximum allows it and not too many are starting. */
void crew_add(struct crew *c, uint64_t now);
/* Ends a worker that has been free for long and is not needed. */
void crew_shrink(struct crew *c, uint64_t now);
/* A free worker that is to be told to train now; NULL: none, or enough are warm. */
struct member *crew_train(struct crew *c);

/* The best free worker or NULL. */
struct member *crew_choose(const struct crew *c);
/* To another state, with what goes by it. */
void crew_move(struct member *m, enum member_state state, uint64_t now);
/* Whether its VM is trained; it is not being so any more. */
void crew_set_warm(struct member *m, bool warm);
/* It takes a run now, if not at once. */
bool crew_is_free(const struct member *m);
/* Its VMs are of a template that others have taken the place of. */
bool crew_is_outdated(const struct member *m);
/* How many do. */
unsigned crew_free(const struct crew *c);
/* There is a worker that has once been ready. */
bool crew_serves(const struct crew *c);
/* Kills the process; its job, if any, is the caller's matter. */
void crew_end(struct member *m);
/* Takes note of killed processes that are gone: until then their slots are not
 * used again. wait: for all workers. */
void crew_reap(struct crew *c, bool wait);
/* Does not answer though it should: is stopped, or starts, runs, renews its VM or
 * trains it for too long. */
bool crew_is_hung(const struct member *m, uint64_t now);
/* Says in the log why workers fail, without flooding it. */
void crew_complain(struct crew *c, const char *why);

/* Whether one more worker would help: for some time none was free, and there is
 * an idle CPU for it, or so long nothing has moved that sharing one is better. */
bool crew_is_short(const struct crew *c, bool idle_cpu, uint64_t now);

#endif
