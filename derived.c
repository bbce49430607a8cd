#include "derived.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth.h"
#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "delta_segment.h"
#include "guest/abi.h"
#include "jail.h"
#include "log.h"
#include "metrics.h"
#include "origin.h"
#include "session_limits.h"
#include "session_record.h"
#include "session_store.h"

#define MAKING_MOST 4
#define MAKING_NS 60000000000ull /* then its process hangs */
#define SPARE_NS 2000000000ull   /* without a run: a batch may go on with one */
#define PIECES 64                /* of a state, at a time */
#define PIPE_ROOM (1 << 20)

struct making {
	struct watch watch;  /* first: the state may be written */
	struct share *share; /* NULL: nothing is being made here */
	char name[DERIVED_NAME + 1];
	char base[64];
	bool foreign;
	struct stock_set set; /* the template, and its image */
	struct state state;
	size_t sent;   /* bytes of it */
	size_t charge; /* what the template may have */
	int pipe;      /* to the process; -1: all is sent */
	int words;     /* its last ones */
	pid_t pid;
	uint64_t started;
	derived_done *done; /* NULL: nobody waits for it */
	void *context;
};

static struct {
	unsigned most, count;
	const char *host;
	int epoll;
	struct derived *first; /* the newest */
	struct making making[MAKING_MOST];
	uint64_t made, failed;
} all;

void derived_open(unsigned most, const char *host, int epoll)
{
	all.most = most < CATALOG_DERIVED ? most : CATALOG_DERIVED;
	all.host = host;
	all.epoll = epoll;
}

/* ---- those that there are ---- */

bool derived_is_name(const char *name, size_t size)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz";
	static const char others[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	if (!size || size > DERIVED_NAME || !memchr(first, name[0], 26))
		return false;
	for (size_t i = 1; i < size; i++)
		if (!memchr(others, name[i], sizeof(others) - 1))
			return false;
	return true;
}

static bool is_named(const char *name, const char *text, size_t size)
{
	return strlen(name) == size && !memcmp(name, text, size);
}

static void go_on(struct derived *d);

/* One whose owner asks for it: what was in its way may be gone. */
static struct derived *look(struct derived *d)
{
	if (d && d->again)
		go_on(d);
	return d;
}

struct derived *derived_find(uint64_t owner, const char *name, size_t size)
{
	struct derived *d = all.first;

	while (d && (d->removed || d->share->owner != owner ||
		     !is_named(d->name, name, size)))
		d = d->next;
	return look(d);
}

const struct derived *derived_next(uint64_t owner, const struct derived *d)
{
	struct derived *next = d ? d->next : all.first;

	while (next && (next->removed || next->share->owner != owner))
		next = next->next;
	return look(next);
}

int derived_language(uint64_t owner, const char *name, size_t size)
{
	int language = catalog_find(name, size);
	const struct derived *d =
		language < 0 ? derived_find(owner, name, size) : NULL;

	return d && !derived_why(d) ? d->language : language;
}

const char *derived_why(const struct derived *d)
{
	const struct stock *s =
		d->language < 0 ? NULL : &catalog_crew(d->language)->stock;

	if (d->why[0])
		return d->why;
	/* Found out when it was loaded. */
	return s && s->useless && !stock_ready(s) ? "the template is damaged, "
						    "or was made on a CPU that "
						    "has "
						    "more" :
						    NULL;
}

const char *derived_problem(uint64_t owner, const char *name, size_t size)
{
	const struct derived *d = derived_find(owner, name, size);

	return d ? derived_why(d) : NULL;
}

static struct derived *of_language(int language)
{
	struct derived *d = all.first;

	while (d && d->language != language)
		d = d->next;
	return d;
}

void derived_hold(int language)
{
	struct derived *d = catalog_tenure(language) ? of_language(language) :
						       NULL;

	if (d)
		d->sessions++;
}

void derived_leave(int language)
{
	struct derived *d = catalog_tenure(language) ? of_language(language) :
						       NULL;

	if (d)
		d->sessions--;
}

void derived_remove(struct derived *d)
{
	d->removed = true;
	all.count -= d->language >= 0;
	session_store_forget_template(d);
	/* Sessions that are of it have it themselves. */
	origin_drop(d->origin);
	d->origin = NULL;
}

