#include "session_store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive.h"
#include "catalog.h"
#include "clock.h"
#include "derived.h"
#include "discard.h"
#include "guest/abi.h"
#include "log.h"
#include "loop.h"
#include "metrics.h"
#include "origin.h"
#include "session.h"
#include "session_exec.h"

#define SETTLE_NS 200000000ull /* from a change to its writing; and, of what */
#define COST 8                 /* takes long, so many times that */
#define AGAIN_NS 2000000000ull /* after the disk has refused one */
#define LOOKS 1024             /* sessions that are looked at for one */
#define ASKED 16               /* keys of them that have no room */
#define COMPLAINTS 10          /* about files, at a start */
#define END_TRIES 3            /* that fail, and the rest is lost at an end */
#define END_NS 15000000000ull  /* in which none is written, and so, too */
#define TOUCH_NS 5000000000ull /* between two marks that it was used */

struct list {
	struct session *first, *last;
	size_t count;
};

static struct {
	bool on;
	struct list lists[STORED_LISTS];
	struct session *writing;  /* NULL: it is deleted, or none is */
	struct derived *template; /* that is being written, the same */
	struct session *reading;
	char written_id[ID_SIZE];
	uint64_t begun;      /* what is being written */
	uint64_t not_before; /* the next one */
	bool refused;        /* the last one was */
	bool hurry;  /* memory is wanted, or it is the end: all are due */
	size_t held; /* see session_store_held */
	size_t there, away;
	unsigned complaints;
	uint64_t well; /* writes that the disk has taken, of templates, too */
	uint64_t written, failed, read, damaged;
} store;

bool session_store_is_on(void)
{
	return store.on;
}

size_t session_store_held(void)
{
	return store.held;
}

/* ---- lists ---- */

static void take_out(struct session *s)
{
	struct stored *t = &s->stored;
	struct list *l = &store.lists[t->list];

	if (t->list == STORED_NOWHERE)
		return;
	*(t->before ? &t->before->stored.after : &l->first) = t->after;
	*(t->after ? &t->after->stored.before : &l->last) = t->before;
	t->before = t->after = NULL;
	t->list = STORED_NOWHERE;
	l->count--;
}

static void append(struct session *s, enum stored_list to)
{
	struct stored *t = &s->stored;
	struct list *l = &store.lists[to];

	take_out(s);
	t->list = to;
	t->before = l->last;
	*(l->last ? &l->last->stored.after : &l->first) = s;
	l->last = s;
	l->count++;
}

/* ---- writing ---- */

static void fill(struct session_record *r, const struct session *s)
{
	*r = (struct session_record){
		.magic = RECORD_MAGIC,
		.version = RECORD_VERSION,
		.abi_version = ZB_ABI_VERSION,
		.size = s->state.size,
		.owner = s->share->owner,
		.created_ns = s->created_ns,
		.used_ns = s->used_ns,
		.runs = s->runs,
		.idle_seconds = s->idle_seconds,
		.flags = (s->on_timeout == OVERRUN_ROLLBACK ? RECORD_ROLLBACK :
			  s->on_timeout == OVERRUN_INTERRUPT ?
							      RECORD_INTERRUPT :
							      0) |
			 (s->begun ? RECORD_BEGUN : 0) |
			 (s->forked ? RECORD_FORKED : 0),
	};
	memcpy(r->id, s->id, ID_SIZE);
	snprintf(r->language, sizeof(r->language), "%s", session_language(s));
	snprintf(r->ended, sizeof(r->ended), "%s", s->ended ? s->ended : "");
	if (!s->origin)
		return;
	memcpy(r->template, origin_name(s->origin), sizeof(r->template));
	snprintf(r->name, sizeof(r->name), "%s", origin_language(s->origin));
}

static void put_unsaved(struct session *s, uint64_t now)
{
	if (s->stored.left)
		return;
	s->stored.due = now + SETTLE_NS + COST * s->stored.cost;
	append(s, STORED_UNSAVED);
}

