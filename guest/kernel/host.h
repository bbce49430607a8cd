/* host.h: what goes to the host: output, and the end of a run. */
#ifndef HOST_H
#define HOST_H

#include "kernel.h"

/* Reads control's limits; at boot and in every fork. */
void host_start(void);
/* After a stop in the middle of a run: what was written counts. */
void host_go_on(void);
/* stream 1 or 2; bytes past the limit are counted and dropped. */
void output_write(int stream, const void *buf, size_t n);
/* Whether somebody takes output as it comes. Then it goes this way instead: */
bool output_streams(void);
/* as many bytes of a stream find room now; */
size_t output_room(int stream);
/* at most so many are put; how many, less after a fault of the program's; */
size_t output_put(int stream, const void *buf, size_t n);
/* the host is asked to take some, as far as it can. */
void output_offer(void);
/* Bytes of standard input that the host has brought, in place, and so many of them
 * are taken. *ended: nothing follows them. */
size_t input_look(const u8 **data, bool *ended);
void input_take(size_t n);
/* Says, before anything has run, what is wrong with the request. */
void host_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the VM; code as a shell shows it, status: ZB_STATUS_*. */
_Noreturn void host_exit(int code, u32 status);

#endif
