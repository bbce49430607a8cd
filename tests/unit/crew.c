/*
 * Which worker comes next and how many there are, with a clock that is moved by
 * hand and processes that only wait.
 */
#include <fcntl.h>
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "crew.h"
#include "jail.h"
#include "log.h"

#define MS 1000000ull
#define SECOND (1000 * MS)

/* ---- in the place of other nouns ---- */

static uint64_t now = 1000 * SECOND;
static unsigned spawned;
static bool spawn_fails;
static unsigned logged;

uint64_t clock_mono(void)
{
	return now;
}

uint64_t clock_wall(void)
{
	return now;
}

static struct task *added;

void loop_add(struct task *t)
{
	added = t;
}

void loop_remove(struct task *t)
{
	if (added == t)
		added = NULL;
}

uint64_t loop_clock(uint64_t when)
{
	return when;
}

void log_event(const char *level, const char *format, ...)
{
	(void)level, (void)format;
	logged++;
}

const char *jail_user(void)
{
	return NULL;
}

pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	pid_t pid;

	(void)argv;
	if (spawn_fails)
		return -EAGAIN;
	CHECK(count == 1 + LOAD_FILES && files[0] >= 0 &&
	      files[1 + LOAD_FILE] >= 0);
	spawned++;
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

void jail_end(pid_t pid, int signal)
{
	kill(pid, signal);
	waitpid(pid, NULL, 0);
}

/* ---- a crew ---- */

static struct crew crew;

static void open_crew(unsigned cpus, unsigned minimum, unsigned maximum)
{
	crews = (struct crews){ .epoll = epoll_create1(EPOLL_CLOEXEC),
				.cpus = cpus,
				.host = "nested:0" };
	crew = (struct crew){ .name = "unit", .path = "/nowhere" };
	spawned = 0;
	EQUAL(crew_open(&crew, minimum, maximum), 0);
	/* A template that is loaded. */
	crew.stock.now.files[LOAD_FILE] = open("/dev/null", O_RDONLY);
	crew.stock.now.loaded = true;
}

static void close_crew(void)
{
	for (unsigned i = 0; i < crew.maximum; i++)
		if (crew.members[i].state != STOPPED)
			crew_end(&crew.members[i]);
	crew_reap(&crew, true);
	EQUAL(crew.count[STOPPED], crew.maximum);
	CHECK(!crews.starting && !crews.training && !crew.training);
	for (int i = 0; i < 4; i++)
		CHECK(!crew.free[i].first && !crew.free[i].last &&
		      !crew.free[i].count);
	crew_close(&crew);
	close(crews.epoll);
}

/* All that start are ready. */
static void all_ready(void)
{
	for (unsigned i = 0; i < crew.maximum; i++)
		if (crew.members[i].state == STARTING)
			crew_move(&crew.members[i], READY, now);
}

static void fill(void)
{
	struct task *t;

	crew_fill(&crew);
	while ((t = added)) {
		added = NULL;
		t->run(t);
	}
}

static void open_ready(unsigned minimum, unsigned maximum)
{
	open_crew(4, minimum, maximum);
	fill();
	while (crew.count[STARTING] < maximum) {
		crews.starting = 0; /* no matter: it is not what is looked at */
		crew_add(&crew, now);
	}
	crews.starting = crew.count[STARTING];
	all_ready();
	EQUAL(crew_free(&crew), maximum);
}

static unsigned chosen(void)
{
	const struct member *m = crew_choose(&crew);

	return m ? (unsigned)(m - crew.members) : ~0u;
}

/* A run on the one that is chosen; its number. */
static unsigned run_one(bool warm)
{
	struct member *m = crew_choose(&crew);

	if (!CHECK(m))
		return ~0u;
	crew_move(m, BUSY, now);
	m->warm = warm;
	crew_move(m, RENEWING, now);
	crew_move(m, READY, now);
	return (unsigned)(m - crew.members);
}

/* ---- choice ---- */

static void the_last_used_comes_first(void)
{
	struct member *first, *second;
	unsigned n;

	open_ready(3, 3);
	n = run_one(true);
	EQUAL(chosen(), n);
	EQUAL(run_one(true), n);
	first = crew_choose(&crew);
	crew_move(first, BUSY, now);
	second = crew_choose(&crew);
	CHECK(second && second != first);
	crew_move(second, BUSY, now);
	CHECK(crew_choose(&crew) && crew_choose(&crew) != second);
	crew_move(crew_choose(&crew), BUSY, now);
	CHECK(!crew_choose(&crew) && crew_free(&crew) == 0);
	CHECK(crew_serves(&crew));
	first->warm = second->warm = true;
	crew_move(second, RENEWING, now);
	crew_move(first, RENEWING, now);
	EQUAL(chosen(), first - crew.members);
	close_crew();
}