void session_store_changed(struct session *s)
{
	if (!store.on)
		return;
	if (s == store.writing)
		s->stored.changed = true;
	else if (s->stored.list != STORED_UNSAVED)
		put_unsaved(s, clock_mono());
}

void session_store_leave(struct session *s)
{
	s->stored.left = true;
	s->stored.changed = false;
	if (s->stored.list != STORED_NOWHERE)
		take_out(s);
}

bool session_store_has(const struct session *s)
{
	return s->stored.there && s->stored.list != STORED_UNSAVED &&
	       !s->stored.writing;
}

/* On the disk and in memory. */
static void put_spare(struct session *s)
{
	if (s->state.size)
		append(s, STORED_SPARE);
}

static void complain(int r)
{
	store.failed++;
	store.not_before = clock_mono() + AGAIN_NS;
	if (!store.refused)
		log_event("warning",
			  "sessions cannot be written, and stay in memory: %s",
			  strerror(-r));
	store.refused = true;
}

static void write_next(uint64_t now);
static void read_next(void);

/* The disk has taken what was written. */
static void go_well(void)
{
	store.well++;
	if (store.refused)
		log_event("info", "sessions are written again");
	store.refused = false;
	store.not_before = 0;
}

static void note_written(struct session *s, uint64_t now)
{
	store.written++;
	go_well();
	store.there += !s->stored.there;
	s->stored.there = true;
	s->stored.size = s->state.size;
	s->stored.cost = now - store.begun;
	s->stored.touched = s->used;
}

bool session_store_works(void)
{
	return store.on && !store.refused;
}

bool session_store_is_behind(void)
{
	if (!session_store_works() ||
	    (!store.lists[STORED_UNSAVED].count && !store.writing))
		return false;
	store.hurry = true;
	write_next(clock_mono());
	return true;
}

static void written(int r)
{
	struct session *s = store.writing;
	struct derived *d = store.template;
	uint64_t now = clock_mono();

	store.writing = NULL;
	store.template = NULL;
	if (s)
		s->stored.writing = false;
	if (d) {
		d->saved = r == 0;
		if (r)
			complain(r);
		else
			go_well();
	} else if (!s) {
		archive_remove(store.written_id);
	} else if (r) {
		complain(r);
		put_unsaved(s, now);
	} else {
		bool changed = s->stored.changed;

		note_written(s, now);
		if (changed)
			put_unsaved(s, now);
		else
			put_spare(s);
	}
	write_next(now);
	read_next();
	session_go_on();
}

/* One that is due. Of many some are looked at. */
static struct session *find_due(uint64_t now)
{
	struct session *s = store.lists[STORED_UNSAVED].first;

	if (store.hurry)
		return s;
	for (int i = 0; s && i < LOOKS && now < s->stored.due; i++)
		s = s->stored.after;
	return s && now >= s->stored.due ? s : NULL;
}

static void write_one(struct session *s, uint64_t now)
{
	struct session_record record;
	int r;

	take_out(s);
	fill(&record, s);
	memcpy(store.written_id, s->id, ID_SIZE);
	store.writing = s;
	store.begun = now;
	store.hurry = false;
	s->stored.writing = s->stored.tried = true;
	s->stored.changed = false;
	r = archive_write(&record, &s->state);
	if (r == 0)
		return;
	store.writing = NULL;
	s->stored.writing = false;
	complain(r);
	put_unsaved(s, now);
}

/* There are few of them, and nobody changes one. */
static void write_template(struct derived *d)
{
	const struct state none = { 0 };
	struct session_record record;
	int r;

	derived_fill(d, &record);
	memcpy(store.written_id, d->id, ID_SIZE);
	store.template = d;
	r = archive_write(&record, &none);
	if (r == 0)
		return;
	store.template = NULL;
	complain(r);
}