static void drop(struct derived **at)
{
	struct derived *d = *at;

	*at = d->next;
	if (d->language >= 0)
		catalog_release(d->language);
	share_discharge(d->share, d->size);
	share_drop(d->share);
	free(d);
}

/* Nobody can want it any more: it is about to go. */
static bool is_left(const struct derived *d)
{
	return d->removed && !d->sessions &&
	       (d->language < 0 || catalog_is_idle(d->language));
}

static bool is_over(const struct derived *d, uint64_t now)
{
	const struct crew *c = d->language < 0 ? NULL :
						 catalog_crew(d->language);
	uint64_t last = !c                          ? 0 :
			c->run_begun > c->run_ended ? c->run_begun :
						      c->run_ended;

	return is_left(d) && (!c || now >= last + SPARE_NS);
}

/* ---- making one ---- */

/* A place for one more, or NULL. */
static struct making *find_free(void)
{
	for (int i = 0; i < MAKING_MOST; i++)
		if (!all.making[i].share)
			return &all.making[i];
	return NULL;
}

/* Whether an owner may have one more. */
static bool has_place(uint64_t owner)
{
	unsigned own = 0, everybody = 0;

	for (const struct derived *d = all.first; d; d = d->next) {
		bool counts = d->language >= 0 && !is_left(d);

		everybody += counts;
		own += counts && d->share->owner == owner;
	}
	for (int i = 0; i < MAKING_MOST; i++) {
		const struct share *s = all.making[i].share;

		everybody += s != NULL;
		own += s && s->owner == owner;
	}
	return share_allows(owner, own, everybody, 1, all.most);
}

/* Whether the catalog has a crew for one more: one that is about to go has its own still. */
static bool has_crew(void)
{
	unsigned crews = 0;

	for (const struct derived *d = all.first; d; d = d->next)
		crews += d->language >= 0;
	for (int i = 0; i < MAKING_MOST; i++)
		crews += all.making[i].share != NULL;
	return crews < CATALOG_DERIVED;
}

int derived_check(uint64_t owner, const char *name)
{
	size_t size = strlen(name);

	if (catalog_find(name, size) >= 0 || derived_find(owner, name, size))
		return -EEXIST;
	for (int i = 0; i < MAKING_MOST; i++) {
		const struct making *m = &all.making[i];

		if (m->share && m->share->owner == owner &&
		    !strcmp(m->name, name))
			return -EEXIST;
	}
	return find_free() && has_place(owner) && has_crew() ? 0 : -EAGAIN;
}

static void stop_sending(struct making *m)
{
	if (m->pipe < 0)
		return;
	epoll_ctl(all.epoll, EPOLL_CTL_DEL, m->pipe, NULL);
	close(m->pipe);
	m->pipe = -1;
	state_drop(&m->state);
}

/* Some more of the state, from where it has come to. */
static ssize_t send_some(const struct making *m)
{
	struct iovec pieces[PIECES];
	size_t skip = m->sent;
	int count = 0;

	for (size_t i = 0; i < m->state.count && count < PIECES; i++) {
		const struct iovec *p = &m->state.pieces[i];

		if (skip >= p->iov_len) {
			skip -= p->iov_len;
			continue;
		}
		pieces[count++] = (struct iovec){ (char *)p->iov_base + skip,
						  p->iov_len - skip };
		skip = 0;
	}
	return writev(m->pipe, pieces, count);
}

/* As much as the pipe takes, which is a slice. */
static void pipe_ready(struct watch *w, uint32_t events)
{
	struct making *m = (struct making *)w;
	ssize_t n;

	(void)events;
	if (m->pipe < 0)
		return;
	n = send_some(m);
	if (n > 0)
		m->sent += (size_t)n;
	/* What is wrong with the process is seen at its end. */
	if (m->sent == m->state.size || (n < 0 && errno != EAGAIN))
		stop_sending(m);
}

