/* quota.h: what files in memory may take. */
#ifndef FS_QUOTA_H
#define FS_QUOTA_H

#include "kernel.h"

#define UNIT 512 /* bytes, roughly: a name, a node; a page is eight of them */

bool quota_take(u64 units);
void quota_give(u64 units);
/* Also beyond the limit: for what is given back right after (a name that moves),
 * or hides a name of the image. */
void quota_overdraw(u64 units);
u64 quota_limit(void);
u64 quota_left(void);

#endif
