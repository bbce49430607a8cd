/* parts.h: what the parts of a request become: files, and standard input. */
#ifndef IO_PARTS_H
#define IO_PARTS_H

void parts_init(void);

#endif
