/*
 * Templates of sessions that are found at a start: what is in one's way may pass, and it
 * is looked at anew when its owner asks.
 */
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth.h"
#include "catalog.h"
#include "crew.h"
#include "derived.h"
#include "guest/abi.h"
#include "jail.h"
#include "log.h"
#include "origin.h"
#include "session_limits.h"
#include "session_record.h"
#include "session_store.h"

#define SIZE 1000
#define PLACE 5

/* ---- in the place of other nouns ---- */

static struct { /* what is in its way */
	bool language, look, room, place;
	int look_result;
} way;
static unsigned looked;

void log_event(const char *level, const char *format, ...)
{
	(void)level, (void)format;
}

bool auth_required(void)
{
	return false;
}

int catalog_find(const char *name, size_t size)
{
	(void)name, (void)size;
	return way.language ? 0 : -1;
}

int catalog_derive_kept(const char *path, const char *name, const char *base,
			const char *template)
{
	(void)path, (void)name, (void)base, (void)template;
	return way.place ? -ENOSPC : PLACE;
}

static struct crew *session_crew; /* of what is made one; NULL: not looked at */

struct crew *catalog_crew(int language)
{
	(void)language;
	return session_crew;
}

static pid_t maker;

pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	(void)argv, (void)files, (void)count;
	maker = fork();
	if (maker == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return maker;
}

static unsigned waited;

void jail_end(pid_t pid, int signal)
{
	kill(pid, signal);
	waited++;
}

const char *jail_user(void)
{
	return NULL;
}

bool session_store_is_on(void)
{
	return true;
}

int session_room(uint64_t owner, size_t count, size_t bytes)
{
	(void)owner, (void)count, (void)bytes;
	return way.room ? -ENOSPC : 0;
}

static char origin;

struct origin *origin_of(const char *name, const char *language)
{
	(void)name, (void)language;
	return (struct origin *)(void *)&origin;
}

const char *origin_name(const struct origin *o)
{
	(void)o;
	return "0123456789";
}

int origin_look(struct origin *o, char path[PATH_MAX], size_t *size,
		const char **why)
{
	(void)o;
	looked++;
	*path = 0;
	*size = SIZE;
	*why = "damaged";
	return way.look ? way.look_result : 0;
}

bool origin_is_kept(const struct origin *o)
{
	(void)o;
	return true;
}

void origin_drop(struct origin *o)
{
	(void)o;
}

/* These need not be: nothing runs. */

struct auth_key *auth_with_id(uint64_t id)
{
	(void)id;
	return NULL;
}

unsigned catalog_tenure(int language)
{
	(void)language;
	return 0;
}

bool catalog_is_idle(int language)
{
	(void)language;
	return true;
}

void catalog_release(int language)
{
	(void)language;
}

int catalog_derive(const char *name, const char *base, bool foreign,
		   struct stock_set *set)
{
	(void)name, (void)base, (void)foreign, (void)set;
	return -ENOSPC;
}

void session_store_forget_template(struct derived *d)
{
	(void)d;
}

/* ---- templates ---- */

static const struct session_record record = { .abi_version = ZB_ABI_VERSION,
					      .id = "an-id",
					      .language = "sh",
					      .template = "0123456789",
					      .name = "data" };

static const struct derived *ask(void)
{
	return derived_find(0, "data", 4);
}

/* What was found while *way was in its way is none, and is one once that is gone. */
static void passes(bool *in_way)
{
	const struct derived *d;

	derived_open(4, "", -1);
	*in_way = true;
	derived_found(&record);
	d = ask();
	CHECK(d && d->language == -1 && d->why[0] && !d->size);
	*in_way = false;
	d = ask();
	CHECK(d && d->language == PLACE && !d->why[0] && d->size == SIZE);
	EQUAL(state_total(), SIZE);
	derived_close();
	EQUAL(state_total(), 0);
}

static void test_room(void)
{
	passes(&way.room);
}