static void warm_before_cold(void)
{
	open_ready(2, 4); /* 2 and 3 are extra */
	crew_set_warm(&crew.members[3], true);
	EQUAL(chosen(), 3);
	crew_set_warm(&crew.members[1], true);
	EQUAL(chosen(), 1); /* one that stays, before an extra one */
	crew_set_warm(&crew.members[0], true);
	EQUAL(chosen(), 1);
	crew_set_warm(&crew.members[1], false);
	EQUAL(chosen(), 0);
	crew_set_warm(&crew.members[0], false);
	crew_set_warm(&crew.members[3], false);
	CHECK(chosen() < 2);
	close_crew();
}

static void a_slow_renewal_is_passed_over(void)
{
	struct member *slow;

	open_ready(2, 2);
	crew_set_warm(&crew.members[0], true);
	crew_set_warm(&crew.members[1], true);
	slow = crew_choose(&crew);
	crew_move(slow, BUSY, now);
	slow->warm = true;
	slow->renew_us = 61;
	crew_move(slow, RENEWING, now);
	CHECK(crew_choose(&crew) && crew_choose(&crew) != slow);
	slow->renew_us = 60;
	CHECK(crew_choose(&crew) == slow);
	slow->renew_us = 61;
	crew_move(slow, READY, now);
	CHECK(crew_choose(&crew) == slow);
	/* Where nobody else is, it is taken all the same. */
	crew_move(slow, BUSY, now);
	crew_move(crew_choose(&crew), BUSY, now);
	crew_move(slow, RENEWING, now);
	CHECK(crew_choose(&crew) == slow);
	close_crew();
}

/* ---- growth ---- */

static void the_minimum_is_started(void)
{
	open_crew(1, 6, 8);
	EQUAL(crew_missing(&crew), 6);
	CHECK(!crew_serves(&crew));
	fill();
	EQUAL(spawned, 4); /* so many at once for a CPU */
	fill();
	EQUAL(spawned, 4);
	all_ready();
	fill();
	EQUAL(spawned, 6);
	all_ready();
	fill();
	EQUAL(spawned, 6);
	EQUAL(crew_missing(&crew), 0);
	close_crew();
}

static void one_is_added_up_to_the_maximum(void)
{
	open_crew(1, 1, 3);
	fill();
	all_ready();
	for (unsigned n = 2; n < 6; n++) {
		crew_add(&crew, now);
		EQUAL(spawned, n < 3 ? n : 3);
		all_ready();
	}
	EQUAL(crews.added, 2);
	CHECK(!crew.members[0].extra && crew.members[1].extra);
	close_crew();
}

static void one_that_died_waits(void)
{
	struct member *m;

	open_crew(1, 1, 1);
	fill();
	m = &crew.members[0];
	crew_end(m);
	CHECK(crew.failed);
	now += 499 * MS;
	crew_reap(&crew, true);
	fill();
	EQUAL(spawned, 1);
	now += MS;
	fill();
	EQUAL(spawned, 2);
	/* Its slot is used again when its process is gone, and not before. */
	all_ready();
	m->not_before = 0;
	crew_end(m);
	fill();
	EQUAL(spawned, 2);
	crew_reap(&crew, true);
	fill();
	EQUAL(spawned, 3);
	close_crew();
}

static void a_start_that_fails_is_tried_again(void)
{
	open_crew(1, 1, 1);
	logged = 0;
	spawn_fails = true;
	for (int i = 0; i < 10; i++) {
		fill();
		now += 500 * MS;
	}
	EQUAL(crew.count[STARTING], 0);
	CHECK(crew.failed);
	EQUAL(logged, 1); /* the same is said once a minute */
	now += 60 * SECOND;
	fill();
	EQUAL(logged, 2);
	spawn_fails = false;
	now += 500 * MS;
	fill();
	EQUAL(crew.count[STARTING], 1);
	close_crew();
}

