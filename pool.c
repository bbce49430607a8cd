#include "pool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "metrics.h"
#include "template.h"
#include "vmm.h"
#include "worker.h"

#define SYSTEM_TEMPLATES "/var/lib/zeroboot/templates"
#define GRACE_NS 2000000000ull   /* over its timeout, then a worker is hung */
#define RESTART_NS 500000000ull  /* between starts of one that dies at once */

enum state { STOPPED, STARTING, READY, BUSY };

struct worker {
	struct watch watch; /* first */
	int language, channel;
	pid_t pid;
	enum state state;
	bool warm;          /* its VM's pages are there already */
	struct job *job;
	uint64_t last_used; /* monotonic */
	uint64_t deadline;   /* of the running job */
	uint64_t not_before; /* of the next start */
	uint64_t started;
	/* what is under way on the channel */
	struct worker_request request;
	size_t sent;
	struct worker_reply reply;
	char *payload;
	size_t received;
};

struct language {
	char name[64], path[PATH_MAX];
	int memory_mb;
	uint64_t load_ns; /* from a worker's start to its first VM, last time */
	struct queue queue;
};

static struct language languages[POOL_LANGUAGES];
static int language_count;
static struct worker *workers;
static size_t worker_count;
static struct pool_options options;
static unsigned queued, running;
static uint64_t restarts;
static int epoll_fd;
static uint64_t next_id;

void job_free(struct job *job)
{
	free(job->code);
	free(job->out);
	free(job->err);
	free(job->message);
	free(job);
}

/* ---- processes ---- */

_Noreturn static void child(int channel, const char *path)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN); /* the front end decides when to end */
	signal(SIGPIPE, SIG_IGN);
	/* Nothing of the front end's goes along: not a client, not a peer. */
	for (int fd = 3; fd < 65536; fd++)
		if (fd != channel)
			close(fd);
	_exit(worker_main(channel, path, options.fresh));
}

static void start(struct worker *w, uint64_t now)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = w };
	int pair[2];

	w->not_before = now + RESTART_NS;
	w->started = now;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	fcntl(pair[0], F_SETFL, O_NONBLOCK);
	w->pid = fork();
	if (w->pid == 0)
		child(pair[1], languages[w->language].path);
	close(pair[1]);
	if (w->pid < 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, pair[0], &event) < 0) {
		close(pair[0]);
		return;
	}
	w->channel = pair[0];
	w->state = STARTING;
	w->warm = options.fresh;
	w->received = w->sent = 0;
}

static void finish(struct job *job, enum job_status status)
{
	job->worker = NULL;
	job->status = status;
	job->done(job);
}

/* The process is gone or must go; its job, if any, is answered honestly. */
static void stop(struct worker *w, const char *why)
{
	struct job *job = w->job;

	if (w->state == STOPPED)
		return;
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	close(w->channel);
	free(w->payload);
	w->payload = NULL;
	w->job = NULL;
	w->state = STOPPED;
	restarts++;
	if (!job)
		return;
	running--;
	job->message = strdup(why);
	finish(job, JOB_FAULT);
}

/* ---- the channel ---- */

static void watch_output(struct worker *w, bool output)
{
	struct epoll_event event = { .events = EPOLLIN |
					       (output ? EPOLLOUT : 0),
				     .data.ptr = w };

	epoll_ctl(epoll_fd, EPOLL_CTL_MOD, w->channel, &event);
}

/* Sends header and code as far as the channel takes them. */
static bool send_request(struct worker *w)
{
	const size_t head = sizeof(w->request);
	size_t total = head + w->job->code_size;

	while (w->sent < total) {
		struct iovec v[2] = {
			{ (char *)&w->request + w->sent, head - w->sent },
			{ w->job->code, w->job->code_size }
		};
		struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
		ssize_t n;

		if (w->sent >= head) {
			v[0] = (struct iovec){ w->job->code + w->sent - head,
					       total - w->sent };
			m.msg_iovlen = 1;
		}
		n = sendmsg(w->channel, &m, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			watch_output(w, true);
			return true;
		}
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			w->sent += (size_t)n;
	}
	return true;
}

