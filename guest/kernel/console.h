/* console.h: the host's side of the guest: output, requests, the end. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "kernel.h"

/* Reads control's limits; at boot and in every fork. */
void console_start(void);

#endif
