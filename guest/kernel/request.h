/*
 * request.h: the request, and the snapshot that is taken before it: what is
 * made before it, what comes after.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "kernel.h"

/* A part of the request, where it lies. */
struct request_part {
	u32 kind; /* ZB_PART_* */
	u32 name_size;
	const char *name;
	const u8 *data;
	u64 size;
	bool frames; /* data is in whole frames, zero behind its end, which are
		      * for whoever takes the part */
};

/* Stops for a request when it is to: at the first call, where the template is taken,
 * and in a session once the exec before was reported. True: one has just come. */
bool request_wait(void);
/* Where its code is. */
void request_code(const u8 **code, size_t *size);
/* Says who makes of a request's other parts what they are for, before
 * request_wait returns. It is asked for all of a session's; false: the request is
 * refused, and nothing of it is in use. */
void request_on_parts(bool (*take)(void));
/* The run stops, and goes on with a further request, whose parts are the caller's. */
void request_ask(void);
/* The part at *at, which moves on; false: there is none left. From 0 on. */
bool request_next(u64 *at, struct request_part *p);
/* Whether there are parts of this kind. */
bool request_has(u32 kind);
/* Of the parts of this kind, each with a NUL behind it, up to n bytes from a
 * position on, to the program; *size: how many. False: it cannot have them there. */
bool request_strings(u32 kind, u64 position, void *to, size_t n, size_t *size);
/* All that a boot, or a fork, must have for itself. */
void request_start_run(void);

#endif
