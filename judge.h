/*
 * judge.h: one program over many inputs. It runs once up to where it asks for its
 * standard input (its beginning), and from there on once for each input, as a branch, on
 * whatever worker is free; some at a time, so that others have their turn. What has
 * arguments, variables or files of its own runs whole, by itself; and so does every input
 * where the beginning's state cannot be kept. A program that does not ask has run
 * once, and what came of it is every input's.
 */
#ifndef ZEROBOOT_JUDGE_H
#define ZEROBOOT_JUDGE_H

#include <stddef.h>

#include "job.h"

struct judge;

/* common: the program and what all inputs have, which becomes its own. jobs: one for each
 * input, with what it alone has; whose done is called, and who stay the caller's. The
 * languages, limits and wishes of common are theirs. NULL: no memory. */
struct judge *judge_make(struct job *common, struct job **jobs, size_t count);
/* Afterwards done is called of each, at once or later. */
void judge_submit(struct judge *j);
/* The client is gone: done is not called any more. How many had not ended. */
size_t judge_cancel(struct judge *j);
/* All have ended, or it is cancelled. */
void judge_free(struct judge *j);

#endif
