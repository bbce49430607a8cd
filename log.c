#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "json.h"
#include "metrics.h"
#include "proc.h"
#include "rate.h"

#define BUFFER_MAX 65536
#define VALUE_MAX 256 /* bytes of what a client chose */
#define LINE_MAX 640  /* bytes of an event's text: any struct err, and whose */
#define KINDS 32
#define KIND_BURST 20
#define KIND_STEP_NS 1000000000ull

static struct {
	enum log_format format;
	char data[BUFFER_MAX];
	size_t size;
	struct text line; /* kept between calls */
	int fd;
	bool waits; /* a write to fd may have to */
} out = { .fd = STDERR_FILENO, .waits = true };

/* Events of one format. */
static struct kind {
	const char *format; /* NULL: a free place, as are all behind it */
	const char *level;  /* of the last one that was left out */
	char last[LINE_MAX];
	struct rate rate;
} kinds[KINDS];

/*
 * Others write to stderr, so that its flags are not ours to change; a pipe or a
 * terminal is opened once more instead. Where that cannot be, as with a socket, it
 * is polled before each write.
 */
void log_open(enum log_format format)
{
	struct stat st;
	int fd;

	out.format = format;
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	if (S_ISREG(st.st_mode)) {
		out.waits = false;
		return;
	}
	if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
		return;
	fd = proc_open("self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return;
	out.fd = fd;
	out.waits = false;
}

/* ---- one line ---- */

static void begin(const char *level)
{
	static time_t last = -1;
	static char date[40];
	uint64_t now = clock_wall();
	time_t seconds = (time_t)(now / 1000000000);
	unsigned ms = (unsigned)(now / 1000000 % 1000);
	char fraction[] = { '.', (char)('0' + ms / 100),
			    (char)('0' + ms / 10 % 10), (char)('0' + ms % 10),
			    'Z' };
	struct tm tm;

	if (seconds != last) {
		gmtime_r(&seconds, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		last = seconds;
	}
	out.line.size = 0;
	text_put(&out.line, out.format == LOG_JSON ? "{\"time\":\"" : "time=");
	text_put(&out.line, date);
	text_add(&out.line, fraction, sizeof(fraction));
	text_put(&out.line,
		 out.format == LOG_JSON ? "\",\"level\":\"" : " level=");
	text_put(&out.line, level);
	if (out.format == LOG_JSON)
		text_add(&out.line, "\"", 1);
}

/* A key as it stands in a line of either format. */
struct key {
	const char *text[2];
	size_t size[2];
};

#define KEY(name)                                                               \
	(&(const struct key){                                                   \
		{ [LOG_LOGFMT] = " " name "=", [LOG_JSON] = ",\"" name "\":" }, \
		{ [LOG_LOGFMT] = sizeof(name) + 1,                              \
		  [LOG_JSON] = sizeof(name) + 3 } })

static void put_key(const struct key *key)
{
	text_add(&out.line, key->text[out.format], key->size[out.format]);
}

/* Printable ASCII without what logfmt gives a meaning. */
static const bool is_plain[256] = {
	['!'] = true,
	['#' ... '<'] = true,
	['>' ... '['] = true,
	[']' ... '~'] = true,
};

static bool plain(const char *value, size_t size)
{
	size_t i = 0;

	while (i < size && is_plain[(uint8_t)value[i]])
		i++;
	return i == size && size > 0;
}

static void put_value(const struct key *key, const char *value, size_t size)
{
	put_key(key);
	if (out.format == LOG_LOGFMT && plain(value, size))
		text_add(&out.line, value, size);
	else
		text_json_string(&out.line, value, size);
}

static void put_bytes(const struct key *key, const char *value, size_t size)
{
	put_value(key, value, size < VALUE_MAX ? size : VALUE_MAX);
}

static void put_string(const struct key *key, const char *value)
{
	put_bytes(key, value, strlen(value));
}

static void put_number(const struct key *key, long long value)
{
	put_key(key);
	text_put_number(&out.line, value);
}

static void put_ms(const struct key *key, uint64_t ns)
{
	put_key(key);
	text_put_ms(&out.line, ns);
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
	put_string(KEY("msg"), "request");
	put_string(KEY("id"), r->id);
	put_string(KEY("client"), r->client);
	if (r->key)
		put_string(KEY("key"), r->key);
	put_bytes(KEY("method"), r->method, r->method_size);
	put_bytes(KEY("path"), r->path, r->path_size);
	put_number(KEY("status"), r->status);
	if (r->executions)
		put_number(KEY("executions"), r->executions);
	if (r->language) {
		put_string(KEY("language"), r->language);
		put_number(KEY("exit_code"), r->exit_code);
		put_ms(KEY("queue_ms"), r->wait_ns);
		put_ms(KEY("fork_ms"), r->fork_ns);
		put_ms(KEY("exec_ms"), r->exec_ns);
	}
	put_ms(KEY("total_ms"), r->total_ns);
	put_number(KEY("bytes_in"), (long long)r->bytes_in);
	put_number(KEY("bytes_out"), (long long)r->bytes_out);
	end();
}

/* ---- events ---- */

static void put_event(const char *level, const char *text)
{
	begin(level);
	put_value(KEY("msg"), text, strlen(text));
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

/* What polls writable takes PIPE_BUF bytes at least (pipe(7)), so that this much
 * never blocks. */
static bool may_write(size_t *size)
{
	struct pollfd p = { .fd = out.fd, .events = POLLOUT };

	*size = *size < 4096 ? *size : 4096;
	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

void log_flush(void)
{
	size_t at = 0;

	while (at < out.size) {
		size_t size = out.size - at;
		ssize_t n;

		if (out.waits && !may_write(&size))
			break;
		n = write(out.fd, out.data + at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		at += (size_t)n;
	}
	out.size -= at;
	memmove(out.data, out.data + at, out.size);
}
