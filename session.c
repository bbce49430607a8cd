#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "delta_segment.h"
#include "derived.h"
#include "loop.h"
#include "metrics.h"
#include "origin.h"
#include "session_exec.h"

#define BUCKETS 4096u
#define TICK_MOST 256   /* sessions that are looked at in a tick, */
#define SLICE_NS 300000 /* and no longer than this at a time */

static struct {
	struct session *table[BUCKETS];
	struct session *newest, *oldest;
	struct session *looked; /* where session_tick goes on */
	unsigned count;
	uint64_t made, forked, expired;
} all;

int session_open(const struct session_options *o, int epoll, struct err *e)
{
	session_limits_set(&o->limits);
	derived_open(o->templates, o->host, epoll);
	return o->directory ?
		       session_store_open(o->directory, o->host, epoll, e) :
		       0;
}

void session_close(void)
{
	session_store_close();
}

/* FNV-1a. */
static struct session **bucket(const char *id, size_t size)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (uint8_t)id[i]) * 16777619u;
	return &all.table[hash % BUCKETS];
}

/* ---- those that there are ---- */

static void put_in(struct session *s)
{
	struct session **b = bucket(s->id, ID_SIZE - 1);

	s->chained = *b;
	*b = s;
	s->older = all.newest;
	if (all.newest)
		all.newest->newer = s;
	all.newest = s;
	if (!all.oldest)
		all.oldest = s;
	s->elder = s->share->newest;
	if (s->elder)
		s->elder->younger = s;
	s->share->newest = s;
	s->share->sessions++;
	all.count++;
}

static void take_out(struct session *s)
{
	struct session **at = bucket(s->id, ID_SIZE - 1);

	while (*at != s)
		at = &(*at)->chained;
	*at = s->chained;
	*(s->newer ? &s->newer->older : &all.newest) = s->older;
	*(s->older ? &s->older->newer : &all.oldest) = s->newer;
	if (all.looked == s)
		all.looked = s->newer;
	*(s->younger ? &s->younger->elder : &s->share->newest) = s->elder;
	if (s->elder)
		s->elder->younger = s->younger;
	s->share->sessions--;
	all.count--;
}

unsigned session_count(void)
{
	return all.count;
}

void session_touch(struct session *s)
{
	s->used = loop_clock(clock_mono());
}

void session_use(struct session *s)
{
	s->used_ns = clock_wall();
	session_touch(s);
	session_store_used(s);
}

/* id: NULL: a new one. */
static struct session *make(const char *id, uint64_t owner, int language)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->share = share_of(owner);
	if (!s->share) {
		free(s);
		return NULL;
	}
	if (id)
		memcpy(s->id, id, ID_SIZE);
	else
		id_make(s->id);
	s->language = language;
	derived_hold(language);
	session_use(s);
	s->created_ns = s->used_ns;
	put_in(s);
	all.made += !id;
	return s;
}

int session_add(struct session *s, struct segment *segment, bool whole)
{
	segment_charge(segment, s->share);
	return state_add(&s->state, segment, whole);
}

static int keep_first(struct session *s, struct parts *first)
{
	struct segment *segment;

	if (!first->size)
		return 0;
	segment = segment_make(first->data, first->room, first->data,
			       first->size);
	*first = (struct parts){ 0 };
	return segment ? session_add(s, segment, true) : -ENOMEM;
}

static void set_origin(struct session *s, const char *template)
{
	origin_drop(s->origin);
	s->origin = origin_of(template, session_language(s));
}

void session_expect_origin(struct session *s, int crew)
{
	const char *template = catalog_crew(crew)->template;

	if (!s->begun && session_store_is_on() && template[0])
		set_origin(s, template);
}

void session_note_origin(struct session *s)
{
	const struct iovec *first = s->state.pieces;
	struct delta_segment head;

	if (!session_store_is_on() || first->iov_len < sizeof(head))
		return;
	memcpy(&head, first->iov_base, sizeof(head));
	if (origin_is_known(head.template))
		set_origin(s, head.template);
}

struct session *session_make(uint64_t owner, int language, struct parts *first)
{
	struct session *s = make(NULL, owner, language);

	if (s && keep_first(s, first)) {
		session_delete(s);
		return NULL;
	}
	if (!s)
		return NULL;
	/* A template may be deleted before it has run: it goes on. */
	if (catalog_crew(language)->derived)
		session_expect_origin(s, language);
	session_store_changed(s);
	return s;
}

/* A text of a file, for good: answers that tell of a session outlive it. There are few
 * different ones. */
