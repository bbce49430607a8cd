/*
 * archive.h: the files of a server's sessions (session_record.h), in a directory of
 * its own, as the front end sees them. Nothing here waits for a disk but
 * archive_open and archive_each, before the server serves: two keepers (keeper.h)
 * write and read, a file at a time each, and what goes to them and comes from them
 * goes in slices.
 */
#ifndef ZEROBOOT_ARCHIVE_H
#define ZEROBOOT_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "session_record.h"
#include "state.h"

struct archive_events {
	/* What was to be written is on the disk, or as it was: 0 or -errno. */
	void (*written)(int r);
	/* What was to be read: a head and a state, checked, of malloc's, the callee's
	 * own; or NULL and -errno: -EILSEQ: it is damaged, -ESTALE: another one than
	 * was asked for. */
	void (*read)(int r, char *payload, size_t size);
};

/* Makes the directory if it is not there, and sees to it that no other server uses
 * it, and no other user writes there. 0 or -errno; archive_close undoes it, also when it failed. */
int archive_open(const char *path, int epoll,
		 const struct archive_events *events, struct err *e);
/* Waits for what is being written, so long at most. */
void archive_close(int ms);
/* An open directory: it is this user's, and nobody else's to write to. 0 or -errno. */
int archive_check_owner(int fd, const char *path, struct err *e);
/* Each file there is by its head: r: 0 or what is wrong with it, which e says; touched:
 * when it was, in ns. False: the file stays, and nobody knows what it says. */
typedef bool archive_visit(const struct session_record *record, int r,
			   uint64_t touched, const struct err *e);
/* The oldest first. 0 or -errno. */
int archive_each(archive_visit *visit);
/* There are, or may be, files of which nobody knows what they say: a visit was
 * false, or not all names could be read. */
bool archive_has_unread(void);

bool archive_is_writing(void);
bool archive_is_reading(void);
/* Nothing may be written, or read, yet; then events.written, or events.read is called,
 * or this returns -errno. The state's segments are kept until then. */
int archive_write(const struct session_record *record,
		  const struct state *state);
int archive_read(const char *id, size_t size);
/* Of a file that is not being written. */
void archive_remove(const char *id);
/* Any file in the directory or beneath it. Its name is kept until it is gone: what fails is
 * logged, and tried again. */
void archive_remove_file(const char *name);
/* How many are still there, or may be. */
size_t archive_unremoved(void);
/* It may just be removed: would be, too, if it was made anew. */
bool archive_is_removing(const char *name);
/* It is not to be removed any more, when it is not just being. */
void archive_keep(const char *name);
/* Now and then. */
void archive_tick(void);
void archive_touch(const char *id, uint64_t wall_ns);
/* Waits for events for so long, where there is no loop: at a server's end. */
void archive_wait(int ms);

#endif