static void write_next(uint64_t now)
{
	struct derived *d;
	struct session *s;

	if (!store.on || archive_is_writing() || now < store.not_before)
		return;
	d = derived_unsaved();
	if (d) {
		write_template(d);
		return;
	}
	s = find_due(now);
	if (s)
		write_one(s, now);
}

/* ---- memory ---- */

void session_store_used(struct session *s)
{
	if (s->stored.list == STORED_SPARE)
		append(s, STORED_SPARE);
}

/* shared: with others, too: only the last of them frees anything, and none of them
 * shares it any more when it comes back. */
static struct session *find_spare(const struct share *of, bool shared)
{
	struct session *s = store.lists[STORED_SPARE].first;

	for (int i = 0; s && i < LOOKS; i++, s = s->stored.after)
		if (!s->running && !s->waiting && (!of || s->share == of) &&
		    (shared || !state_is_shared(&s->state)))
			return s;
	return NULL;
}

bool session_store_evict(const struct share *of)
{
	struct session *s = find_spare(of, false);

	if (!s)
		s = find_spare(of, true);
	if (!s)
		return false;
	take_out(s);
	state_drop(&s->state);
	s->stored.away = true;
	store.away++;
	return true;
}

/* ---- reading ---- */

/* What has come is what was written of this session. */
static bool is_of(const struct session *s, const struct session_record *r)
{
	return !strcmp(r->id, s->id) && r->owner == s->share->owner &&
	       r->size == s->stored.size &&
	       (r->flags & RECORD_BEGUN) == (s->begun ? RECORD_BEGUN : 0) &&
	       /* Before that it may expect one by now which its file has not. */
	       (!s->begun || !s->origin ||
		!memcmp(r->template, origin_name(s->origin),
			sizeof(r->template)));
}

static int take_state(struct session *s, char *payload, size_t size)
{
	const size_t head = sizeof(struct session_record);
	struct segment *segment =
		segment_make(payload, size, payload + head, size - head);

	if (!segment)
		return -ENOMEM;
	segment_charge(segment, s->share);
	return state_add(&s->state, segment, true);
}

static void fetched(struct session *s, int r)
{
	if (r == 0) {
		s->stored.away = false;
		store.away--;
		store.read++;
		put_spare(s);
	} else if (r == -EILSEQ || r == -ESTALE || r == -ENOENT) {
		store.damaged++;
		log_event("warning", "session %s: its file %s", s->id,
			  r == -EILSEQ ? "is damaged" :
			  r == -ESTALE ? "is of another session" :
					 "is gone");
		session_end_as(s, "the session's file is damaged");
		r = 0;
	}
	session_fetched(s, r);
}

static void have_read(int r, char *payload, size_t size)
{
	struct session *s = store.reading;

	store.reading = NULL;
	store.held = 0;
	if (!s || (r == 0 && !is_of(s, (const void *)payload))) {
		discard(payload, size);
		r = -ESTALE;
	} else if (r == 0) {
		r = take_state(s, payload, size);
	}
	if (s)
		fetched(s, r);
	read_next();
}

/* One that may be read now, or never: *r. Those of a key that has no room do not keep
 * others from it. */
static struct session *find_wanted(int *r)
{
	struct session *s = store.lists[STORED_WANTED].first;
	const struct share *full = NULL;
	int asked = 0;

	for (int i = 0; s && i < LOOKS; i++, s = s->stored.after) {
		if (s->share == full)
			continue;
		*r = session_may_hold(s, s->stored.size);
		if (*r != -EAGAIN)
			return s;
		full = s->share;
		if (++asked == ASKED)
			return NULL;
	}
	return NULL;
}

