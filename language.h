/*
 * language.h: names of languages. A language is named as its template file is; some
 * have other names too.
 */
#ifndef ZEROBOOT_LANGUAGE_H
#define ZEROBOOT_LANGUAGE_H

#include <stddef.h>

/* The language that name (size bytes) is another name of; NULL. */
const char *language_of_alias(const char *name, size_t size);

#endif
