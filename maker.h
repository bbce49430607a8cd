/* maker.h: which zeroboot this is, for templates: its kernel and its agents. */
#ifndef ZEROBOOT_MAKER_H
#define ZEROBOOT_MAKER_H

/* Sets template_maker. */
void maker_set(void);

#endif
