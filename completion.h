/*
 * completion.h: scripts by which shells complete zeroboot's command line, made of
 * the tables of options.h.
 */
#ifndef ZEROBOOT_COMPLETION_H
#define ZEROBOOT_COMPLETION_H

#include "options.h"

void completion_bash(FILE *to, const struct command *top);
void completion_zsh(FILE *to, const struct command *top);

#endif
