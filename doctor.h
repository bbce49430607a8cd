/*
 * doctor.h: `zeroboot doctor`: what this machine can and cannot do for a server,
 * found out by the very functions that a server begins with.
 */
#ifndef ZEROBOOT_DOCTOR_H
#define ZEROBOOT_DOCTOR_H

#include "server.h"

/* Says it on stdout, a line each. 0 when a server would work, else 1. */
int doctor_run(const struct server_options *o);

#endif
