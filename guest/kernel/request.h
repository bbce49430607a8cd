/*
 * request.h: the request, and the snapshot that is taken before it: what is
 * made before it, what comes after.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "kernel.h"

/* Stops for a request: the template is taken here. Returns in every fork with
 * the request in place; code and size say where. Only the first call stops. */
void request_wait(const u8 **code, size_t *size);
/* All that a boot, or a fork, must have for itself. */
void request_start_run(void);

#endif
