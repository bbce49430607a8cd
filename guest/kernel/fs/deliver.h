/* deliver.h: files that come with a request. */
#ifndef FS_DELIVER_H
#define FS_DELIVER_H

#include "fs/walk.h"
#include "request.h"

/* Where a path of a request leads: a relative one not out of the working directory.
 * As vfs_resolve. */
long request_find(const char *path, struct walk *w);
/* Writes one, with the directories that it lacks. A relative path is beneath the
 * working directory, links included. Frames are the file's, or freed. 0 or -errno.
 */
long file_deliver(const struct request_part *p);

#endif