static void when_it_is_short(void)
{
	struct queue_node waits = { .owner = 1 };
	struct member *m;

	open_crew(1, 1, 2);
	fill();
	CHECK(!crew_is_short(&crew, true, now + 3600 * SECOND)); /* starts */
	all_ready();
	CHECK(!crew_is_short(&crew, true, now + 3600 * SECOND));
	m = crew_choose(&crew);
	crew_move(m, BUSY, now);
	CHECK(!crew_is_short(&crew, true, now + 19 * MS));
	CHECK(crew_is_short(&crew, true, now + 20 * MS));
	/* All CPUs are busy: only when runs wait and none ends. */
	CHECK(!crew_is_short(&crew, false, now + 3600 * SECOND));
	EQUAL(queue_add(&crew.queue, &waits), 0);
	CHECK(!crew_is_short(&crew, false, now + 99 * MS));
	CHECK(crew_is_short(&crew, false, now + 100 * MS));
	crew.run_ended = now + 50 * MS;
	CHECK(!crew_is_short(&crew, false, now + 149 * MS));
	CHECK(crew_is_short(&crew, false, now + 150 * MS));
	/* A free one ends it, unless runs wait. */
	crew_move(m, RENEWING, now);
	CHECK(crew_is_short(&crew, true, now + 20 * MS));
	crew_move(m, BUSY, now);
	queue_remove(&waits);
	crew_move(m, RENEWING, now);
	CHECK(!crew_is_short(&crew, true, now + 3600 * SECOND));
	close_crew();
}

/* ---- shrinking ---- */

static void idle_ones_go(void)
{
	open_ready(1, 4);
	now += 10 * SECOND - 1;
	crew_shrink(&crew, now);
	EQUAL(crew_free(&crew), 4);
	now++;
	for (unsigned left = 3; left > 0; left--) {
		crew_shrink(&crew, now);
		EQUAL(crew_free(&crew), left);
	}
	for (int i = 0; i < 3; i++)
		crew_shrink(&crew, now);
	EQUAL(crew_free(&crew), 1); /* the minimum stays */
	CHECK(crew.members[0].state == READY);
	EQUAL(crews.removed, 3);
	close_crew();
}

static void one_free_stays(void)
{
	open_ready(1, 3);
	crew_move(&crew.members[0], BUSY, now);
	now += 100 * SECOND;
	crew_shrink(&crew, now);
	EQUAL(crew_free(&crew), 1);
	crew_shrink(&crew, now);
	EQUAL(crew_free(&crew), 1);
	/* Cold ones go first. */
	crew_move(&crew.members[0], RENEWING, now);
	crew_reap(&crew, true);
	crew_add(&crew, now);
	crews.starting = 0;
	all_ready();
	crews.starting = 0;
	for (unsigned i = 1; i < 3; i++)
		if (crew.members[i].state == READY)
			crew_set_warm(&crew.members[i], i == 1);
	now += 100 * SECOND;
	crew_shrink(&crew, now);
	CHECK(crew.members[1].state == READY);
	CHECK(crew.members[2].state == STOPPED);
	close_crew();
}

static void a_run_begins_the_wait_anew(void)
{
	unsigned n;

	open_ready(0, 2);
	crew_set_warm(&crew.members[0], true);
	now += 9 * SECOND;
	n = run_one(true);
	EQUAL(n, 0);
	now += 2 * SECOND;
	crew_shrink(&crew, now);
	CHECK(crew.members[1].state == STOPPED);
	CHECK(crew.members[0].state == READY);
	close_crew();
}

/* ---- training ---- */

/* Whoever is to train is told so. */
static void tell(void)
{
	struct member *m;

	while ((m = crew_train(&crew)))
		m->owes_warm = true;
}

static void so_many_train(void)
{
	open_crew(4, 20, 20);
	crews.starting = 0;
	fill();
	all_ready();
	now += SECOND;
	fill();
	all_ready();
	EQUAL(crew_free(&crew), 20);
	tell();
	EQUAL(crews.training, 2); /* half of the CPUs */
	tell();
	EQUAL(crews.training, 2);
	for (int i = 0; i < 40; i++) {
		for (unsigned k = 0; k < crew.maximum; k++)
			if (crew.members[k].training) {
				crew.members[k].owes_warm = false;
				crew_set_warm(&crew.members[k], true);
			}
		tell();
	}
	EQUAL(crews.training, 0);
	EQUAL(crew.free[0].count, 16); /* four for a CPU */
	close_crew();
}

