/* host.h: what goes to the host: output, and the end of a run. */
#ifndef HOST_H
#define HOST_H

#include "kernel.h"

/* Reads control's limits; at boot and in every fork. */
void host_start(void);
/* stream 1 or 2; bytes past the limit are counted and dropped. */
void output_write(int stream, const void *buf, size_t n);
/* Says, before anything has run, what is wrong with the request. */
void host_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the VM; code as a shell shows it, status: ZB_STATUS_*. */
_Noreturn void host_exit(int code, u32 status);

#endif