static void read_next(void)
{
	struct session *s;
	int r;

	while (!archive_is_reading() && (s = find_wanted(&r))) {
		take_out(s);
		if (r == 0) {
			store.reading = s;
			store.held = s->stored.size;
			r = archive_read(s->id, s->stored.size);
		}
		if (r == 0)
			continue;
		store.reading = NULL;
		store.held = 0;
		session_fetched(s, r);
	}
}

void session_store_fetch(struct session *s)
{
	if (s == store.reading || s->stored.list == STORED_WANTED)
		return;
	append(s, STORED_WANTED);
	read_next();
}

void session_store_forget(struct session *s)
{
	take_out(s);
	store.away -= s->stored.away;
	store.there -= s->stored.there;
	if (s == store.reading)
		store.reading = NULL;
	if (s == store.writing)
		store.writing = NULL; /* removed when it is there */
	else if (s->stored.there || s->stored.tried)
		archive_remove(s->id);
}

void session_store_forget_template(struct derived *d)
{
	if (d == store.template)
		store.template = NULL; /* removed when it is there */
	else if (d->origin)
		archive_remove(d->id); /* it may be there without being saved */
	d->saved = false;
}

/* ---- what there is at the start ---- */

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...);

static void say(const char *format, ...)
{
	struct err e;
	va_list list;

	store.damaged++;
	if (store.complaints++ >= COMPLAINTS)
		return;
	va_start(list, format);
	vsnprintf(e.text, sizeof(e.text), format, list);
	va_end(list);
	log_event("warning", "state: %s", e.text);
}

/* Its use is so old, by the time of day. */
static uint64_t age_of(const struct session_record *r, uint64_t touched)
{
	uint64_t now = clock_wall();

	if (touched < r->used_ns)
		touched = r->used_ns;
	return touched < now ? now - touched : 0;
}

static void restore(struct session *s, const struct session_record *r,
		    uint64_t age)
{
	s->language = catalog_find(r->language, strlen(r->language));
	s->idle_seconds = r->idle_seconds;
	s->on_timeout = r->flags & RECORD_ROLLBACK  ? OVERRUN_ROLLBACK :
			r->flags & RECORD_INTERRUPT ? OVERRUN_INTERRUPT :
						      OVERRUN_UNSAID;
	s->begun = r->flags & RECORD_BEGUN;
	s->forked = r->flags & RECORD_FORKED;
	s->runs = r->runs;
	s->created_ns = r->created_ns;
	s->used_ns = r->used_ns;
	/* It may lie before the clock's beginning: all of it is modulo 2^64. */
	s->used = loop_clock(clock_mono()) - age;
	s->stored.there = true;
	s->stored.touched = s->used;
	s->stored.size = r->size;
	s->stored.away = r->size > 0;
	store.there++;
	store.away += s->stored.away;
}

static bool found(const struct session_record *r, int problem, uint64_t touched,
		  const struct err *e)
{
	uint64_t age = problem ? 0 : age_of(r, touched);
	struct session *s;
	bool expected; /* it is of a template that is kept */

	if (problem) {
		say("%s; left as it is", e->text);
		return false;
	}
	if (r->flags & RECORD_TEMPLATE)
		return derived_found(r);
	if (r->idle_seconds && age > r->idle_seconds * 1000000000ull) {
		archive_remove(r->id);
		return true;
	}
	s = session_find_again(r->id, r->owner);
	expected = r->template[0] && !r->ended[0];
	if (s && expected)
		s->origin = origin_of(r->template,
				      r->name[0] ? r->name : r->language);
	if (!s || (expected && !s->origin)) {
		say("%s: no memory", r->id);
		if (s)
			session_delete(s);
		return false;
	}
	restore(s, r, age);
	session_name_language(s, r->language);
	if (r->ended[0])
		session_end_as(s, r->ended);
	else if (s->begun && r->abi_version != ZB_ABI_VERSION)
		session_end_as(s, "the session is of another version of the "
				  "server");
	return true;
}

