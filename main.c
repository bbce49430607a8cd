/* main.c: the command line. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "cors.h"
#include "image_build.h"
#include "image_info.h"
#include "jail.h"
#include "language.h"
#include "load.h"
#include "host.h"
#include "run.h"
#include "server.h"
#include "template.h"
#include "worker.h"

#ifndef ZEROBOOT_VERSION
#define ZEROBOOT_VERSION "0.1.0"
#endif

#define EXIT_USAGE 2
#define DEFAULT_MEMORY_MB 256
#define DEFAULT_ADDRESS "127.0.0.1:8080"
#define MAX_WORKERS 4096 /* for each language */
#define SYSTEM_TEMPLATES "/var/lib/zeroboot/templates"

static const char usage_text[] =
	"usage:\n"
	"  zeroboot serve [--listen ADDR:PORT|[ADDR6]:PORT|unix:PATH]... "
	"[--templates DIR]\n"
	"                 [--workers N|MIN:MAX] [--max-queue N] "
	"[--drain-seconds N]\n"
	"                 [--request-seconds N] [--idle-seconds N] "
	"[--output-total MIB]\n"
	"                 [--log logfmt|json] [--fresh] [--user "
	"NAME|UID[:GID]]\n"
	"                 [--cors ORIGIN|*]...\n"
	"  zeroboot exec [-l LANGUAGE] [-t SECONDS] [--templates DIR] "
	"[--trace] [--stats] [FILE]\n"
	"  zeroboot image build -o FILE DIR|TAR|-\n"
	"  zeroboot image info [-l] FILE\n"
	"  zeroboot template build -o FILE [--memory MIB] [--program PATH] "
	"[--trace] IMAGE\n"
	"  zeroboot template info FILE\n"
	"  zeroboot run [--memory MIB] [-t SECONDS] [--trace] [--stats] IMAGE "
	"[PROGRAM [ARGUMENT...]]\n"
	"  zeroboot bench [--templates DIR] [-l LANGUAGE] [-n N] [FILE]\n"
	"  zeroboot --help | --version\n"
	"LANGUAGE:";

static void print_usage(FILE *to)
{
	const struct language *l;

	fputs(usage_text, to);
	for (size_t n = 0; (l = language_at(n)); n++) {
		fprintf(to, " %s", l->name);
		for (size_t i = 0; l->aliases[i]; i++)
			fprintf(to, "%s%s", i ? ", " : " (", l->aliases[i]);
		fputs("),", to);
	}
	fputs(" or a\ntemplate of your own by its name.\n", to);
}

/* A list of arguments, taken from the front. */
struct args {
	int count;
	char **list;
};

static int usage_error(const char *what, const char *why)
{
	fprintf(stderr, "zeroboot: %s: %s (see zeroboot --help)\n", what, why);
	return EXIT_USAGE;
}

static int failed(const struct err *e)
{
	fprintf(stderr, "zeroboot: %s\n", e->text);
	return 1;
}

/* True when the next argument is the option name, taken with its value. */
static bool option(struct args *a, const char *name, const char **value,
		   int *status)
{
	if (a->count == 0 || strcmp(a->list[0], name))
		return false;
	if (a->count < 2) {
		*status = usage_error(name, "needs a value");
		return true;
	}
	*value = a->list[1];
	a->list += 2;
	a->count -= 2;
	return true;
}