static void test_place(void)
{
	passes(&way.place);
}

static void test_read(void)
{
	way.look_result = -EAGAIN;
	passes(&way.look);
}

static void test_damage(void)
{
	way.look_result = -ESTALE;
	passes(&way.look);
}

/* ---- and what does not ---- */

static void stays(bool *in_way)
{
	const struct derived *d;

	derived_open(4, "", -1);
	*in_way = true;
	derived_found(&record);
	*in_way = false;
	d = ask();
	CHECK(d && d->language == -1 && d->why[0]);
	derived_close();
}

static void test_name(void)
{
	stays(&way.language);
}

static void test_once(void)
{
	derived_open(4, "", -1);
	looked = 0;
	derived_found(&record);
	ask();
	ask();
	EQUAL(looked, 1);
	EQUAL(state_total(), SIZE);
	derived_close();
}

/* ---- making one ---- */

static void never(void *context, const struct derived *d, const char *why)
{
	(void)context, (void)d, (void)why;
	CHECK(false);
}

/* Its process is there already, and may hang: nobody waits for it, nor forgets it. */
static void test_refused(void)
{
	struct state state = { 0 };
	struct crew crew = { .called = "sh" };
	siginfo_t info;
	int r;

	derived_open(4, "", -1); /* which can watch nothing */
	crew.stock.now = (struct stock_set){ .files = { -1, -1, -1, -1 },
					     .memory = -1,
					     .image = -1 };
	crew.stock.now.files[LOAD_FILE] = memfd_create("unit", MFD_CLOEXEC);
	EQUAL(ftruncate(crew.stock.now.files[LOAD_FILE], SIZE), 0);
	session_crew = &crew;
	CHECK(!derived_make(0, "data", 0, &state, never, NULL, &r));
	EQUAL(r, -EBADF);
	EQUAL(waited, 0);
	EQUAL(derived_check(0, "data"), 0); /* nobody has the name */
	CHECK(state_total() > 0);
	EQUAL(waitid(P_PID, (id_t)maker, &info, WEXITED | WNOWAIT), 0);
	derived_reap();
	EQUAL(waitpid(-1, NULL, WNOHANG), -1);
	EQUAL(derived_check(0, "data"), 0);
	EQUAL(state_total(), 0);
	session_crew = NULL;
	derived_close();
	close(crew.stock.now.files[LOAD_FILE]);
}

/* ---- crews ---- */

static void find_many(int count)
{
	struct session_record r = record;

	for (int i = 0; i < count; i++) {
		snprintf(r.name, sizeof(r.name), "n%d", i);
		derived_found(&r);
	}
}

/* One that was removed has its crew for a moment; nothing is made for which there will be
 * none. */
static void test_crews(void)
{
	derived_open(CATALOG_DERIVED, "", -1);
	find_many(CATALOG_DERIVED);
	EQUAL(derived_check(0, "more"), -EAGAIN);
	derived_remove(derived_find(0, "n7", 2));
	EQUAL(derived_check(0, "more"), -EAGAIN);
	derived_tick(0);
	EQUAL(derived_check(0, "more"), 0);
	derived_close();
	/* Of fewer there is one at once. */
	derived_open(4, "", -1);
	find_many(4);
	EQUAL(derived_check(0, "more"), -EAGAIN);
	derived_remove(derived_find(0, "n2", 2));
	EQUAL(derived_check(0, "more"), 0);
	derived_close();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "one for which there was no memory is one when there is",
		  test_room },
		{ "the same of a place", test_place },
		{ "the same of a file that could not be read", test_read },
		{ "the same of one that was damaged, and is another by now",
		  test_damage },
		{ "one whose name a language has is none", test_name },
		{ "one that is there is not looked at again", test_once },
		{ "a process that makes one in vain is not waited for",
		  test_refused },
		{ "none is made while no crew is left for it", test_crews },
	};

	return UNIT_RUN("derived", tests);
}