static void none_trains_while_runs_wait(void)
{
	struct queue_node waits = { .owner = 1 };

	open_ready(2, 2);
	EQUAL(queue_add(&crew.queue, &waits), 0);
	tell();
	EQUAL(crews.training, 0);
	queue_remove(&waits);
	crews.fresh = true;
	crew.run_ended = now;
	tell();
	EQUAL(crews.training, 0);
	now += 30 * MS;
	tell();
	EQUAL(crews.training, 2);
	/* One in training comes last; a run ends the training. */
	for (unsigned i = 0; i < 2; i++)
		crew_move(crew_choose(&crew), BUSY, now);
	EQUAL(crews.training, 0);
	close_crew();
}

/* ---- hung ---- */

static void who_is_hung(void)
{
	siginfo_t info;
	struct member *m;

	open_crew(1, 1, 1);
	fill();
	m = &crew.members[0];
	CHECK(!crew_is_hung(m, now + 30 * SECOND));
	CHECK(crew_is_hung(m, now + 30 * SECOND + 1));
	all_ready();
	CHECK(!crew_is_hung(m, now + 3600 * SECOND));
	crew_move(m, BUSY, now);
	m->deadline = now + 5;
	CHECK(!crew_is_hung(m, now + 5) && crew_is_hung(m, now + 6));
	crew_move(m, CANCELLING, now);
	CHECK(!crew_is_hung(m, now + 5) && crew_is_hung(m, now + 6));
	crew_move(m, READY, now);
	kill(m->pid, SIGSTOP);
	EQUAL(waitid(P_PID, (id_t)m->pid, &info, WSTOPPED | WNOWAIT), 0);
	CHECK(crew_is_hung(m, now));
	crew_move(m, RENEWING, now);
	CHECK(crew_is_hung(m, now));
	crew_move(m, BUSY, now); /* its deadline is enough */
	CHECK(!crew_is_hung(m, now + 30 * SECOND));
	close_crew();
}

static void who_owes_an_answer_is_hung(void)
{
	struct member *m;

	open_ready(1, 1);
	m = &crew.members[0];
	tell();
	CHECK(m->training && !crew_is_hung(m, now + 60 * SECOND));
	CHECK(crew_is_hung(m, now + 60 * SECOND + 1));
	/* A run has a deadline of its own. */
	crew_move(m, BUSY, now);
	m->deadline = now + 3600 * SECOND;
	CHECK(!crew_is_hung(m, now + 61 * SECOND));
	m->owes_warm = false;
	crew_move(m, RENEWING, now);
	CHECK(!crew_is_hung(m, now + 60 * SECOND));
	CHECK(crew_is_hung(m, now + 60 * SECOND + 1));
	crew_move(m, READY, now);
	CHECK(!crew_is_hung(m, now + 3600 * SECOND));
	/* One that says it is warm owes nothing any more. */
	now += SECOND;
	tell();
	m->owes_warm = false;
	crew_set_warm(m, true);
	CHECK(!crew_is_hung(m, now + 3600 * SECOND));
	close_crew();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "the one that was used last comes first",
		  the_last_used_comes_first },
		{ "warm ones before cold ones, then those that stay",
		  warm_before_cold },
		{ "one that is renewed for long is passed over",
		  a_slow_renewal_is_passed_over },
		{ "the minimum is started, some at a time",
		  the_minimum_is_started },
		{ "workers are added up to the maximum",
		  one_is_added_up_to_the_maximum },
		{ "one that died starts again after a while, once it is reaped",
		  one_that_died_waits },
		{ "a start that fails is tried again and told once",
		  a_start_that_fails_is_tried_again },
		{ "another one would help: when, to the nanosecond",
		  when_it_is_short },
		{ "what was free for 10 s goes, but for the minimum",
		  idle_ones_go },
		{ "one that is free stays, warm ones stay longer",
		  one_free_stays },
		{ "a run begins the 10 s anew", a_run_begins_the_wait_anew },
		{ "so many train at once, and so many are kept warm",
		  so_many_train },
		{ "none trains while runs wait", none_trains_while_runs_wait },
		{ "who is stopped or over its time is hung", who_is_hung },
		{ "who does not end a renewal or a training is hung",
		  who_owes_an_answer_is_hung },
	};

	return UNIT_RUN("crew", tests);
}
