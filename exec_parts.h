/*
 * exec_parts.h: what `zeroboot exec` makes of its options and of standard input:
 * the parts of a request; and files that come back.
 */
#ifndef ZEROBOOT_EXEC_PARTS_H
#define ZEROBOOT_EXEC_PARTS_H

#include <stdbool.h>

#include "err.h"
#include "parts.h"

/* Each adds a part. 0 or -errno with a message. */
int exec_add_code(struct parts *p, const char *code, size_t size,
		  struct err *e);
int exec_add_argument(struct parts *p, const char *text, struct err *e);
int exec_add_variable(struct parts *p, const char *text, struct err *e);
/* HOST=GUEST: the file HOST, to be GUEST. The first only looks at the form. */
int exec_check_file(const char *text, struct err *e);
int exec_add_file(struct parts *p, const char *text, struct err *e);
int exec_add_output(struct parts *p, const char *pattern, struct err *e);
/* All that standard input has, unless it is a terminal. */
int exec_add_input(struct parts *p, struct err *e);

bool exec_wants_outputs(const struct parts *p);

/*
 * Writes files that a run returned (parts of outputs.h) under the working directory,
 * by no link, each whole or not at all. What was sent and is as it was is written only
 * when its path was asked for, not by a pattern. One that no pattern of the request means is an error: the guest is not
 * to be believed. Of those that were left out it says so on stderr. 0 or -errno with
 * a message.
 */
int exec_save(const struct parts *p, const char *files, size_t size,
	      struct err *e);

#endif
