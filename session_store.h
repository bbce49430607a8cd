/*
 * session_store.h: sessions of a server that are kept in a directory (--state): in
 * files (archive.h), with the templates that they are of (origin.h).
 *
 * A session is written a moment after what is to be kept of it has changed, whether it
 * is used or not: a server that is killed loses what the last moment has changed, and
 * a session is then as it was after an earlier exec. Beyond the memory that sessions
 * may have, those that are on the disk and were not used for longest are nowhere else
 * (*away*), and are read again when they are wanted. When the disk takes no more they
 * stay in memory, as without a directory.
 *
 * Templates that are made of sessions (derived.h) are kept, too: of each there is a file
 * that names it.
 */
#ifndef ZEROBOOT_SESSION_STORE_H
#define ZEROBOOT_SESSION_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "text.h"

struct derived;
struct session;
struct share;

enum stored_list {
	STORED_NOWHERE,
	STORED_UNSAVED, /* is to be written */
	STORED_SPARE,   /* is on the disk as it is in memory */
	STORED_WANTED,  /* is to be read */
	STORED_LISTS
};

/* What the store knows of a session. */
struct stored {
	struct session *before, *after; /* in its list: */
	enum stored_list list;
	bool there;       /* it has a file */
	bool tried;       /* or may have one: it was to be written */
	bool away;        /* its state is only there */
	bool writing;     /* it is being written, */
	bool changed;     /* and has changed meanwhile */
	bool left;        /* what there is of it on the disk stays as it is */
	size_t size;      /* of its state, in the file */
	uint64_t due;     /* when it is to be written; monotonic */
	uint64_t cost;    /* what that took, last time */
	uint64_t touched; /* its file's time; loop_clock */
};

/* Makes sessions of what is in the directory. 0 or -errno. */
int session_store_open(const char *directory, const char *host, int epoll,
		       struct err *e);
/* Writes what is not written yet, and lets go of the directory. */
void session_store_close(void);
bool session_store_is_on(void);

/* It is on the disk as it is now. */
bool session_store_has(const struct session *s);
/* What is to be kept of it is another one by now. */
void session_store_changed(struct session *s);
/* ... which is worth less than what is on the disk: that stays. */
void session_store_leave(struct session *s);
void session_store_used(struct session *s);
/* That somebody has asked for it is known after a restart, too; now and then. */
void session_store_mark(struct session *s);
/* It is being deleted. */
void session_store_forget(struct session *s);
void session_store_forget_template(struct derived *d);
/* One goes that is on the disk and was not used for longest, of that owner's or, NULL,
 * of all. False: there is none. */
bool session_store_evict(const struct share *of);
/* It takes what is written. */
bool session_store_works(void);
/* There is something that can be written, and then be evicted: it is, without delay. */
bool session_store_is_behind(void);
/* Bytes that are taken for what is being read. */
size_t session_store_held(void);
/* An away one comes back: session_fetched. */
void session_store_fetch(struct session *s);
void session_store_tick(uint64_t now);
void session_store_metrics(struct text *t);

#endif
