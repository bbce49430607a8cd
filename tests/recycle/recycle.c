/*
 * recycle.c: runs snippets one after the other in a VM that is recycled, and
 * after each proves that memory, registers and MSRs are the template's again.
 * Two lines of TAP for each group of snippets, and counts.
 *
 * recycle [-v] [-p] [-r PERCENT] TEMPLATE FILE...: each FILE holds snippets
 * under lines of `### name`, and is a group. A line `### name !` marks one whose
 * VM may be thrown away. -r: this much of the others must be recycled; the rest
 * may be what maps a page for the first time, as a new thread's stack or a
 * library does. -v: what each did; -p: what each printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paging.h"
#include "recycle.h"
#include "template.h"
#include "vmm_run.h"

#define TIMEOUT_NS 8000000000ull
#define TRAINING_RUNS 3

struct subject {
	struct vmm vmm;
	struct template template;
	struct recycle recycle;
	struct vm vm;
	void *memory, *image;
	unsigned results[RECYCLE_RESULTS];
};

struct snippet {
	const char *name, *code;
	size_t size;
	bool may_be_thrown;
};

static bool verbose, print;
static unsigned percent = 100;

static void die(const struct err *e)
{
	fprintf(stderr, "recycle: %s\n", e->text);
	exit(2);
}

/* ---- the VM ---- */

static int make(struct subject *s, struct err *e)
{
	return template_fork(&s->template, &s->vmm, &s->vm, &s->memory,
			     &s->image, e);
}

static void drop(struct subject *s)
{
	vm_destroy(&s->vm);
	template_unmap(&s->template, s->memory, s->image);
	s->memory = s->image = NULL;
}

static void show(const struct subject *s)
{
	uint64_t total;
	size_t size;
	const void *p;

	if (!print)
		return;
	for (int stream = 1; stream <= 2; stream++) {
		p = vm_output(&s->vm, stream, ZB_OUTPUT_SIZE, &size, &total);
		fwrite(p, 1, size, stdout);
	}
}

/* One run and what becomes of its VM. 0, or -errno with the reason in e: the
 * VM was said to be as new and is not. */
static int run(struct subject *s, const char *code, size_t size, bool learn,
	       enum recycle_result *result, struct err *e)
{
	enum vm_event event;
	int r;

	*result = RECYCLE_UNFINISHED;
	r = template_request(&s->template, &s->vm, code, size, ZB_OUTPUT_SIZE);
	if (r)
		return err_set(e, r, "the code does not fit");
	event = vm_run(&s->vm, clock_mono() + TIMEOUT_NS, e);
	show(s);
	if (event == VM_EXIT)
		*result = recycle_vm(&s->recycle, &s->vm, learn);
	if (verbose)
		printf("# event %d, %s, %llu pages changed%s%s\n", event,
		       recycle_name(*result),
		       (unsigned long long)s->recycle.changed,
		       event == VM_FAULT ? ": " : "",
		       event == VM_FAULT ? e->text : "");
	if (*result == RECYCLE_DONE)
		return recycle_verify(&s->recycle, &s->vm, e);
	drop(s);
	return make(s, e);
}

static void train(struct subject *s)
{
	enum recycle_result result;
	struct err e = { "" };

	for (int i = 0; i < TRAINING_RUNS && s->template.training_size; i++)
		if (run(s, s->template.training, s->template.training_size,
			true, &result, &e))
			die(&e);
}

/* ---- snippets ---- */

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = malloc(8 << 20);
	size_t n;

	if (!f || !text) {
		perror(path);
		exit(2);
	}
	n = fread(text, 1, (8 << 20) - 1, f);
	text[n] = 0;
	fclose(f);
	return text;
}

/* Cuts the next snippet out of *text; false at the end. */
static bool next(char **text, struct snippet *s)
{
	char *line = *text, *end;
	size_t n;

	if (strncmp(line, "### ", 4))
		return false;
	s->name = line + 4;
	end = strchr(line, '\n');
	if (!end)
		return false;
	*end = 0;
	n = strlen(s->name);
	s->may_be_thrown = n > 2 && !strcmp(s->name + n - 2, " !");
	s->code = end + 1;
	end = strstr(end + 1, "\n### ");
	s->size = end ? (size_t)(end + 1 - s->code) : strlen(s->code);
	*text = (char *)(uintptr_t)s->code + s->size;
	return true;
}

static bool group(struct subject *s, const char *path)
{
	unsigned count = 0, bad = 0, ordinary = 0, kept = 0;
	char *text = read_file(path), *at = text;
	enum recycle_result result;
	struct snippet snippet;
	bool enough;

	while (next(&at, &snippet)) {
		struct err e = { "" };
		int r;

		count++;
		if (verbose)
			printf("# %s\n", snippet.name);
		r = run(s, snippet.code, snippet.size, false, &result, &e);
		s->results[result]++;
		ordinary += !snippet.may_be_thrown;
		kept += !snippet.may_be_thrown && result == RECYCLE_DONE;
		if (result != RECYCLE_DONE && !snippet.may_be_thrown)
			printf("# %s: %s\n", snippet.name,
			       recycle_name(result));
		if (r == 0)
			continue;
		printf("# %s: not the template: %s\n", snippet.name, e.text);
		bad++;
		drop(s);
		if (make(s, &e))
			die(&e);
	}
	printf("%s - recycle: %s: after each of %u runs the VM is the template again, or gone\n",
	       bad || !count ? "not ok" : "ok", path, count);
	enough = kept * 100 >= ordinary * percent;
	printf("%s - recycle: %s: ordinary runs are recycled\n",
	       enough ? "ok" : "not ok", path);
	printf("# %u of %u\n", kept, ordinary);
	fflush(stdout);
	free(text);
	return bad == 0 && count && enough;
}

int main(int argc, char **argv)
{
	struct subject s = { .vmm.fd = -1 };
	struct err e = { "" };
	bool ok = true;
	int option;

	while ((option = getopt(argc, argv, "vpr:")) > 0) {
		if (option == 'r')
			percent = (unsigned)atoi(optarg);
		verbose |= option == 'v';
		print |= option == 'p';
	}
	if (argc - optind < 2) {
		fprintf(stderr, "usage: recycle [-v] [-p] [-r PERCENT] TEMPLATE FILE...\n");
		return 2;
	}
	if (vmm_open(&s.vmm, &e) || paging_probe(&s.vmm, &e) ||
	    template_open(&s.template, argv[optind], &s.vmm, &e) ||
	    recycle_open(&s.recycle, &s.template, &e) || make(&s, &e))
		die(&e);
	train(&s);
	for (int i = optind + 1; i < argc; i++)
		ok &= group(&s, argv[i]);
	for (int i = 0; i < RECYCLE_RESULTS; i++)
		if (s.results[i])
			printf("# %u %s\n", s.results[i],
			       recycle_name((enum recycle_result)i));
	drop(&s);
	return ok ? 0 : 1;
}
