/* outputs.h: files that a run returns. */
#ifndef FS_OUTPUTS_H
#define FS_OUTPUTS_H

void outputs_init(void);

#endif
