#include "proof.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "control.h"
#include "machine.h"
#include "progress.h"

#define MARK "#### "
#define PATIENCE_NS 60000000000ull /* for a snippet */
#define QUOTE 72                   /* characters of a line that is shown */

struct piece {
	const char *at;
	size_t size;
};

struct snippet {
	struct piece name, code, out, err;
	int exit_code;
};

/* ---- the text ---- */

/* The next line, without its end; false: there is none. */
static bool take_line(struct piece *rest, struct piece *line)
{
	const char *end;
	size_t size;

	if (rest->size == 0)
		return false;
	end = memchr(rest->at, '\n', rest->size);
	size = end ? (size_t)(end - rest->at) : rest->size;
	*line = (struct piece){ rest->at, size };
	size += end != NULL;
	rest->at += size;
	rest->size -= size;
	return true;
}

static bool is(const struct piece *p, const char *word)
{
	return p->size == strlen(word) && !memcmp(p->at, word, p->size);
}

/* The line is a mark: what follows it on the line. */
static bool take_mark(const struct piece *line, struct piece *word)
{
	size_t n = strlen(MARK);

	if (line->size <= n || memcmp(line->at, MARK, n) != 0)
		return false;
	*word = (struct piece){ line->at + n, line->size - n };
	return true;
}

static bool begins(const struct piece *p, const char *word)
{
	return p->size >= strlen(word) && !memcmp(p->at, word, strlen(word));
}

/* The next one; false: there is none. */
static bool take_snippet(struct piece *rest, struct snippet *s)
{
	struct piece line, word, *part = &s->code;

	*s = (struct snippet){ .exit_code = -1 };
	if (!take_line(rest, &line) || !take_mark(&line, &s->name))
		return false;
	part->at = rest->at;
	while (take_line(rest, &line)) {
		if (!take_mark(&line, &word)) {
			part->size = (size_t)(rest->at - part->at);
			continue;
		}
		if (begins(&word, "exit ")) {
			s->exit_code = (int)strtol(word.at + 5, NULL, 10);
			return true;
		}
		part = is(&word, "stdout") ? &s->out : &s->err;
		part->at = rest->at;
	}
	return false;
}

/* ---- comparing ---- */

/* The first line of got that is not as wanted; true: all are. */
static bool compare(struct piece want, struct piece got, struct piece *wanted,
		    struct piece *found)
{
	bool any = false;

	*wanted = *found = (struct piece){ "", 0 };
	while (take_line(&want, wanted)) {
		if (is(wanted, "...")) {
			any = true;
			continue;
		}
		do {
			if (!take_line(&got, found)) {
				*found = (struct piece){ "", 0 };
				return false;
			}
		} while (any && (wanted->size != found->size ||
				 memcmp(wanted->at, found->at, found->size)));
		any = false;
		if (wanted->size != found->size ||
		    memcmp(wanted->at, found->at, found->size))
			return false;
	}
	*wanted = (struct piece){ "", 0 };
	return any || !take_line(&got, found);
}

static const char *quote(char to[SHOWN_SIZE], const struct piece *p)
{
	return shown(to, p->at, p->size < QUOTE ? p->size : QUOTE);
}

static int check_stream(const struct snippet *s, const struct vm *vm,
			int stream, struct err *e)
{
	char want[SHOWN_SIZE], got[SHOWN_SIZE];
	struct piece out = { 0 }, wanted, found;
	uint64_t total;

	out.at = control_output(vm, stream, ZB_OUTPUT_SIZE, &out.size, &total);
	if (compare(stream == 1 ? s->out : s->err, out, &wanted, &found))
		return 0;
	return err_set(e, -EPROTO,
		       "not as natively: %.*s: %s has \"%s\" where \"%s\" "
		       "belongs",
		       (int)s->name.size, s->name.at,
		       stream == 1 ? "stdout" : "stderr", quote(got, &found),
		       quote(want, &wanted));
}

static int check(const struct snippet *s, const struct vm *vm, struct err *e)
{
	int code = control_exit_code(vm), r;

	r = check_stream(s, vm, 1, e);
	if (r == 0)
		r = check_stream(s, vm, 2, e);
	if (r == 0 && code != s->exit_code)
		r = err_set(e, -EPROTO,
			    "not as natively: %.*s: exit code %d instead of %d",
			    (int)s->name.size, s->name.at, code, s->exit_code);
	return r;
}

/* ---- running ---- */

static int run(struct machine *m, const struct snippet *s, struct err *e)
{
	enum recycle_result result;
	enum vm_event event;
	int r = machine_code(m, s->code.at, s->code.size, ZB_OUTPUT_SIZE);

	if (r)
		return err_set(e, r, "%.*s: does not fit", (int)s->name.size,
			       s->name.at);
	event = machine_run(m, clock_mono() + PATIENCE_NS, e);
	if (event == VM_FAULT)
		return -EPROTO;
	if (event != VM_EXIT)
		return err_set(e, -EPROTO, "not as natively: %.*s: %s",
			       (int)s->name.size, s->name.at,
			       event == VM_TIMEOUT ? "it does not end" :
						     "it asked for work again");
	r = check(s, &m->vm, e);
	return r ? r : machine_renew(m, true, false, &result, e);
}

int proof_run(const char *text, size_t size, const struct snapshot *s,
	      const struct vmm *vmm, struct err *e)
{
	struct piece rest = { text, size };
	struct machine m = { 0 };
	struct snippet snippet;
	int r = machine_open(&m, vmm, s, e);

	if (r == 0)
		r = machine_make(&m, e);
	while (r == 0 && take_snippet(&rest, &snippet))
		r = run(&m, &snippet, e);
	machine_close(&m);
	return r;
}
