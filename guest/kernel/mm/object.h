/*
 * object.h: what a mapping shows: the data of an open file, as far as memory
 * management needs to know it. An object is embedded in what it belongs to.
 */
#ifndef MM_OBJECT_H
#define MM_OBJECT_H

#include "kernel.h"

struct object;

/* No address of a frame. */
#define GATHER_MOVES ((gpa_t)1)

struct object_ops {
	void (*ref)(struct object *o);
	void (*unref)(struct object *o);
	/*
	 * The frame that holds page `index`; 0 behind the end. Frames of the
	 * image are at or above ZB_IMAGE_GPA and read-only. With `write` the
	 * frame must be writable and belong to the data (MAP_SHARED). It stays
	 * valid until the owner calls object_zap() for its page.
	 */
	gpa_t (*page)(struct object *o, u64 index, bool write);
	/* Whether the page has data: a hole gets a frame when it is touched. */
	bool (*has)(struct object *o, u64 index);
	/*
	 * Where the frames of pages [index, index + count) are when they follow each
	 * other and nobody is lent them. GATHER_MOVES: they do not follow each
	 * other, and are moved when this is called again with a run of frames of
	 * zeroes, which the object has then; what it could not use is free. Holes
	 * get frames, and stay holes until somebody writes. 0: not possible, or
	 * there are more holes than is memory to spare. NULL: never.
	 */
	gpa_t (*gather)(struct object *o, u64 index, u64 count, gpa_t run);
	/* Copies data from byte `at` on; bytes, fewer at the end. */
	size_t (*read)(struct object *o, void *buf, size_t size, u64 at);
	/* Makes a hole of whole pages. */
	long (*punch)(struct object *o, u64 at, u64 size);
	/* Its name in /proc/PID/maps; bytes, at most size. */
	size_t (*name)(struct object *o, char *buf, size_t size);
};

struct object {
	const struct object_ops *ops;
	const void *data; /* the same for all openings of one file */
	bool anonymous;   /* memory that processes share (shared.h) */
};

/*
 * Pages [first, last) of data are about to go or to move to other frames: no
 * mapping has them afterwards. copies: nor the private copies that were made of
 * them (the file was cut). For the owner of the data.
 */
void object_zap(const void *data, u64 first, u64 last, bool copies);
/* Whether a shared mapping of data may be written to, now or by mprotect. */
bool object_shared_writable(const void *data);

#endif
