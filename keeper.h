/*
 * keeper.h: the processes that write and read the files of a server's sessions
 * (session_record.h), because a disk may take as long as it likes: one for each
 * direction. The front end's side of it is archive.h.
 *
 * On its channel, a SOCK_STREAM socketpair, come orders, each with what it announces.
 * A keeper does one after the other. It ends when the channel is closed, and all that
 * has come has been done: what was on its way when a front end was killed is written,
 * if all of it has come.
 */
#ifndef ZEROBOOT_KEEPER_H
#define ZEROBOOT_KEEPER_H

#include <stdint.h>

#include "session_record.h"

#define KEEPER_NAME 96
#define KEEPER_DRAFT ".tmp" /* ending of a file that is not whole */

enum keeper_work {
	/* A head and a state follow, size bytes. Its checksums are the keeper's. The
	 * file is on the disk when it is answered, or as it was. */
	KEEPER_WRITE = 1,
	/* Answered by an answer with its size, all of its bytes, and an answer that
	 * says whether they are as they were written; or by one that fails. */
	KEEPER_READ,
	/* Answered, in their turn, when the disk has it, if its file system can say that.
	 * One that is not there is removed. */
	KEEPER_REMOVE,
	KEEPER_TOUCH, /* not answered: its time is wall_ns */
};

struct keeper_order {
	uint32_t work; /* enum keeper_work */
	uint32_t reserved;
	uint64_t size;
	uint64_t wall_ns;
	char name[KEEPER_NAME]; /* of a file in the directory, or beneath it */
};

struct keeper_answer {
	int32_t result; /* 0 or -errno */
	uint32_t work; /* of the order: removals are answered behind later reads */
	uint64_t size; /* that follow */
};

/* Returns the exit status of the process. directory: where the files are. */
int keeper_main(int channel, int directory);

#endif