static void give(struct worker *w, struct job *job)
{
	uint64_t now;

	w->job = job;
	w->state = BUSY;
	w->sent = w->received = 0;
	w->request = (struct worker_request){
		.id = ++next_id,
		.timeout_ms = job->timeout_ms,
		.code_size = (uint32_t)job->code_size,
		.output_limit = job->output_limit,
	};
	now = clock_mono();
	w->request.sent_ns = now;
	w->deadline = now + (uint64_t)job->timeout_ms * 1000000 + GRACE_NS;
	job->wait_ns = now - job->submitted_ns;
	job->worker = w;
	running++;
	if (!send_request(w))
		stop(w, "the worker ended before the run began");
}

static void unqueue(struct job *job)
{
	queue_remove(&job->node);
	queued--;
}

/* A worker is free: the next in turn for its language gets it. */
static void dispatch(struct worker *w)
{
	struct queue_node *n;

	if (w->state != READY)
		return;
	n = queue_take(&languages[w->language].queue);
	if (!n)
		return;
	queued--;
	give(w, (struct job *)n);
}

static bool reply_ok(const struct worker *w)
{
	const struct worker_reply *r = &w->reply;

	if (r->stdout_size > WORKER_OUTPUT_MAX ||
	    r->stderr_size > WORKER_OUTPUT_MAX ||
	    r->message_size > WORKER_MESSAGE_MAX ||
	    r->discarded >= RECYCLE_RESULTS)
		return false;
	if (r->status == WORKER_WARM)
		return w->state >= READY && w->received == sizeof(*r) &&
		       r->stdout_size + r->stderr_size + r->message_size == 0;
	if (w->state == STARTING)
		return r->status == WORKER_READY;
	return w->state == BUSY && r->status > WORKER_READY &&
	       r->status < WORKER_WARM &&
	       r->id == w->request.id && r->exit_code >= 0 &&
	       r->exit_code <= 255;
}

static char *copy(const char *from, size_t size)
{
	char *to = malloc(size + 1);

	if (!to)
		return NULL;
	memcpy(to, from, size);
	to[size] = 0;
	return to;
}

static void complete(struct worker *w)
{
	const struct worker_reply *r = &w->reply;
	struct job *job = w->job;
	enum job_status status = JOB_FAULT;

	w->received = 0;
	if (w->state != BUSY || r->status == WORKER_WARM) {
		free(w->payload); /* of no bytes, but allocated */
		w->payload = NULL;
	}
	if (r->status == WORKER_WARM) {
		w->warm = true;
		return;
	}
	if (w->state == STARTING) {
		w->state = READY;
		w->not_before = 0;
		languages[w->language].load_ns = clock_mono() - w->started;
		dispatch(w);
		return;
	}
	job->out = copy(w->payload, r->stdout_size);
	job->err = copy(w->payload + r->stdout_size, r->stderr_size);
	job->message = copy(w->payload + r->stdout_size + r->stderr_size,
			    r->message_size);
	job->out_size = job->out ? r->stdout_size : 0;
	job->err_size = job->err ? r->stderr_size : 0;
	job->exit_code = r->exit_code;
	job->fork_ns = r->fork_ns;
	job->exec_ns = r->exec_ns;
	if (r->status == WORKER_DONE)
		status = JOB_DONE;
	else if (r->status == WORKER_TIMEOUT)
		status = JOB_TIMEOUT;
	if (r->recycled)
		metrics.recycled++;
	else
		metrics.fresh++;
	if (r->discarded)
		metrics.discarded[r->discarded]++;
	free(w->payload);
	w->payload = NULL;
	w->job = NULL;
	/* A run that was cut off takes its VM along. */
	if (r->status != WORKER_DONE)
		w->warm = options.fresh;
	w->last_used = clock_mono();
	w->state = READY;
	running--;
	finish(job, status);
	dispatch(w);
}

static void receive(struct worker *w)
{
	const size_t head = sizeof(w->reply);

	for (;;) {
		size_t total = head;
		char *to = (char *)&w->reply + w->received;
		ssize_t n;

		if (w->received >= head) {
			total += w->reply.stdout_size + w->reply.stderr_size +
				 w->reply.message_size;
			to = w->payload + (w->received - head);
		}
		n = recv(w->channel, to, total - w->received, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			stop(w, "the worker ended during the run");
			return;
		}
		w->received += (size_t)n;
		if (w->received < head)
			continue;
		if (w->received == head) {
			if (!reply_ok(w)) {
				stop(w, "the worker sent a bad answer");
				return;
			}
			total = head + w->reply.stdout_size +
				w->reply.stderr_size + w->reply.message_size;
			w->payload = malloc(total - head + 1);
			if (!w->payload) {
				stop(w, "no memory for the output");
				return;
			}
		}
		if (w->received == total) {
			complete(w);
			if (w->state != BUSY)
				return;
		}
	}
}