static bool flag(struct args *a, const char *name, bool *value)
{
	if (a->count == 0 || strcmp(a->list[0], name))
		return false;
	*value = true;
	a->list++;
	a->count--;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool number(struct args *a, const char *name, unsigned long low,
		   unsigned long high, unsigned long *value, int *status)
{
	const char *text = NULL;
	char *end;

	if (!option(a, name, &text, status))
		return false;
	if (!text)
		return true;
	errno = 0;
	*value = strtoul(text, &end, 10);
	if (errno || *end || !is_digit(text[0]) || *value < low ||
	    *value > high) {
		fprintf(stderr, "zeroboot: %s: %s is not between %lu and %lu\n",
			name, text, low, high);
		*status = EXIT_USAGE;
	}
	return true;
}

static bool is_option(const struct args *a)
{
	return a->count > 0 && a->list[0][0] == '-' && a->list[0][1];
}

/* ---- the commands ---- */

static bool listen_option(struct args *a, struct server_options *o, int *status)
{
	const char *address = NULL;

	if (!option(a, "--listen", &address, status))
		return false;
	if (!address)
		return true;
	if (o->listen_count == LISTENERS_MAX)
		*status = usage_error("--listen", "too many addresses");
	else
		o->listen[o->listen_count++] = address;
	return true;
}

static bool log_option(struct args *a, enum log_format *format, int *status)
{
	const char *name = NULL;

	if (!option(a, "--log", &name, status))
		return false;
	if (!name)
		return true;
	if (!strcmp(name, "logfmt"))
		*format = LOG_LOGFMT;
	else if (!strcmp(name, "json"))
		*format = LOG_JSON;
	else
		*status = usage_error("--log", "wants logfmt or json");
	return true;
}

static bool cors_option(struct args *a, int *status)
{
	const char *origin = NULL;
	struct err e = { "" };

	if (!option(a, "--cors", &origin, status))
		return false;
	if (origin && cors_allow(origin, &e))
		*status = usage_error("--cors", e.text);
	return true;
}

/* N: always so many; MIN:MAX: as many as are of use. */
static bool workers_option(struct args *a, struct server_options *o,
			   int *status)
{
	const char *text = NULL;
	unsigned long low, high;
	char *end;

	if (!option(a, "--workers", &text, status))
		return false;
	if (*status)
		return true;
	low = high = is_digit(text[0]) ? strtoul(text, &end, 10) : 0;
	if (low && *end == ':')
		high = is_digit(end[1]) ? strtoul(end + 1, &end, 10) : 0;
	if (low == 0 || *end || low > high || high > MAX_WORKERS) {
		fprintf(stderr,
			"zeroboot: --workers: %s is not N or MIN:MAX, 1 to "
			"%d\n",
			text, MAX_WORKERS);
		*status = EXIT_USAGE;
	}
	o->minimum = (unsigned)low;
	o->maximum = (unsigned)high;
	return true;
}

static int command_serve(struct args a)
{
	unsigned long queue = 256, drain = 30, request = 30, idle = 75;
	unsigned long output = 256;
	struct server_options o = { 0 };
	struct err e = { "" };
	int status = 0;

	while (is_option(&a) && !status) {
		if (!listen_option(&a, &o, &status) &&
		    !log_option(&a, &o.log, &status) &&
		    !cors_option(&a, &status) &&
		    !option(&a, "--templates", &o.templates, &status) &&
		    !workers_option(&a, &o, &status) &&
		    !option(&a, "--user", &o.user, &status) &&
		    !number(&a, "--max-queue", 0, 100000, &queue, &status) &&
		    !number(&a, "--drain-seconds", 0, 3600, &drain, &status) &&
		    !number(&a, "--request-seconds", 1, 3600, &request,
			    &status) &&
		    !number(&a, "--idle-seconds", 1, 3600, &idle, &status) &&
		    !number(&a, "--output-total", 1, 1 << 20, &output,
			    &status) &&
		    !flag(&a, "--fresh", &o.fresh))
			return usage_error(a.list[0], "unknown option");
	}
	if (status)
		return status;
	if (a.count)
		return usage_error(a.list[0], "serve takes no arguments");
	if (o.listen_count == 0)
		o.listen[o.listen_count++] = DEFAULT_ADDRESS;
	o.max_queue = (unsigned)queue;
	o.drain_seconds = (unsigned)drain;
	o.request_seconds = (unsigned)request;
	o.idle_seconds = (unsigned)idle;
	o.output_total = output << 20;
	o.host = host_ask(&e);
	return o.host ? server_run(&o) : failed(&e);
}

/* What the server loads a template with; see stock.c. */
static int command_load(struct args a)
{
	struct load_options o = { .file = jail_file(0),
				  .memory = jail_file(1),
				  .image = jail_file(2),
				  .pipe = jail_file(3) };
	int status = 0;

	while (is_option(&a) && !status)
		if (!option(&a, "--host", &o.host, &status) &&
		    !flag(&a, "--anew", &o.anew))
			return usage_error(a.list[0], "unknown option");
	if (status)
		return status;
	if (a.count != 1 || !o.host)
		return usage_error("load", "is started by zeroboot serve");
	if (fcntl(o.image, F_GETFD) < 0)
		o.image = -1;
	o.name = a.list[0];
	_exit(load_main(&o));
}

/* What the server starts its workers with; see pool.c. */
static int command_worker(struct args a)
{
	struct worker_options o = { 0 };
	int status = 0;

	while (is_option(&a) && !status)
		if (!option(&a, "--user", &o.user, &status) &&
		    !option(&a, "--template", &o.template, &status) &&
		    !option(&a, "--host", &o.host, &status) &&
		    !flag(&a, "--fresh", &o.fresh))
			return usage_error(a.list[0], "unknown option");
	if (status)
		return status;
	if (a.count || !o.template || !o.host)
		return usage_error("worker", "is started by zeroboot serve");
	_exit(worker_main(&o));
}

static int name_template(char *buf, size_t size, const char *directory,
			 const char *language)
{
	int n = snprintf(buf, size, "%s/%s.zbt", directory, language);

	return n <= 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* The language's template file, in buf. */
static int template_path(char *buf, size_t size, const char *directory,
			 const char *language)
{
	const char *other = language_of_alias(language, strlen(language));
	int r;

	if (!directory)
		directory = access("templates", F_OK) == 0 ? "templates" :
							     SYSTEM_TEMPLATES;
	if (strchr(language, '/'))
		return -EINVAL;
	r = name_template(buf, size, directory, language);
	if (r == 0 && other && access(buf, F_OK) < 0)
		r = name_template(buf, size, directory, other);
	return r;
}

/* Reads all of a file or, for NULL or "-", standard input. */
static int read_code(const char *path, char **code, size_t *size, struct err *e)
{
	bool standard = !path || !strcmp(path, "-");
	FILE *f = standard ? stdin : fopen(path, "r");
	size_t limit = (4u << 20) + 1;
	int r = 0;

	*code = NULL;
	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	*code = malloc(limit);
	if (!*code) {
		r = err_set(e, -ENOMEM, "no memory");
		goto out;
	}
	*size = fread(*code, 1, limit, f);
	if (ferror(f))
		r = err_set(e, -EIO, "%s: %s", standard ? "stdin" : path,
			    strerror(errno));
	else if (*size == limit)
		r = err_set(e, -E2BIG, "%s: longer than 4 MiB",
			    standard ? "stdin" : path);
out:
	if (!standard)
		fclose(f);
	return r;
}

static int command_exec(struct args a)
{
	struct exec_options o = { 0 };
	const char *language = "python", *directory = NULL;
	unsigned long seconds = 30;
	char path[PATH_MAX], *code = NULL;
	struct err e = { "" };
	int status = 0, r;
	size_t size = 0;

	while (is_option(&a) && !status) {
		if (!option(&a, "-l", &language, &status) &&
		    !number(&a, "-t", 1, 300, &seconds, &status) &&
		    !option(&a, "--templates", &directory, &status) &&
		    !flag(&a, "--trace", &o.trace) &&
		    !flag(&a, "--stats", &o.stats))
			return usage_error(a.list[0], "unknown option");
	}
	if (status)
		return status;
	if (a.count > 1)
		return usage_error(a.list[1], "exec takes one file");
	if (template_path(path, sizeof(path), directory, language))
		return usage_error(language, "no such language");
	o.template = path;
	o.timeout_ms = seconds * 1000;
	r = read_code(a.count ? a.list[0] : NULL, &code, &size, &e);
	if (r == 0)
		r = run_exec(&o, code, size, &e);
	free(code);
	return r < 0 ? failed(&e) : r;
}

static int command_image_info(struct args a)
{
	struct err e = { "" };
	bool list = false;

	while (is_option(&a))
		if (!flag(&a, "-l", &list))
			return usage_error(a.list[0], "unknown option");
	if (a.count != 1)
		return usage_error("image info", "wants FILE");
	return image_info(a.list[0], list, &e) < 0 ? failed(&e) : 0;
}

static int command_image(struct args a)
{
	const char *output = NULL;
	struct err e = { "" };
	int status = 0;

	if (a.count && !strcmp(a.list[0], "info"))
		return command_image_info(
			(struct args){ a.count - 1, a.list + 1 });
	if (a.count == 0 || strcmp(a.list[0], "build"))
		return usage_error("image", "wants: build or info");
	a.list++;
	a.count--;
	while (is_option(&a) && !status)
		if (!option(&a, "-o", &output, &status))
			return usage_error(a.list[0], "unknown option");
	if (status)
		return status;
	if (!output || a.count != 1)
		return usage_error("image build", "wants -o FILE DIR|TAR|-");
	return image_build(output, a.list[0], &e) < 0 ? failed(&e) : 0;
}

static int command_template(struct args a)
{
	struct template_options o = { 0 };
	unsigned long memory = DEFAULT_MEMORY_MB;
	struct err e = { "" };
	int status = 0;

	if (a.count == 2 && !strcmp(a.list[0], "info"))
		return template_info(a.list[1], &e) < 0 ? failed(&e) : 0;
	if (a.count == 0 || strcmp(a.list[0], "build"))
		return usage_error("template", "wants: build or info FILE");
	a.list++;
	a.count--;
	while (is_option(&a) && !status)
		if (!option(&a, "-o", &o.output, &status) &&
		    !option(&a, "--program", &o.program, &status) &&
		    !number(&a, "--memory", 32, 3072, &memory, &status) &&
		    !flag(&a, "--trace", &o.trace))
			return usage_error(a.list[0], "unknown option");
	if (status)
		return status;
	if (!o.output || a.count != 1)
		return usage_error("template build", "wants -o FILE IMAGE");
	o.image = a.list[0];
	o.memory_mb = memory & ~1ul; /* page tables cover 2 MiB each */
	return run_template_build(&o, &e) < 0 ? failed(&e) : 0;
}

static int command_run(struct args a)
{
	unsigned long memory = DEFAULT_MEMORY_MB, seconds = 0;
	struct program_options o = { 0 };
	struct err e = { "" };
	int status = 0, r;

	while (is_option(&a) && !status)
		if (!number(&a, "--memory", 32, 3072, &memory, &status) &&
		    !number(&a, "-t", 1, 86400, &seconds, &status) &&
		    !flag(&a, "--trace", &o.trace) &&
		    !flag(&a, "--stats", &o.stats))
			return usage_error(a.list[0], "unknown option");
	if (status)
		return status;
	if (a.count < 1)
		return usage_error("run", "wants IMAGE [PROGRAM]");
	o.image = a.list[0];
	o.argv = (const char *const *)&a.list[1];
	o.memory_mb = memory & ~1ul;
	o.timeout_ms = seconds * 1000;
	r = run_program(&o, &e);
	return r < 0 ? failed(&e) : r;
}

static int command_bench(struct args a)
{
	const char *language = "python", *directory = NULL;
	const struct language *known;
	unsigned long n = 200;
	struct err e = { "" };
	int status = 0, r = 0;
	char path[PATH_MAX], *code = NULL;
	const char *own[] = { NULL, NULL };
	size_t size = 0;

	while (is_option(&a) && !status)
		if (!option(&a, "-l", &language, &status) &&
		    !option(&a, "--templates", &directory, &status) &&
		    !number(&a, "-n", 1, 1000000, &n, &status))
			return usage_error(a.list[0], "unknown option");
	if (status)
		return status;
	if (a.count > 1)
		return usage_error(a.list[1], "bench takes one file");
	if (template_path(path, sizeof(path), directory, language))
		return usage_error(language, "no such language");
	known = language_find(language, strlen(language));
	if (!known && !a.count)
		return usage_error(language, "wants a FILE of code");
	if (a.count)
		r = read_code(a.list[0], &code, &size, &e);
	if (r == 0 && code)
		code[size] = 0;
	own[0] = code;
	if (r == 0)
		r = bench_run(path, code ? own : known->examples, n, &e);
	free(code);
	return r < 0 ? failed(&e) : 0;
}

/* Reads as empty and takes nothing, as /dev/null where there is none. */
static int open_nothing(void)
{
	int fd = memfd_create("nothing", MFD_ALLOW_SEALING);

	if (fd >= 0)
		fcntl(fd, F_ADD_SEALS,
		      F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK);
	return fd;
}

/* Without these three, the first sockets would be taken for them. */
static int open_streams(void)
{
	for (int want = 0; want <= STDERR_FILENO; want++) {
		int fd;

		if (fcntl(want, F_GETFD) >= 0)
			continue;
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			fd = open_nothing();
		if (fd < 0)
			return -errno;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct args a);
	} commands[] = {
		{ "serve", command_serve },   { "exec", command_exec },
		{ "image", command_image },   { "template", command_template },
		{ "run", command_run },       { "bench", command_bench },
		{ "worker", command_worker }, { "load", command_load },
	};

	/* A worker has what it was given, and no more. */
	if ((argc < 2 || (strcmp(argv[1], "worker") && strcmp(argv[1], "loa"
								       "d"))) &&
	    open_streams())
		return 1;
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_usage(stdout);
		return fflush(stdout) ? 1 : 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("zeroboot " ZEROBOOT_VERSION);
		return fflush(stdout) ? 1 : 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(
				(struct args){ argc - 2, argv + 2 });
	return usage_error(argv[1], "unknown command");
}