static const char *keep_text(const char *text)
{
	static struct kept {
		struct kept *next;
		char text[];
	} * first;
	size_t size = strlen(text) + 1;
	struct kept *k = first;

	while (k && strcmp(k->text, text))
		k = k->next;
	if (k)
		return k->text;
	k = malloc(sizeof(*k) + size);
	if (!k)
		return "unknown";
	memcpy(k->text, text, size);
	k->next = first;
	first = k;
	return k->text;
}

struct session *session_find_again(const char *id, uint64_t owner)
{
	return make(id, owner, -1);
}

void session_name_language(struct session *s, const char *name)
{
	if (s->language < 0)
		s->called = keep_text(name);
}

void session_find_language(struct session *s)
{
	if (s->language < 0 && s->called)
		s->language =
			derived_again(s->share->owner, s->called, s->origin);
}

void session_end_as(struct session *s, const char *why)
{
	s->ended = keep_text(why);
}

void session_find_languages(void)
{
	for (struct session *s = all.oldest; s; s = s->newer)
		session_find_language(s);
}

const char *session_language(const struct session *s)
{
	return s->language >= 0 ? catalog_name(s->language) :
	       s->called        ? s->called :
				  "";
}

bool session_is_away(const struct session *s)
{
	return s->stored.away || s->running || s->lost;
}

bool session_is_running(const struct session *s)
{
	return s->running && !s->saving;
}

size_t session_size(const struct session *s)
{
	return s->stored.away ? s->stored.size : s->state.size;
}

struct session *session_find(const char *id, size_t size, uint64_t owner)
{
	struct session *s = size == ID_SIZE - 1 ? *bucket(id, size) : NULL;

	while (s && memcmp(s->id, id, size))
		s = s->chained;
	return s && s->share->owner == owner ? s : NULL;
}

struct session *session_fork(struct session *s)
{
	struct session *copy = session_is_away(s) ?
				       NULL :
				       make(NULL, s->share->owner, s->language);

	session_use(s);
	if (!copy)
		return NULL;
	session_name_language(copy, session_language(s));
	copy->origin = origin_copy(s->origin);
	copy->state = state_copy(&s->state);
	copy->idle_seconds = s->idle_seconds;
	copy->on_timeout = s->on_timeout;
	copy->begun = copy->forked = s->begun;
	all.forked++;
	session_store_changed(copy);
	return copy;
}

bool session_fork_many(struct session *s, struct session **made, uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		made[n] = session_fork(s);
		if (made[n])
			continue;
		while (n)
			session_delete(made[--n]);
		return false;
	}
	return true;
}

static void drop(struct session *s)
{
	session_store_forget(s);
	session_let_go(s);
	take_out(s);
	state_drop(&s->state);
	share_drop(s->share);
	origin_drop(s->origin);
	derived_leave(s->language);
	free(s);
}

struct session *session_newest(uint64_t owner)
{
	const struct share *share = share_find(owner);

	return share ? share->newest : NULL;
}

struct session *session_next(const struct session *s)
{
	return s->elder;
}

void session_delete(struct session *s)
{
	s->deleted = true;
	if (s->pins)
		return;
	session_end_execs(s);
	drop(s);
}

void session_refuse_waiting(void)
{
	for (struct session *s = all.oldest, *next; s; s = next) {
		next = s->newer;
		session_refuse(s);
	}
}

/* ---- time ---- */

void session_tick(uint64_t now)
{
	uint64_t clock = loop_clock(now), until;

	session_store_tick(now);
	derived_tick(now);
	until = clock_mono() + SLICE_NS;
	for (int i = 0; i < TICK_MOST && clock_mono() < until; i++) {
		struct session *s = all.looked ? all.looked : all.oldest;

		if (!s)
			return;
		all.looked = s->newer;
		session_store_mark(s);
		if (!s->running && !s->waiting && s->idle_seconds &&
		    clock > s->used + s->idle_seconds * 1000000000ull) {
			all.expired++;
			drop(s);
		}
		if (!all.looked)
			return;
	}
}

void session_metrics(struct text *t)
{
	metrics_value(t, "zeroboot_sessions", "gauge", all.count,
		      "Sessions that there are.");
	metrics_value(t, "zeroboot_sessions_bytes", "gauge", state_total(),
		      "Memory of their states, and of templates made of them.");
	metrics_value(t, "zeroboot_sessions_made_total", "counter", all.made,
		      "Sessions made, forks among them.");
	metrics_value(t, "zeroboot_sessions_forked_total", "counter",
		      all.forked, "Sessions made by forking others.");
	metrics_value(t, "zeroboot_sessions_expired_total", "counter",
		      all.expired,
		      "Sessions deleted because nobody used them.");
	session_exec_metrics(t);
	session_store_metrics(t);
	derived_metrics(t);
}