static int spawn(struct making *m, int template)
{
	const char *argv[10] = { "zeroboot", "load",  "--host",  all.host,
				 "--image",  "image", "--derive" };
	int state[2], words[2], n = 7;
	int files[] = { template, m->set.memory, -1, -1, -1 };

	if (m->foreign)
		argv[n++] = "--foreign";
	argv[n] = m->name;
	if (pipe2(state, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(words, O_CLOEXEC) < 0) {
		close(state[0]);
		close(state[1]);
		return -EMFILE;
	}
	fcntl(state[1], F_SETFL, O_NONBLOCK);
	fcntl(state[1], F_SETPIPE_SZ, PIPE_ROOM);
	files[2] = state[0];
	files[4] = words[1];
	m->pid = jail_spawn((char *const *)(uintptr_t)argv, files, 5);
	close(state[0]);
	close(words[1]);
	m->pipe = state[1];
	m->words = words[0];
	return m->pid < 0 ? (int)m->pid : 0;
}

static void finish(struct making *m)
{
	stop_sending(m);
	state_drop(&m->state);
	stock_drop(&m->set);
	if (m->words >= 0)
		close(m->words);
	share_discharge(m->share, m->charge);
	share_drop(m->share);
	m->share = NULL;
}

/* Of how many pages a state has lines, at most. */
static size_t pages_of(const struct state *s)
{
	struct delta_segment head;
	size_t pages = 0;

	for (size_t i = 0; i < s->count; i++) {
		const char *at = s->pieces[i].iov_base;
		size_t left = s->pieces[i].iov_len;

		for (; left >= sizeof(head); left -= head.size) {
			memcpy(&head, at, sizeof(head));
			/* Then it is refused by the process, whose word counts. */
			if (head.size < sizeof(head) || head.size > left ||
			    head.records > left / sizeof(struct delta_record))
				return UINT32_MAX;
			pages += head.records;
			at += head.size;
		}
	}
	return pages;
}

/* Bytes that a template may have which is another one with a state: whole pages. */
static size_t most_of(const struct crew *c, const struct state *state)
{
	size_t memory = (size_t)c->memory_mb << 20,
	       changed = pages_of(state) * 4096;
	struct stat st;

	if (fstat(c->stock.now.files[LOAD_FILE], &st) < 0)
		return SIZE_MAX;
	return (size_t)st.st_size + (changed < memory ? changed : memory);
}

/* What it is made of; the process is not there yet. */
static int prepare(struct making *m, const struct crew *c)
{
	int r = stock_share_image(&m->set, &c->stock.now);

	if (r)
		return r;
	m->set.memory = stock_memory(&m->set.files[LOAD_MEMORY]);
	if (m->set.memory < 0)
		return m->set.memory;
	return spawn(m, c->stock.now.files[LOAD_FILE]);
}

static int begin(struct making *m, const struct crew *c)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = m };
	int r = prepare(m, c);

	if (r == 0 && epoll_ctl(all.epoll, EPOLL_CTL_ADD, m->pipe, &event) < 0)
		r = -errno;
	return r;
}

static const char *base_of(const struct crew *c)
{
	const struct derived *d = c->derived ? of_language(c->language) : NULL;

	return d ? d->base : c->called;
}

void derived_forget(struct making *m)
{
	m->done = NULL;
	m->name[0] = 0; /* which is free */
	kill(m->pid, SIGKILL);
}

struct making *derived_make(uint64_t owner, const char *name, int crew,
			    struct state *state, derived_done *done,
			    void *context, int *r)
{
	const struct crew *c = catalog_crew(crew);
	struct share *share;
	struct making *m;
	size_t most;

	*r = derived_check(owner, name);
	if (*r == 0 && !stock_ready(&c->stock))
		*r = -ESTALE;
	most = *r ? 0 : most_of(c, state);
	if (*r == 0 && session_room(owner, 0, most))
		*r = -ENOSPC;
	share = *r ? NULL : share_of(owner);
	if (!share) {
		*r = *r ? *r : -ENOMEM;
		return NULL;
	}
	m = find_free();
	*m = (struct making){ .watch.ready = pipe_ready,
			      .pipe = -1,
			      .words = -1,
			      .set = { .files = { -1, -1, -1, -1 },
				       .memory = -1,
				       .image = -1 },
			      .foreign = c->foreign,
			      .share = share,
			      .started = clock_mono(),
			      .done = done,
			      .context = context };
	snprintf(m->name, sizeof(m->name), "%s", name);
	snprintf(m->base, sizeof(m->base), "%s", base_of(c));
	m->charge = most;
	share_charge(m->share, most);
	m->state = *state;
	*state = (struct state){ 0 };
	*r = begin(m, c);
	if (*r == 0)
		return m;
	/* Its process may hang: it is all there until that has ended. */
	if (m->pid > 0)
		derived_forget(m);
	else
		finish(m);
	return NULL;
}

