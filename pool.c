#include "pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "box.h"
#include "clock.h"
#include "crew.h"
#include "id.h"
#include "image_find.h"
#include "language.h"
#include "log.h"
#include "metrics.h"
#include "proc.h"
#include "waiting.h"

#define GRACE_NS 2000000000ull    /* over its timeout, then a worker is hung */
#define REFUSED_BURST 64          /* that wait, in a turn */
#define MEMORY_LOOKS 32           /* at workers, for a question */
#define LATE_NS 10000000000ull    /* over that, while its answer comes in */
#define RESTART_NS 500000000ull   /* after a failure */
#define UNSERVED_NS 2000000000ull /* without a worker until runs are refused */
#define LOOK_NS 30000000ull /* between looks at crews without a free worker */

static struct crew languages[POOL_LANGUAGES];
static int language_count;
static struct pool_options options;

static unsigned running;
static uint64_t restarts;

/* Goes off while a crew has no free worker. */
static struct {
	struct watch watch; /* first */
	int fd;
	bool armed;
	int uptime;            /* /proc/uptime, -1: not there */
	uint64_t idle_ns, set; /* CPUs' idle time when it was set, and when */
} timer = { .fd = -1, .uptime = -1 };

static void finish(struct job *job, enum job_status status)
{
	job->member = NULL;
	job->status = status;
	job->done(job);
}

/* The process is gone or must go; its job, if any, is answered honestly: why is
 * a constant. */
static void stop(struct member *m, const char *why)
{
	struct job *job = m->job;

	if (m->state == STOPPED)
		return;
	crew_end(m);
	restarts++;
	if (!job)
		return;
	running--;
	job->message = why;
	finish(job, JOB_FAULT);
}

/* ---- more workers ---- */

