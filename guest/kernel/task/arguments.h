/*
 * arguments.h: the strings of a program that is about to start: gathered in
 * frames of their own, which become the top of its stack. From high to low
 * addresses: the name it is started by, its environment, its arguments.
 */
#ifndef TASK_ARGUMENTS_H
#define TASK_ARGUMENTS_H

#include "kernel.h"

#define ARGUMENT_PAGES 1540 /* the most that a limit of the stack allows */

struct arguments {
	gpa_t pages[ARGUMENT_PAGES]; /* ascending; 0: none yet */
	u64 size;                    /* bytes so far, from the top down */
	u64 limit; /* for them and the pointers to them: execve(2) */
	u32 argc, envc;
};

/* For the limit of the stack that the running process has. */
void arguments_start(struct arguments *a);
/* Frees what was not installed. */
void arguments_end(struct arguments *a);
/* Puts a string of the kernel's beneath the others. 0, -E2BIG, -ENOMEM. */
long arguments_push(struct arguments *a, const char *string);
/* The strings of two arrays of the program's, ended by NULL each: environment and
 * arguments, which may be 0. 0, -E2BIG, -ENOMEM, -EFAULT. */
long arguments_read(struct arguments *a, u64 argv, u64 envp);
/* Takes out the first argument again. */
void arguments_drop_first(struct arguments *a);
/* Makes them the pages below top, an address of the running space whose pages
 * have no frames yet. 0 or -ENOMEM. */
long arguments_install(struct arguments *a, u64 top);

#endif
