/*
 * reload.h: the key file is read again while the server serves, in slices of the
 * event loop.
 */
#ifndef ZEROBOOT_RELOAD_H
#define ZEROBOOT_RELOAD_H

#include "err.h"

/* Begins. done is called in a later turn, as auth_reload returns: it is not 0 and e
 * has why, and the old keys stay. When one is under way another one begins behind it. */
void reload_begin(void (*done)(int r, const struct err *e));
/* Waits for the end of what is under way. */
void reload_close(void);

#endif