/* Sum of all CPUs' idle time, in steps of 10 ms; 0: not known (proc(5)). */
static uint64_t idle_time(void)
{
	unsigned long long seconds, hundredths;
	char text[64];
	ssize_t n = pread(timer.uptime, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
	if (sscanf(text, "%*s %llu.%2llu", &seconds, &hundredths) != 2)
		return 0;
	return seconds * 1000000000 + hundredths * 10000000;
}

/* A crew that may need another worker is looked at in a while. */
static void watch_crew(const struct crew *c)
{
	struct itimerspec t = { .it_value.tv_nsec = LOOK_NS };

	if (timer.armed || !c->short_since || c->count[STOPPED] == 0)
		return;
	timer.armed = timerfd_settime(timer.fd, 0, &t, NULL) == 0;
	timer.set = clock_mono();
	timer.idle_ns = idle_time();
}

static void timer_ready(struct watch *w, uint32_t events)
{
	uint64_t now = clock_mono(), expired;
	bool idle;

	(void)w;
	(void)events;
	if (read(timer.fd, &expired, sizeof(expired)) < 0)
		return;
	timer.armed = false;
	/* Two thirds of a CPU: the steps are coarse. */
	idle = (idle_time() - timer.idle_ns) * 3 >= (now - timer.set) * 2;
	for (int i = 0; i < language_count; i++) {
		if (crew_is_short(&languages[i], idle, now))
			crew_add(&languages[i], now);
		watch_crew(&languages[i]);
	}
}

/* ---- the channel ---- */

static void watch_output(struct member *m, bool output)
{
	struct epoll_event event = {
		.events = EPOLLIN | (output ? EPOLLOUT : 0), .data.ptr = m
	};

	epoll_ctl(crews.epoll, EPOLL_CTL_MOD, m->channel.fd, &event);
}

/* What sending has come to; false: the worker has gone by it. */
static bool sent(struct member *m, int r)
{
	if (r < 0)
		stop(m, "the worker ended before the run began");
	else if (r == 0)
		watch_output(m, true);
	return r >= 0;
}

/* The crew behind this one first, so that all get warm at the same pace. */
static void train(const struct crew *after)
{
	for (int i = 1; i <= language_count; i++) {
		struct crew *c =
			&languages[(after - languages + i) % language_count];
		struct member *m;

		while ((m = crew_train(c)))
			sent(m, member_train(m));
	}
}

static void give(struct member *m, struct job *job)
{
	uint64_t now = clock_mono();

	crew_move(m, BUSY, now);
	watch_crew(m->crew);
	m->crew->run_begun = now;
	m->job = job;
	m->run_id = id_number();
	m->deadline = loop_clock(now) + (uint64_t)job->timeout_ms * 1000000 +
		      GRACE_NS;
	job->wait_ns = now - job->submitted_ns;
	job->member = m;
	running++;
	sent(m, member_run(m, now));
}

/* A worker is free: the next in turn for its language gets it. */
static void dispatch(struct member *m)
{
	struct job *job;

	if (!crew_is_free(m))
		return;
	job = waiting_take(&m->crew->queue);
	if (job)
		give(m, job);
}

static enum job_status status_of(const struct result *r)
{
	return r->status == RESULT_DONE    ? JOB_DONE :
	       r->status == RESULT_TIMEOUT ? JOB_TIMEOUT :
	       r->status == RESULT_REFUSED ? JOB_REJECTED :
					     JOB_FAULT;
}

static void take_results(struct job *job, const struct member_news *n)
{
	job_keep(job, n->payload, (size_t)(n->files_end - n->files));
	job->out = n->out.data;
	job->out_size = n->out.size;
	job->err = n->err.data;
	job->err_size = n->err.size;
	job->message = n->text.data;
	job->files = n->files;
	job->files_end = n->files_end;
	job->left_out = n->result.left_out;
	job->ended = (enum result_end)n->result.ended;
	job->cut = n->result.cut;
	job->cpu_ns = n->result.cpu_ns;
	job->memory = n->result.memory;
	job->calls = n->result.calls;
	job->exit_code = (int)n->result.exit_code;
	job->fork_ns = n->result.fork_ns;
	job->exec_ns = n->result.exec_ns;
}

static void take_renewal(struct member *m, const struct renewal *r)
{
	m->renew_us = r->us;
	if (r->discarded)
		metrics.discarded[r->discarded]++;
}

static void hear_ready(struct member *m)
{
	uint64_t now = clock_mono();

	m->not_before = 0;
	m->crew->failed = false;
	m->crew->load_ns = now - m->started;
	crew_move(m, READY, now);
	dispatch(m);
	crew_fill(m->crew);
	train(m->crew);
}

/* The last words of a worker that cannot go on. */
static void hear_failed(struct member *m, const struct member_news *n)
{
	crew_complain(m->crew, n->text.data);
	m->not_before = clock_mono() + RESTART_NS;
	stop(m, "the worker failed");
}

static void hear_result(struct member *m, const struct member_news *n)
{
	struct job *job = m->job;
	uint64_t now = clock_mono();

	if (job)
		take_results(job, n);
	if (n->result.recycled)
		metrics.recycled++;
	else
		metrics.fresh++;
	take_renewal(m, &n->renewal);
	m->job = NULL;
	m->warm = n->result.kept && n->renewal.warm;
	m->crew->run_ended = now;
	crew_move(m, RENEWING, now);
	if (job) {
		running--;
		finish(job, status_of(&n->result));
	}
	dispatch(m);
}

static void hear_idle(struct member *m, const struct renewal *r)
{
	take_renewal(m, r);
	if (m->state == RENEWING)
		crew_move(m, READY, clock_mono());
	crew_set_warm(m, r->warm);
	if (!r->warm)
		train(m->crew);
}

static void hear_warm(struct member *m, const struct renewal *r)
{
	take_renewal(m, r);
	crew_set_warm(m, r->warm);
	train(m->crew);
}

static void handle(struct member *m, const struct member_news *n)
{
	switch (n->kind) {
	case MESSAGE_READY:
		hear_ready(m);
		break;
	case MESSAGE_RESULT:
		hear_result(m, n);
		break;
	case MESSAGE_IDLE:
		hear_idle(m, &n->renewal);
		break;
	case MESSAGE_WARM:
		hear_warm(m, &n->renewal);
		break;
	default:
		hear_failed(m, n);
	}
}

/* Whoever breaks the rules is ended, and it is said once. */
static void stop_bad(struct member *m)
{
	crew_complain(m->crew, "it broke the rules of its channel");
	stop(m, "the worker sent a bad answer");
}

static void receive(struct member *m)
{
	struct member_news n;
	int r;

	while (m->state != STOPPED) {
		r = member_hear(m, &n);
		if (r == 0)
			return;
		if (r == 1)
			handle(m, &n);
		else if (r == -EPIPE)
			stop(m, "the worker ended during the run");
		else if (r == -ENOMEM)
			stop(m, "no memory for the output");
		else
			stop_bad(m);
	}
}

/* Its request, or what came behind it, is sent as far as it goes. */
static void go_on(struct member *m)
{
	int r = member_go_on(m);

	if (r == 1)
		watch_output(m, false);
	else if (r < 0)
		stop(m, "the worker ended before the run began");
}

static void member_ready(struct watch *w, uint32_t events)
{
	struct member *m = (struct member *)w;

	if (m->state == STOPPED)
		return;
	if (events & EPOLLOUT)
		go_on(m);
	if (m->state != STOPPED && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		receive(m);
}

/* ---- the interface ---- */

enum pool_verdict pool_admit(struct job *const *jobs, size_t count,
			     uint64_t owner)
{
	size_t counts[POOL_LANGUAGES] = { 0 }, size = 0, waiting = 0;
	size_t most = options.max_queue;

	for (size_t i = 0; i < count; i++) {
		counts[jobs[i]->language]++;
		size += jobs[i]->parts.size;
	}
	for (int l = 0; l < language_count; l++) {
		size_t ready = crew_free(&languages[l]);
		size_t minimum = languages[l].minimum;

		waiting += counts[l] > ready ? counts[l] - ready : 0;
		most += counts[l] < minimum ? counts[l] : minimum;
	}
	if (waiting == 0 || waiting_has_room(waiting, size, owner))
		return POOL_TAKEN;
	return count > most ? POOL_NEVER : POOL_FULL;
}

int pool_submit(struct job *job)
{
	struct crew *c = &languages[job->language];
	struct member *m = crew_choose(c);
	struct job *other;

	job->node.lane = NULL;
	job->member = NULL;
	if (m) {
		give(m, job);
		return 0;
	}
	while ((other = waiting_displace(job))) {
		metrics.refused++;
		finish(other, JOB_REFUSED);
	}
	if (waiting_put(&c->queue, job))
		return -EAGAIN;
	watch_crew(c);
	return 0;
}

/* The worker says when it is over; that costs it its VM at most. */
static void cancel_run(struct member *m)
{
	uint64_t now = clock_mono();
	int r;

	running--;
	m->job->member = NULL;
	r = member_cancel(m);
	m->job = NULL;
	crew_move(m, CANCELLING, now);
	if (m->deadline > loop_clock(now) + GRACE_NS)
		m->deadline = loop_clock(now) + GRACE_NS;
	sent(m, r);
}

bool pool_cancel(struct job *job)
{
	if (job->member) {
		cancel_run(job->member);
		return true;
	}
	if (!waiting_is(job))
		return false;
	waiting_remove(job);
	return true;
}

static void drain_queue(struct crew *c, enum job_status status, unsigned most)
{
	struct job *job;

	while (most-- > 0 && (job = waiting_take(&c->queue)))
		finish(job, status);
}

static void drain_some(struct task *t)
{
	for (int i = 0; i < language_count; i++)
		drain_queue(&languages[i], JOB_DRAINED, REFUSED_BURST);
	if (waiting_count())
		loop_add(t);
}

void pool_drain(void)
{
	static struct task draining = { .run = drain_some };

	loop_add(&draining);
}

unsigned pool_running(void)
{
	return running;
}

bool pool_idle(void)
{
	return running == 0 && waiting_count() == 0;
}

/* It does not answer though it should, and has not begun to either. */
static bool is_hung(struct member *m, uint64_t now)
{
	size_t received = m->channel.in_size;

	if (!crew_is_hung(m, now))
		return false;
	receive(m); /* what has come may not have been looked at yet */
	if (!crew_is_hung(m, now))
		return false;
	return m->channel.in_size <= received ||
	       loop_clock(now) > m->deadline + LATE_NS;
}

static void end_hung(struct crew *c, uint64_t now)
{
	static const char *const whens[MEMBER_STATES] = { [STARTING] = "startin"
								       "g",
							  [READY] = "waiting",
							  [RENEWING] = "renewin"
								       "g",
							  [BUSY] = "in a run",
							  [CANCELLING] = "cance"
									 "llin"
									 "g" };

	for (unsigned i = 0; i < c->maximum; i++) {
		struct member *m = &c->members[i];
		char why[64];

		if (!is_hung(m, now))
			continue;
		snprintf(why, sizeof(why), "it hung, %s, and was killed",
			 m->owes_warm ? "training" : whens[m->state]);
		crew_complain(c, why);
		stop(m, "the worker hung and was killed");
	}
}

static void template_loaded(struct stock *s)
{
	struct crew *c = s->context;

	c->memory_mb = stock_memory_mb(s);
	crew_fill(c);
	train(c);
}

static void template_failed(struct stock *s)
{
	struct crew *c = s->context;

	if (!stock_is_building(s))
		crew_complain(c, s->reason);
	if (stock_ready(s))
		return;
	c->failed = !stock_is_building(s);
	for (unsigned i = 0; i < c->maximum; i++)
		stop(&c->members[i], "the template was overwritten");
}

/* No complaint of a crew's, of which not all are told. */
static void template_noted(struct stock *s, const char *level)
{
	const struct crew *c = s->context;

	log_event(level, "%s: %s", c->name, s->reason);
}

void pool_reap(uint64_t now)
{
	for (int i = 0; i < language_count; i++) {
		stock_tick(&languages[i].stock, now);
		crew_reap(&languages[i], false);
		crew_fill(&languages[i]);
	}
}

void pool_tick(uint64_t now)
{
	pool_reap(now);
	for (int i = 0; i < language_count; i++) {
		struct crew *c = &languages[i];

		end_hung(c, now);
		crew_shrink(c, now);
		watch_crew(c);
		if (crew_serves(c))
			c->served = now;
		else if (c->failed && !stock_is_building(&c->stock) &&
			 now > c->served + UNSERVED_NS)
			drain_queue(c, JOB_UNSERVED, REFUSED_BURST);
	}
	train(languages);
}

static int find_language(const char *name, size_t size)
{
	for (int i = 0; i < language_count; i++)
		if (strlen(languages[i].name) == size &&
		    !memcmp(languages[i].name, name, size))
			return i;
	return -1;
}

int pool_language(const char *name, size_t size)
{
	const char *other = language_of_alias(name, size);
	int i = find_language(name, size);

	return i < 0 && other ? find_language(other, strlen(other)) : i;
}

const char *pool_describe(int language, bool *ready, int *memory_mb)
{
	if (language >= language_count)
		return NULL;
	*ready = crew_serves(&languages[language]);
	*memory_mb = languages[language].memory_mb;
	return languages[language].name;
}

const char *pool_file(int language)
{
	return languages[language].path;
}

const char *pool_reason(int language)
{
	const struct crew *c = &languages[language];

	if (crew_serves(c))
		return NULL;
	if (stock_is_building(&c->stock))
		return "building";
	return c->complaint[0] ? c->complaint : NULL;
}

/* Private memory of a process in bytes (proc(5), statm), 0 when it is gone. */
static uint64_t private_memory(pid_t pid)
{
	unsigned long resident = 0, shared = 0;
	char path[64];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (f) {
		/* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
		n = fscanf(f, "%*u %lu %lu", &resident, &shared);
		fclose(f);
	}
	return n == 2 && resident > shared ? (resident - shared) * 4096 : 0;
}

static void put_workers(struct text *t)
{
	static const char *const states[MEMBER_STATES] = {
		"stopped", "starting", "ready", "renewing", "busy", "cancelling"
	};
	const char *name = "zeroboot_workers";

	metrics_series(t, name, "gauge",
		       "Worker processes by state; stopped: missing of the "
		       "minimum.");
	for (int l = 0; l < language_count; l++)
		for (int s = 0; s < MEMBER_STATES; s++)
			text_format(t, "%s{language=\"%s\",state=\"%s\"} %u\n",
				    name, languages[l].name, states[s],
				    s == STOPPED ? crew_missing(&languages[l]) :
						   languages[l].count[s]);
	name = "zeroboot_workers_maximum";
	metrics_series(t, name, "gauge", "How many there may be.");
	for (int l = 0; l < language_count; l++)
		text_format(t, "%s{language=\"%s\"} %u\n", name,
			    languages[l].name, languages[l].maximum);
}

static unsigned count_warm(const struct crew *c)
{
	unsigned warm = 0;

	for (unsigned i = 0; i < c->maximum; i++)
		warm += c->members[i].state >= READY && c->members[i].warm;
	return warm;
}

static void put_warm(struct text *t)
{
	metrics_series(t, "zeroboot_workers_warm", "gauge",
		       "Workers whose VM has been trained.");
	for (int l = 0; l < language_count; l++) {
		text_format(t, "zeroboot_workers_warm{language=\"%s\"} %u\n",
			    languages[l].name, count_warm(&languages[l]));
	}
}

static void put_counter(struct text *t, const char *name, const char *help,
			uint64_t value)
{
	metrics_series(t, name, "counter", help);
	text_format(t, "%s %llu\n", name, (unsigned long long)value);
}

/* Of all together. Of many workers some are looked at each time, so that no
 * question takes long. */
static uint64_t memory(void)
{
	static unsigned next;
	unsigned all = pool_size();
	uint64_t sum = private_memory(getpid());

	for (unsigned i = 0; i < all && i < MEMORY_LOOKS; i++) {
		unsigned n = next++ % all;
		struct member *m = &languages[n / options.maximum]
					    .members[n % options.maximum];

		m->memory = m->state == STOPPED ? 0 : private_memory(m->pid);
	}
	for (int l = 0; l < language_count; l++)
		for (unsigned i = 0; i < languages[l].maximum; i++)
			sum += languages[l].members[i].memory;
	return sum;
}

void pool_log(void)
{
	for (int l = 0; l < language_count; l++) {
		const struct crew *c = &languages[l];

		log_event("info",
			  "state of %s: workers: %u ready, %u busy, %u "
			  "starting, %u missing, %u at most, %u warm",
			  c->name, c->count[READY], c->count[BUSY],
			  c->count[STARTING], crew_missing(c), c->maximum,
			  count_warm(c));
	}
	log_event("info",
		  "state: %u runs under way, %u of %u wait; %.1f MiB of "
		  "memory, "
		  "workers included",
		  running, waiting_count(), options.max_queue,
		  (double)memory() / (1 << 20));
}

void pool_metrics(struct text *t)
{
	metrics_series(t, "zeroboot_memory_usage_bytes", "gauge",
		       "Private memory of the server and its workers.");
	text_format(t, "zeroboot_memory_usage_bytes %llu\n",
		    (unsigned long long)memory());
	metrics_series(t, "zeroboot_concurrent_forks", "gauge",
		       "Runs under way.");
	text_format(t, "zeroboot_concurrent_forks %u\n", running);
	metrics_series(t, "zeroboot_queue_depth", "gauge", "Runs that wait.");
	text_format(t, "zeroboot_queue_depth %u\n", waiting_count());
	put_workers(t);
	put_warm(t);
	put_counter(t, "zeroboot_worker_restarts_total",
		    "Workers that ended and were replaced.", restarts);
	put_counter(t, "zeroboot_workers_added_total",
		    "Workers started beyond the minimum.", crews.added);
	put_counter(t, "zeroboot_workers_removed_total",
		    "Of them, those that ended because they were idle.",
		    crews.removed);
	metrics_series(t, "zeroboot_template_load_seconds", "gauge",
		       "From a worker's start to its first VM, last time.");
	for (int l = 0; l < language_count; l++)
		text_format(t,
			    "zeroboot_template_load_seconds{language=\"%s\"} "
			    "%.6f\n",
			    languages[l].name,
			    (double)languages[l].load_ns / 1e9);
}

/* ---- start and end ---- */

static int add_language(const char *directory, const char *name, size_t size,
			struct err *e)
{
	struct crew *c = &languages[language_count];
	struct stat st;
	int n;

	if (language_count == POOL_LANGUAGES)
		return err_set(e, -E2BIG, "%s: more than %d templates",
			       directory, POOL_LANGUAGES);
	memcpy(c->name, name, size);
	c->name[size] = 0;
	n = snprintf(c->path, sizeof(c->path), "%s/%.*s.zbt", directory,
		     (int)size, name);
	if (n < 0 || (size_t)n >= sizeof(c->path))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", c->name);
	if (stat(c->path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a zeroboot template",
			       c->path);
	if (crew_open(c, options.minimum, options.maximum))
		return err_set(e, -ENOMEM, "no memory");
	waiting_add_queue(&c->queue);
	language_count++;
	return 0;
}

/* A template or an image, or both. */
static int add_file(const char *directory, const char *file, struct err *e)
{
	size_t size = strlen(file);

	if (size <= 4 || size - 4 >= sizeof(languages[0].name) ||
	    (strcmp(file + size - 4, ".zbt") && strcmp(file + size - 4, ".im"
									"g")))
		return 0;
	/* It is a label in the metrics and a word in requests and logs. */
	if (strspn(file, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789_.+-") != size)
		return err_set(e, -EINVAL,
			       "%s/%s: other characters in the name than A-Z "
			       "a-z 0-9 _ . + -",
			       directory, file);
	if (find_language(file, size - 4) >= 0)
		return 0;
	return add_language(directory, file, size - 4, e);
}

static int add_directory(const char *directory, struct err *e)
{
	DIR *d = opendir(directory);
	struct dirent *entry;
	int r = 0;

	if (!d)
		return err_set(e, -errno, "templates: %s: %s", directory,
			       strerror(errno));
	while (r == 0 && (entry = readdir(d)))
		r = add_file(directory, entry->d_name, e);
	closedir(d);
	return r;
}

static int add_box(const char *path, struct err *e)
{
	struct box b;
	int r = box_open(&b, path, e);

	if (r)
		return r == -ENOEXEC ? -ENOTDIR : r;
	for (uint32_t i = 0; i < b.count && r == 0; i++)
		if (b.parts[i].kind == BOX_IMAGE)
			r = add_file(path, b.parts[i].name, e);
	box_close(&b);
	return r;
}

static int open_timer(struct err *e)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = &timer };

	timer.watch.ready = timer_ready;
	timer.uptime = proc_open("uptime", O_RDONLY);
	timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (timer.fd < 0 ||
	    epoll_ctl(crews.epoll, EPOLL_CTL_ADD, timer.fd, &event) < 0)
		return err_set(e, -errno, "timer: %s", strerror(errno));
	return 0;
}

int pool_open(int epoll, const struct pool_options *o, struct err *e)
{
	const char *directory = image_directory(o->directory);
	int r;

	options = *o;
	waiting_open(o->max_queue);
	crews = (struct crews){ .epoll = epoll,
				.cpus = o->cpus,
				.host = o->host,
				.fresh = o->fresh,
				.ready = member_ready,
				.loaded = template_loaded,
				.failed = template_failed,
				.noted = template_noted };
	r = open_timer(e);
	if (r)
		return r;
	r = add_directory(directory, e);
	if (r == -ENOTDIR)
		r = add_box(directory, e);
	if (r == 0 && language_count == 0)
		r = err_set(e, -ENOENT,
			    "templates: %s: no *.img and no *.zbt in it",
			    directory);
	return r;
}

unsigned pool_size(void)
{
	return (unsigned)language_count * options.maximum;
}

void pool_close(void)
{
	for (int l = 0; l < language_count; l++)
		for (unsigned i = 0; i < languages[l].maximum; i++)
			stop(&languages[l].members[i], "the server is ending");
	while (language_count > 0) {
		crew_reap(&languages[--language_count], true);
		crew_close(&languages[language_count]);
	}
	if (timer.fd >= 0)
		close(timer.fd);
	if (timer.uptime >= 0)
		close(timer.uptime);
	timer.fd = timer.uptime = -1;
}
