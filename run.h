/*
 * run.h: what the command line does with one VM in its own process: build a
 * template, run a snippet, run a program of an image.
 */
#ifndef ZEROBOOT_RUN_H
#define ZEROBOOT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct template_options {
	const char *output, *image;
	const char *program; /* see build.h; may be NULL */
	uint64_t memory_mb;
	bool trace;
};

/* Makes a template's file, with nothing left of it when that fails. 0 or -errno. */
int run_template_build(const struct template_options *o, struct err *e);

struct exec_options {
	const char *template;
	const char *session; /* a file that keeps it; NULL: none */
	uint64_t timeout_ms; /* 0: none */
	bool trace;
	bool stats; /* a line on stderr: times, exits, pages */
};

struct parts;

/*
 * Runs a request in a fork of a template, or as the next exec of a session, stdout and stderr on ours; files that it
 * returns are written under the working directory. Returns the program's exit code,
 * 124 after a timeout as timeout(1), or -errno.
 */
int run_exec(const struct exec_options *o, const struct parts *parts,
	     struct err *e);

struct program_options {
	const char *image;
	const char *const *argv;      /* empty: what the image says */
	const char *const *variables; /* NAME=VALUE, ends in NULL */
	const char *directory; /* to start in; NULL: what the image says */
	uint64_t memory_mb;
	uint64_t timeout_ms; /* 0: none */
	bool trace;
	bool stats; /* a line on stderr, and the guest accounts for its memory */
};

/* Boots argv[0] of an image and runs it to its end, as run_exec, with our standard
 * input; 127 when there is no such program, 126 when it is none. */
int run_program(const struct program_options *o, struct err *e);

#endif