static void worker_ready(struct watch *watch, uint32_t events)
{
	struct worker *w = (struct worker *)watch;

	if (w->state == STOPPED)
		return;
	if ((events & EPOLLOUT) && w->state == BUSY) {
		watch_output(w, false);
		if (!send_request(w)) {
			stop(w, "the worker ended before the run began");
			return;
		}
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		receive(w);
}

/* ---- the interface ---- */

/* A warm one before a cold one, and the one that has had most time to make its
 * VM ready again. */
static struct worker *free_worker(int language)
{
	struct worker *best = NULL;

	for (size_t i = 0; i < worker_count; i++) {
		struct worker *w = &workers[i];

		if (w->state != READY || w->language != language)
			continue;
		if (!best || (w->warm && !best->warm) ||
		    (w->warm == best->warm && w->last_used < best->last_used))
			best = w;
	}
	return best;
}

/* Somebody's newest job that must go, so that this owner gets a place. */
static struct job *victim(uint64_t owner)
{
	struct queue_node *found = NULL;
	unsigned most = 0, count, own = 0;

	for (int i = 0; i < language_count; i++) {
		struct queue_node *n =
			queue_longest(&languages[i].queue, &count);

		if (n && count > most) {
			most = count;
			found = n;
		}
		own += queue_count(&languages[i].queue, owner);
	}
	return found && found->owner != owner && most > own + 1 ?
		       (struct job *)found :
		       NULL;
}

bool pool_room(int language, size_t count, uint64_t owner)
{
	size_t room = options.max_queue > queued ? options.max_queue - queued : 0;

	for (size_t i = 0; i < worker_count; i++)
		room += workers[i].state == READY &&
			workers[i].language == language;
	return count <= room || (count == 1 && victim(owner));
}

int pool_submit(struct job *job)
{
	struct worker *w = free_worker(job->language);

	job->node.lane = NULL;
	job->worker = NULL;
	if (w) {
		give(w, job);
		return 0;
	}
	if (queued >= options.max_queue) {
		struct job *other = victim(job->node.owner);

		if (!other)
			return -EAGAIN;
		unqueue(other);
		metrics.refused++;
		finish(other, JOB_REFUSED);
	}
	if (queue_add(&languages[job->language].queue, &job->node))
		return -EAGAIN;
	queued++;
	return 0;
}

bool pool_cancel(struct job *job)
{
	struct worker *w = job->worker;

	if (w) {
		w->job = NULL;
		running--;
		stop(w, "");
		w->not_before = 0;
		return true;
	}
	if (!job->node.lane)
		return false;
	unqueue(job);
	return true;
}

void pool_drain(void)
{
	for (int i = 0; i < language_count; i++) {
		struct queue_node *n;

		while ((n = queue_take(&languages[i].queue))) {
			queued--;
			finish((struct job *)n, JOB_DRAINED);
		}
	}
}

bool pool_idle(void)
{
	return running == 0 && queued == 0;
}

void pool_tick(uint64_t now)
{
	for (size_t i = 0; i < worker_count; i++) {
		struct worker *w = &workers[i];

		if (w->state == BUSY && now > w->deadline)
			stop(w, "the worker hung and was killed");
		if (w->state == STOPPED && now >= w->not_before)
			start(w, now);
	}
}

int pool_language(const char *name, size_t size)
{
	if (size == 10 && !memcmp(name, "javascript", 10)) {
		name = "node";
		size = 4;
	}
	for (int i = 0; i < language_count; i++)
		if (strlen(languages[i].name) == size &&
		    !memcmp(languages[i].name, name, size))
			return i;
	return -1;
}

const char *pool_describe(int language, bool *ready, int *memory_mb)
{
	if (language >= language_count)
		return NULL;
	*ready = false;
	*memory_mb = languages[language].memory_mb;
	for (size_t i = 0; i < worker_count; i++)
		*ready |= workers[i].language == language &&
			  workers[i].state >= READY;
	return languages[language].name;
}

/* Private memory of a process in bytes (proc(5), statm), 0 when it is gone. */
static uint64_t private_memory(pid_t pid)
{
	unsigned long resident, shared;
	char path[64];
	int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (f) {
		n = fscanf(f, "%*u %lu %lu", &resident, &shared);
		fclose(f);
	}
	return n == 2 && resident > shared ? (resident - shared) * 4096 : 0;
}

static void put_workers(struct text *t)
{
	static const char *const states[] = { "stopped", "starting", "ready",
					      "busy" };
	const char *name = "zeroboot_workers";

	metrics_series(t, name, "gauge", "Worker processes by state.");
	for (int l = 0; l < language_count; l++) {
		unsigned counts[4] = { 0 };

		for (size_t i = 0; i < worker_count; i++)
			if (workers[i].language == l)
				counts[workers[i].state]++;
		for (int s = 0; s < 4; s++)
			text_format(t,
				    "%s{language=\"%s\",state=\"%s\"} %u\n",
				    name, languages[l].name, states[s],
				    counts[s]);
	}
}

void pool_metrics(struct text *t)
{
	uint64_t memory = private_memory(getpid());

	for (size_t i = 0; i < worker_count; i++)
		if (workers[i].state != STOPPED)
			memory += private_memory(workers[i].pid);
	metrics_series(t, "zeroboot_memory_usage_bytes", "gauge",
		       "Private memory of the server and its workers.");
	text_format(t, "zeroboot_memory_usage_bytes %llu\n",
		    (unsigned long long)memory);
	metrics_series(t, "zeroboot_concurrent_forks", "gauge",
		       "Runs under way.");
	text_format(t, "zeroboot_concurrent_forks %u\n", running);
	metrics_series(t, "zeroboot_queue_depth", "gauge", "Runs that wait.");
	text_format(t, "zeroboot_queue_depth %u\n", queued);
	put_workers(t);
	metrics_series(t, "zeroboot_worker_restarts_total", "counter",
		       "Workers that ended and were replaced.");
	text_format(t, "zeroboot_worker_restarts_total %llu\n",
		    (unsigned long long)restarts);
	metrics_series(t, "zeroboot_template_load_seconds", "gauge",
		       "From a worker's start to its first VM, last time.");
	for (int l = 0; l < language_count; l++)
		text_format(t,
			    "zeroboot_template_load_seconds{language=\"%s\"} %.6f\n",
			    languages[l].name,
			    (double)languages[l].load_ns / 1e9);
}

static int add_language(const char *directory, const char *file,
			struct err *e)
{
	struct language *l = &languages[language_count];
	size_t size = strlen(file);
	int n;

	if (size <= 4 || size - 4 >= sizeof(l->name) ||
	    strcmp(file + size - 4, ".zbt"))
		return 0;
	if (language_count == POOL_LANGUAGES)
		return err_set(e, -E2BIG, "%s: more than %d templates",
			       directory, POOL_LANGUAGES);
	memcpy(l->name, file, size - 4);
	l->name[size - 4] = 0;
	n = snprintf(l->path, sizeof(l->path), "%s/%s", directory, file);
	if (n < 0 || (size_t)n >= sizeof(l->path))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", file);
	l->memory_mb = template_memory_mb(l->path, e);
	if (l->memory_mb < 0)
		return l->memory_mb;
	language_count++;
	return 0;
}

int pool_open(int epoll, const struct pool_options *o, struct err *e)
{
	const char *directory = o->directory;
	struct dirent *entry;
	int r = 0;
	DIR *d;

	if (!directory)
		directory = access("templates", F_OK) == 0 ? "templates" :
							     SYSTEM_TEMPLATES;
	d = opendir(directory);
	if (!d)
		return err_set(e, -errno, "templates: %s: %s", directory,
			       strerror(errno));
	while (r == 0 && (entry = readdir(d)))
		r = add_language(directory, entry->d_name, e);
	closedir(d);
	if (r)
		return r;
	if (language_count == 0)
		return err_set(e, -ENOENT, "templates: %s: no *.zbt in it",
			       directory);
	epoll_fd = epoll;
	options = *o;
	worker_count = (size_t)language_count * o->workers;
	workers = calloc(worker_count, sizeof(*workers));
	if (!workers)
		return err_set(e, -ENOMEM, "no memory");
	for (size_t i = 0; i < worker_count; i++) {
		workers[i].watch.ready = worker_ready;
		workers[i].language = (int)(i % (size_t)language_count);
	}
	pool_tick(clock_mono());
	return 0;
}

void pool_close(void)
{
	for (size_t i = 0; i < worker_count; i++)
		stop(&workers[i], "the server is ending");
	free(workers);
	workers = NULL;
	worker_count = 0;
}