/* The process has made it. NULL: no memory, or no place. */
static struct derived *enter(struct making *m)
{
	struct derived *d = calloc(1, sizeof(*d));
	struct stat st;

	if (!d || stock_seal(&m->set.memory, &m->set.files[LOAD_MEMORY]) ||
	    fstat(m->set.files[LOAD_MEMORY], &st) < 0)
		goto fail;
	d->language = catalog_derive(m->name, m->base, m->foreign, &m->set);
	if (d->language < 0)
		goto fail;
	d->size = (size_t)st.st_size;
	snprintf(d->name, sizeof(d->name), "%s", m->name);
	snprintf(d->base, sizeof(d->base), "%s", m->base);
	d->share = share_of(m->share->owner); /* it is there */
	share_charge(d->share, d->size);
	d->created_ns = clock_wall();
	id_make(d->id);
	if (session_store_is_on())
		d->origin =
			origin_of(catalog_crew(d->language)->template, d->base);
	d->next = all.first;
	all.first = d;
	all.count++;
	all.made++;
	return d;
fail:
	free(d);
	return NULL;
}

static void end(struct making *m, int status)
{
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	char words[LOAD_WORDS_MAX] = "";
	const struct derived *d = NULL;
	const char *why = words;
	ssize_t n;

	n = read(m->words, words, sizeof(words) - 1);
	words[n > 0 ? n : 0] = 0;
	if (good && m->done)
		d = enter(m);
	if (good && !d)
		why = "no room for the template";
	else if (!good && !words[0])
		why = "the process that makes the template ended";
	all.failed += !d && m->done;
	if (!d && m->done)
		log_event("warning", "template of a session not made: %s", why);
	if (m->done)
		m->done(m->context, d, why);
	finish(m);
}

/* ---- those that are kept ---- */

struct derived *derived_unsaved(void)
{
	struct derived *d = all.first;

	while (d && (d->removed || d->saved || !d->origin ||
		     !origin_is_kept(d->origin)))
		d = d->next;
	return d;
}

unsigned derived_unsaved_count(void)
{
	unsigned unsaved = 0;

	for (const struct derived *d = all.first; d; d = d->next)
		unsaved += !d->removed && !d->saved;
	return unsaved;
}

void derived_fill(const struct derived *d, struct session_record *r)
{
	*r = (struct session_record){ .magic = RECORD_MAGIC,
				      .version = RECORD_VERSION,
				      .abi_version = ZB_ABI_VERSION,
				      .owner = d->share->owner,
				      .created_ns = d->created_ns,
				      .used_ns = d->created_ns,
				      .flags = RECORD_TEMPLATE };
	memcpy(r->id, d->id, ID_SIZE);
	snprintf(r->language, sizeof(r->language), "%s", d->base);
	snprintf(r->name, sizeof(r->name), "%s", d->name);
	memcpy(r->template, origin_name(d->origin), sizeof(r->template));
}

/* Somebody can ask for what is of that owner. */
static bool is_known(uint64_t owner)
{
	return owner ? auth_with_id(owner) != NULL : !auth_required();
}

/* Whether it can be a language again: its crew and its bytes. NULL, or why not. */
static const char *bring_back(struct derived *d)
{
	const uint64_t owner = d->share->owner;
	char path[PATH_MAX];
	const char *why;
	int r;

	d->again = false;
	if (catalog_find(d->name, strlen(d->name)) >= 0)
		return "a language has its name";
	d->again = true;
	if (!is_known(owner))
		return "nobody has its key";
	if (!has_place(owner))
		return "there are more templates than there may be "
		       "(--session-templates)";
	r = origin_look(d->origin, path, &d->size, &why);
	if (r)
		return why;
	if (session_room(owner, 0, d->size))
		return "all sessions and templates together have become too "
		       "large (--sessions-memory)";
	r = has_crew() ? catalog_derive_kept(path, d->name, d->base,
					     origin_name(d->origin)) :
			 -ENOSPC;
	if (r < 0)
		return "no room for the template";
	d->language = r;
	d->again = false;
	return NULL;
}

