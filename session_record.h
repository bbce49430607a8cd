/*
 * session_record.h: a session in a file of a server: a head, and its state behind it
 * (delta.h; of one that has not run yet, what it was made with, as parts). A template
 * that was made of one has a head alone, which names it: all of it is kept as a template
 * that sessions are of (origin.h).
 */
#ifndef ZEROBOOT_SESSION_RECORD_H
#define ZEROBOOT_SESSION_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "id.h"

#define RECORD_MAGIC "ZBSTATE\n"
#define RECORD_VERSION 1
#define RECORD_ENDING ".zbs" /* of its name, behind the session's id */
#define RECORD_NAME 48       /* bytes that a name takes, with a NUL */

#define RECORD_ROLLBACK 1u  /* an exec that is cut off leaves it as it was */
#define RECORD_BEGUN 2u     /* it has run */
#define RECORD_FORKED 4u    /* and has not since it was forked */
#define RECORD_INTERRUPT 8u /* what is cut off gets SIGINT first */
#define RECORD_TEMPLATE 16u /* it is no session but a template made of one */

struct session_record {
	char magic[8];
	uint32_t version; /* of this */
	uint32_t abi_version;
	uint32_t checksum;       /* CRC-32C of this head with this field 0 */
	uint32_t state_checksum; /* of what follows */
	uint64_t size;           /* bytes of it, a multiple of 8 */
	char id[40];
	char language[64];
	char template[64]; /* its name: template_name(); zero: it has not run */
	char ended[128];   /* why its program has; empty: it has not */
	uint64_t owner;
	uint64_t created_ns, used_ns; /* wall */
	uint64_t runs;
	uint32_t idle_seconds;
	uint32_t flags; /* RECORD_* */
	char name[40]; /* of a template, by which its owner calls it; of a session
			 * the language of its template, cut to fit */
	uint8_t rest[104];
};
_Static_assert(sizeof(struct session_record) == 512, "its layout is kept");

uint32_t record_checksum(const struct session_record *r);
/* The file's name. */
void record_name(char name[RECORD_NAME], const char *id);
/* Whether that is the name of one; id is it without its ending. */
bool record_named(const char *name, char id[ID_SIZE]);
/*
 * Looks at the head of a file that has this name and size. 0; -EINVAL: it is none, or
 * damaged; -ESTALE: one of another version of this. Whatever is in it ends where it
 * should. Its state may still be of another version of the guest.
 */
int record_check(const struct session_record *r, const char *name,
		 uint64_t file_size, struct err *e);

#endif
