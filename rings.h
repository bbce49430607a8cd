/*
 * rings.h: the host's end of the rings (guest/abi.h) by which a streamed run's
 * output comes and its input goes. What the guest says of them is hostile.
 */
#ifndef ZEROBOOT_RINGS_H
#define ZEROBOOT_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm.h"

#define RINGS_NONSENSE "it wrote nonsense into the rings of its output"

struct rings {
	struct vm *vm;
	uint64_t tail[2]; /* of stdout and stderr: bytes taken */
	uint64_t order;   /* entries of the order ring that are done */
	uint32_t entry; /* bytes of the one after them, as rings_look found it, */
	uint32_t part;  /* and of these taken */
	uint64_t input; /* bytes brought */
	bool input_ended;
};

/* The next run's output comes by rings. Before it is entered. */
void rings_open(struct rings *r, struct vm *vm);
/* So does its standard input go. */
void rings_open_input(struct rings *r);

/*
 * What comes next: 1: size bytes of a stream, 1 or 2, in place while the guest does
 * not run; 0: nothing; -EPROTO: the guest's counters are not what abi.h has them be.
 */
int rings_look(struct rings *r, int *stream, const void **data, size_t *size);
/* Of what rings_look has shown so much is taken, at least one byte. */
void rings_take(struct rings *r, int stream, size_t size);

/* Where so many bytes of input find room, in one piece; 0: nowhere. */
size_t rings_input_room(const struct rings *r, void **to);
/* So many were put there; 0: nothing follows. */
void rings_bring(struct rings *r, size_t size);

#endif