static void give_up(struct derived *d, const char *why)
{
	bool said = !strncmp(d->why, why, sizeof(d->why) - 1);

	snprintf(d->why, sizeof(d->why), "%s", why);
	d->size = 0;
	if (!said)
		log_event("warning",
			  "template of a session, %s@%.8s (%s" RECORD_ENDING
			  "), not used: %s",
			  d->base, origin_name(d->origin), d->id, why);
}

static void go_on(struct derived *d)
{
	const char *why = bring_back(d);

	if (why) {
		give_up(d, why);
		return;
	}
	d->why[0] = 0;
	share_charge(d->share, d->size);
	all.count++;
}

bool derived_found(const struct session_record *r)
{
	struct derived *d = calloc(1, sizeof(*d)), *before;

	if (!d || !derived_is_name(r->name, strlen(r->name)))
		goto fail;
	d->share = share_of(r->owner);
	d->origin = d->share ? origin_of(r->template, r->language) : NULL;
	if (!d->origin) {
		share_drop(d->share);
		goto fail;
	}
	before = derived_find(r->owner, r->name, strlen(r->name));
	/* Of which a newer one is there: its own was to be removed. */
	if (before)
		derived_remove(before);
	d->language = -1;
	d->saved = true;
	d->created_ns = r->created_ns;
	memcpy(d->id, r->id, ID_SIZE);
	snprintf(d->name, sizeof(d->name), "%.*s", (int)sizeof(d->name) - 1,
		 r->name);
	snprintf(d->base, sizeof(d->base), "%s", r->language);
	if (r->abi_version == ZB_ABI_VERSION)
		go_on(d);
	else
		give_up(d, "the template is of another version of the server");
	d->next = all.first;
	all.first = d;
	return true;
fail:
	log_event("warning", "state: %s" RECORD_ENDING ": no template of it",
		  r->id);
	free(d);
	return false;
}

int derived_again(uint64_t owner, const char *name, const struct origin *origin)
{
	struct derived *d = derived_find(owner, name, strlen(name));

	if (!d || d->language < 0 || (origin && d->origin != origin))
		return -1;
	d->sessions++;
	return d->language;
}

void derived_reap(void)
{
	int status;

	for (int i = 0; i < MAKING_MOST; i++) {
		struct making *m = &all.making[i];

		if (m->share && waitpid(m->pid, &status, WNOHANG) == m->pid)
			end(m, status);
	}
}

void derived_tick(uint64_t now)
{
	struct derived **at = &all.first;

	derived_reap();
	for (int i = 0; i < MAKING_MOST; i++)
		if (all.making[i].share &&
		    now > all.making[i].started + MAKING_NS)
			kill(all.making[i].pid, SIGKILL);
	while (*at) {
		if (is_over(*at, now))
			drop(at);
		else
			at = &(*at)->next;
	}
}

/* Workers have ended. */
void derived_close(void)
{
	for (int i = 0; i < MAKING_MOST; i++) {
		struct making *m = &all.making[i];

		if (!m->share)
			continue;
		jail_end(m->pid, SIGKILL);
		finish(m);
	}
	while (all.first) {
		struct derived *d = all.first;

		all.first = d->next;
		share_discharge(d->share, d->size);
		share_drop(d->share);
		free(d);
	}
	all.count = 0;
}

void derived_metrics(struct text *t)
{
	metrics_value(t, "zeroboot_session_templates", "gauge", all.count,
		      "Templates that were made of sessions.");
	if (session_store_is_on())
		metrics_value(t, "zeroboot_session_templates_unsaved", "gauge",
			      derived_unsaved_count(),
			      "Templates made of sessions that are not on the "
			      "disk.");
	metrics_value(t, "zeroboot_session_templates_made_total", "counter",
		      all.made, "Templates that have been made of sessions.");
	metrics_value(t, "zeroboot_session_templates_failed_total", "counter",
		      all.failed,
		      "Sessions of which no template could be made.");
}
