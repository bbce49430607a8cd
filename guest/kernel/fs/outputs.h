/* outputs.h: files that a run returns. */
#ifndef FS_OUTPUTS_H
#define FS_OUTPUTS_H

#include "request.h"

void outputs_init(void);
/* Returns the one file that the part names, or the entries of a directory. 0 or -errno. */
long outputs_look(const struct request_part *p);

#endif
