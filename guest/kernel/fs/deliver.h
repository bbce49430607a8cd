/* deliver.h: files that come with a request. */
#ifndef FS_DELIVER_H
#define FS_DELIVER_H

#include "fs/walk.h"
#include "request.h"

/* The running process's directory and root are those of the request's paths. */
void request_start_here(void);
/* Where a path of a request leads: a relative one begins where the program starts, and
 * not out of there. As vfs_resolve. */
long request_find(const char *path, struct walk *w);
/* Writes one, with the directories that it lacks. A relative path is beneath the
 * directory where the program starts, links included. Frames are the file's, or
 * freed. 0 or -errno. */
long file_deliver(const struct request_part *p);

/* The file that the part names goes. 0 or -errno. */
long file_remove(const struct request_part *p);

#endif
