/* audit.h: whether all frames are accounted for at the end of a program. */
#ifndef AUDIT_H
#define AUDIT_H

/* Before the program is there. Only when the host asks for it. */
void audit_start(void);

#endif
