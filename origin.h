/*
 * origin.h: the templates that a server's sessions are of, for those that are kept in
 * a directory: a state is worth nothing without the very template. So that is kept,
 * with its image, beneath the directory, while a session is of it, and run by a crew
 * of its own when its language has another one by now.
 */
#ifndef ZEROBOOT_ORIGIN_H
#define ZEROBOOT_ORIGIN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct origin;

/* Finds those that are kept in DIRECTORY/kept, which is made. 0 or -errno. */
int origin_open(const char *directory, const char *host, struct err *e);
void origin_close(void);

/* The template of this name (template_name), which a language's sessions are of; made
 * when there is none. NULL: no memory. origin_drop undoes it. */
struct origin *origin_of(const char *name, const char *language);
/* There is one, or a language has it. */
bool origin_is_known(const char *name);
struct origin *origin_copy(struct origin *o);
void origin_drop(struct origin *o);
const char *origin_name(const struct origin *o);
/* The language that it was made as, whatever those call it who are of it. */
const char *origin_language(const struct origin *o);
/*
 * The crew that runs it: language's own, or that of another one that has it, or one
 * for it alone. Its number; -ESTALE: it is gone, or of no use; -EAGAIN: none can be
 * started now. why: a text for people, valid for a while.
 */
int origin_crew(struct origin *o, int language, const char **why);
/* It is on the disk. */
bool origin_is_kept(const struct origin *o);
/* Whether what is kept of it can be run, as far as its head tells: its path and its
 * bytes. Otherwise as origin_crew. */
int origin_look(struct origin *o, char path[PATH_MAX], size_t *size,
		const char **why);
/* Keeps those that are not yet, removes those that nobody is of; now and then. */
void origin_tick(uint64_t now);
/* One is just being kept, or could be. */
bool origin_is_busy(void);

#endif