int session_store_open(const char *directory, const char *host, int epoll,
		       struct err *e)
{
	const struct archive_events events = { written, have_read };
	int r = archive_open(directory, epoll, &events, e);

	if (r == 0)
		r = origin_open(directory, host, e);
	if (r)
		return r;
	store.on = true;
	r = archive_each(found);
	if (r) {
		/* Of no template is it known who is of it: all that is there stays. */
		store.on = false;
		return err_set(e, r, "state: %s: %s", directory, strerror(-r));
	}
	session_find_languages();
	if (store.complaints > COMPLAINTS)
		log_event("warning", "state: %u more files are of no use",
			  store.complaints - COMPLAINTS);
	if (store.there)
		log_event("info", "%zu sessions are there", store.there);
	return 0;
}

/* ---- time and end ---- */

void session_store_mark(struct session *s)
{
	uint64_t now = clock_mono();

	if (!s->stored.there || s == store.writing ||
	    (int64_t)(s->used - s->stored.touched) < (int64_t)TOUCH_NS)
		return;
	s->stored.touched = s->used;
	archive_touch(s->id, clock_wall() - (loop_clock(now) - s->used));
}

void session_store_tick(uint64_t now)
{
	if (!store.on)
		return;
	archive_tick();
	origin_tick(now);
	write_next(now);
	read_next();
	session_go_on();
}

static size_t unsaved(void)
{
	return store.lists[STORED_UNSAVED].count + (store.writing != NULL);
}

/* What can be written still, or is just being kept to be. */
static bool is_unsaved(void)
{
	return unsaved() || derived_unsaved() || archive_is_writing() ||
	       origin_is_busy();
}

/* Writes all, unless the disk takes no more, or nothing for too long. True: it is
 * done with everything that it was given. */
static bool write_rest(void)
{
	uint64_t until = clock_mono() + END_NS, done = store.well;
	unsigned failed = 0;

	while (is_unsaved()) {
		uint64_t before = store.failed, now = clock_mono();

		if (store.well != done)
			until = now + END_NS;
		done = store.well;
		if (failed >= END_TRIES || now >= until)
			return now < until;
		store.not_before = 0;
		store.hurry = true;
		session_store_tick(now);
		archive_wait(20);
		failed += store.failed > before;
	}
	return true;
}

void session_store_close(void)
{
	bool answers;

	if (!store.on)
		return;
	answers = write_rest();
	if (unsaved())
		log_event("warning", "%zu sessions could not be written",
			  unsaved());
	if (derived_unsaved_count())
		log_event("warning",
			  "%u templates of sessions could not be written",
			  derived_unsaved_count());
	store.on = false;
	origin_close();
	archive_close(answers ? (int)(END_NS / 1000000) : 0);
}

void session_store_metrics(struct text *t)
{
	if (!store.on)
		return;
	metrics_value(t, "zeroboot_sessions_stored", "gauge", store.there,
		      "Sessions that have a file.");
	metrics_value(t, "zeroboot_sessions_away", "gauge", store.away,
		      "Sessions whose state is in their file only.");
	metrics_value(t, "zeroboot_sessions_unsaved", "gauge",
		      store.lists[STORED_UNSAVED].count + archive_is_writing() +
			      session_saving(),
		      "Sessions that are not on the disk as they are.");
	metrics_value(t, "zeroboot_sessions_unremoved", "gauge",
		      archive_unremoved(),
		      "Files that are to be removed and may be there still.");
	metrics_value(t, "zeroboot_sessions_written_total", "counter",
		      store.written, "Times that a session was written.");
	metrics_value(t, "zeroboot_sessions_write_failures_total", "counter",
		      store.failed,
		      "Times that a session could not be written.");
	metrics_value(t, "zeroboot_sessions_read_total", "counter", store.read,
		      "Times that a session came back from the disk.");
	metrics_value(t, "zeroboot_sessions_damaged_total", "counter",
		      store.damaged, "Files of sessions that are of no use.");
}
