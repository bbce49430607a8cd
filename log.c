#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "metrics.h"
#include "rate.h"

#define BUFFER_MAX 65536
#define VALUE_MAX 256 /* bytes of what a client chose */
#define LINE_MAX 512  /* bytes of an event's text */
#define KINDS 32
#define KIND_BURST 20
#define KIND_STEP_NS 1000000000ull

static struct {
	enum log_format format;
	char data[BUFFER_MAX];
	size_t size;
	struct text line; /* kept between calls */
} out;

/* Events of one format. */
static struct kind {
	const char *format; /* NULL: a free place, as are all behind it */
	const char *level;  /* of the last one that was left out */
	char last[LINE_MAX];
	struct rate rate;
} kinds[KINDS];

void log_open(enum log_format format)
{
	out.format = format;
}

/* ---- one line ---- */

static void begin(const char *level)
{
	uint64_t now = clock_wall();
	time_t seconds = (time_t)(now / 1000000000);
	char date[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	out.line.size = 0;
	text_format(&out.line,
		    out.format == LOG_JSON ? "{\"time\":\"%s.%03uZ\",\"level\":"
					     "\"%s\"" :
					     "time=%s.%03uZ level=%s",
		    date, (unsigned)(now / 1000000 % 1000), level);
}

static void name(const char *key)
{
	text_format(&out.line,
		    out.format == LOG_JSON ? ",\"%s\":" : " %s=", key);
}

/* Printable ASCII without what logfmt gives a meaning. */
static bool plain(const char *value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (value[i] <= ' ' || value[i] > '~' || value[i] == '"' ||
		    value[i] == '=' || value[i] == '\\')
			return false;
	return size > 0;
}

static void put_bytes(const char *key, const char *value, size_t size)
{
	if (size > VALUE_MAX)
		size = VALUE_MAX;
	name(key);
	if (out.format == LOG_LOGFMT && plain(value, size))
		text_add(&out.line, value, size);
	else
		text_json_string(&out.line, value, size);
}

static void put_string(const char *key, const char *value)
{
	put_bytes(key, value, strlen(value));
}

static void put_number(const char *key, long long value)
{
	name(key);
	text_format(&out.line, "%lld", value);
}

static void put_ms(const char *key, uint64_t ns)
{
	name(key);
	text_format(&out.line, "%.3f", (double)ns / 1e6);
}

static void end(void)
{
	if (out.format == LOG_JSON)
		text_add(&out.line, "}", 1);
	text_add(&out.line, "\n", 1);
	if (out.line.failed || out.line.size > BUFFER_MAX - out.size)
		log_flush();
	if (out.line.failed || out.line.size > BUFFER_MAX - out.size) {
		metrics.log_lines_dropped++;
		out.line.failed = false;
		return;
	}
	memcpy(out.data + out.size, out.line.data, out.line.size);
	out.size += out.line.size;
}

void log_put_request(const struct log_request *r)
{
	begin("info");
	put_string("msg", "request");
	put_string("id", r->id);
	put_string("client", r->client);
	if (r->key)
		put_string("key", r->key);
	put_bytes("method", r->method, r->method_size);
	put_bytes("path", r->path, r->path_size);
	put_number("status", r->status);
	if (r->executions)
		put_number("executions", r->executions);
	if (r->language) {
		put_string("language", r->language);
		put_number("exit_code", r->exit_code);
		put_ms("queue_ms", r->wait_ns);
		put_ms("fork_ms", r->fork_ns);
		put_ms("exec_ms", r->exec_ns);
	}
	put_ms("total_ms", r->total_ns);
	put_number("bytes_in", (long long)r->bytes_in);
	put_number("bytes_out", (long long)r->bytes_out);
	end();
}

/* ---- events ---- */

static void put_event(const char *level, const char *text)
{
	begin(level);
	put_string("msg", text);
	end();
}

/* The kind of a format; those that find no place share the last. */
static struct kind *find_kind(const char *format)
{
	struct kind *k = kinds;

	while (k < kinds + KINDS - 1 && k->format && k->format != format)
		k++;
	if (!k->format) {
		k->format = format;
		k->rate = (struct rate){ .burst = KIND_BURST,
					 .step_ns = KIND_STEP_NS };
	}
	return k;
}

void log_event(const char *level, const char *format, ...)
{
	struct kind *k = find_kind(format);
	char text[LINE_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (rate_take(&k->rate, clock_mono())) {
		put_event(level, text);
		return;
	}
	k->level = level;
	memcpy(k->last, text, sizeof(text));
}

void log_tick(uint64_t now)
{
	for (struct kind *k = kinds; k < kinds + KINDS && k->format; k++) {
		unsigned missed = rate_missed(&k->rate, now);
		char text[LINE_MAX + 64];

		if (!missed)
			continue;
		snprintf(text, sizeof(text), "%u more like this: %s", missed,
			 k->last);
		put_event(k->level, text);
	}
}

/* ---- stderr ---- */

void log_flush(void)
{
	size_t at = 0;

	while (at < out.size) {
		struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
		/* A pipe that polls writable takes PIPE_BUF bytes at least
		 * (pipe(7)), so that this much never blocks. */
		size_t size = out.size - at < 4096 ? out.size - at : 4096;
		ssize_t n;

		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
			break;
		n = write(STDERR_FILENO, out.data + at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	out.size -= at;
	memmove(out.data, out.data + at, out.size);
}
