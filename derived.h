/*
 * derived.h: templates that are made of sessions. One belongs to the key that made it,
 * which has it as a language of that name; nobody else knows of it. It is memory of the
 * server, counted as that of its owner's sessions is, and has a crew of its own in the
 * catalog.
 *
 * What a session has become when it has settled (run.settle) and the template that it is
 * of go to a process (load.h), which looks at all of it and writes another template. No VM
 * has to do with that: of what CPL0 uses nothing can be in a session's state (delta.h),
 * so it is in each as it was made of an image.
 *
 * With a directory for sessions (session_store.h) one outlives its server: all of it is
 * kept as a template that sessions are of (origin.h), and once that is there, a record
 * that names it (session_record.h). At a start it is a language again at once, and is
 * loaded behind those that are configured; what is of no use stays where it is, and says
 * why, until it is deleted.
 */
#ifndef ZEROBOOT_DERIVED_H
#define ZEROBOOT_DERIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "id.h"
#include "loop.h"
#include "state.h"
#include "text.h"

#define DERIVED_NAME 32 /* bytes of a name, at most */
#define DERIVED_MOST 16 /* that there may be, unless it is said */

struct derived {
	struct derived *next;
	struct share *share; /* its owner's */
	char name[DERIVED_NAME + 1];
	char base[64];    /* the language of the session */
	int language;     /* its number in the catalog; -1: it is of no use, */
	char why[256];    /* because of this, */
	bool again;       /* which is looked at anew when it is asked for */
	char id[ID_SIZE]; /* of its record */
	struct origin *origin; /* what is kept of it; NULL: nothing is */
	bool saved;            /* its record is on the disk */
	unsigned sessions;     /* that are of it */
	size_t size;           /* bytes of it */
	uint64_t created_ns;
	bool removed; /* nobody finds it; it goes when nothing is of it */
};

struct session_record;
struct making; /* one that is about to be */

/* most: that there may be. host: see host.h. */
void derived_open(unsigned most, const char *host, int epoll);
void derived_close(void);

/* Whether that can be a name. */
bool derived_is_name(const char *name, size_t size);
/* A language, or an owner's template, by its name: its number, or -1. */
int derived_language(uint64_t owner, const char *name, size_t size);
/* Why the template of that name is none; NULL: there is no such template. */
const char *derived_problem(uint64_t owner, const char *name, size_t size);
/* Why one is of no use; NULL: it is of use. */
const char *derived_why(const struct derived *d);
/* An owner's; NULL: there is none. */
struct derived *derived_find(uint64_t owner, const char *name, size_t size);
/* The newest of an owner that is behind that one, NULL: of all; NULL: there is none. */
const struct derived *derived_next(uint64_t owner, const struct derived *d);

/* Whether an owner may make one: 0; -EEXIST: a language or a template has the name;
 * -EAGAIN: there are too many, or too many are being made. */
int derived_check(uint64_t owner, const char *name);
/*
 * Makes one of what a session has become, which is taken, and the template of a crew. done
 * is called once, later: d, or NULL and why. NULL: -errno in *r, -ENOSPC: they would be
 * too large together. derived_forget: nobody waits for it any more.
 */
typedef void derived_done(void *context, const struct derived *d,
			  const char *why);
struct making *derived_make(uint64_t owner, const char *name, int crew,
			    struct state *state, derived_done *done,
			    void *context, int *r);
void derived_forget(struct making *m);
/* It is no language any more. What runs of it ends as it would; sessions go on. */
void derived_remove(struct derived *d);

/* A session is of that language; not any more. */
void derived_hold(int language);
void derived_leave(int language);

/* ---- for session_store.c ---- */

/* One that can be written and is not; NULL: none. It is not removed. */
struct derived *derived_unsaved(void);
/* How many are not on the disk; that can be written or not. */
unsigned derived_unsaved_count(void);
/* What is to be written of it. */
void derived_fill(const struct derived *d, struct session_record *r);
/* One that was found in the directory, whose record is good. It has no record any more
 * if another one has taken its name. False: no memory, or no name that one can have: the
 * record stays as it is. */
bool derived_found(const struct session_record *r);
/* The language of a session that was found: an owner's template by its name, and, NULL:
 * of any, what it is kept as. Its number, held, or -1. */
int derived_again(uint64_t owner, const char *name,
		  const struct origin *origin);

/* A process has ended. */
void derived_reap(void);
/* Those that nobody needs any more go; now and then. */
void derived_tick(uint64_t now);
void derived_metrics(struct text *t);

#endif
