/* deliver.h: files that come with a request. */
#ifndef FS_DELIVER_H
#define FS_DELIVER_H

#include "request.h"

/* Writes one, with the directories that it lacks. A relative path is beneath the
 * working directory, links included. 0 or -errno. */
long file_deliver(const struct request_part *p);

#endif
