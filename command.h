/* command.h: the commands, each a table of options.h, and what they share. */
#ifndef ZEROBOOT_COMMAND_H
#define ZEROBOOT_COMMAND_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "memory.h"
#include "options.h"

extern const struct command command_serve, command_exec, command_image,
	command_template, command_run, command_bench, command_doctor,
	command_completion, command_manual, command_pack, command_mcp;
/* All of them. */
extern const struct command command_top;
/* Of processes that the server starts. */
extern const struct command command_worker, command_load, command_keep;

/* Page tables cover 2 MiB each. */
static inline uint64_t memory_of_mb(unsigned long mb)
{
	return mb & ~1ul;
}

/* Says why a command fails. 1, its exit status. */
int command_failed(const struct err *e);

/* The language's template file. directory: NULL: the usual ones. 0 or -errno with a
 * message. */
int template_path(char path[PATH_MAX], const char *directory,
		  const char *language, struct err *e);

/* Reads all of a file or, for NULL or "-", standard input, into *code, which is the
 * caller's to free in any case and ends in a NUL. 0 or -errno with a message. */
int read_code(const char *path, char **code, size_t *size, struct err *e);

#endif
