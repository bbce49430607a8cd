/* crowd.h: what the parts of crowd.c have of each other. */
#ifndef CROWD_H
#define CROWD_H

#include "draw.h"

#define PAGE 4096ul
#define PAGES 32ul /* of the area, where anything goes */
#define AREA 0x20000000ul

extern char *area;

void check_zero(const char *what, const char *p, size_t size);
int some_pid(void);
char *some_page(void);
uint64_t path(void);
uint64_t argument(void);

/* Each does something of its kind, at random. */
void do_memory(void);
void do_memfd(void);
void do_peek(void);
void do_terminal(void);
void do_unix(void);
void do_socket(void);
void do_signal(void);
void do_descriptor(void);

#endif
