/*
 * language.h: the languages that this program knows: their names, and how their
 * interpreters are started in a template. A language is named as its template
 * file is; a template of another name is a language, too, of which nothing is
 * known here.
 */
#ifndef ZEROBOOT_LANGUAGE_H
#define ZEROBOOT_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

#define LANGUAGE_ALIASES 4
#define LANGUAGE_ENDINGS 4
#define LANGUAGE_ARGUMENTS 6
#define LANGUAGE_EXAMPLES 3

struct language {
	const char *name;
	const char *aliases[LANGUAGE_ALIASES]; /* NULL-terminated, as all here */
	const char *endings[LANGUAGE_ENDINGS]; /* of files' names */
	const char *interpreter;               /* its name in an image */
	const char *heap_option;               /* MiB follow; may be NULL */
	const char *variable; /* of its environment; may be NULL */
	const char *arguments[LANGUAGE_ARGUMENTS];
	const char *agent,
		*agent_end; /* what runs in it before and around code */
	bool rehearses;     /* its agent prints, too */
	const char *training, *training_end;     /* code that warms a VM */
	const char *proof, *proof_end;           /* see proof.h */
	const char *examples[LANGUAGE_EXAMPLES]; /* what bench measures */
};

/* The nth, from 0 on; NULL behind the last. */
const struct language *language_at(size_t n);
/* The one of which name (size bytes) is the name or another name; NULL. */
const struct language *language_find(const char *name, size_t size);
/* The same of a template's name, which may go on behind the language's, as in
 * python-data; NULL. */
const struct language *language_of_name(const char *name, size_t size);
/* The name of the language that name is another name of; NULL. */
const char *language_of_alias(const char *name, size_t size);
/* The name of the one that a file's name says it is written in; NULL. */
const char *language_of_file(const char *path);
/* What somebody says it is written in, else what the file's name says, else the
 * first language. Both may be NULL. */
const char *language_choose(const char *said, const char *path);

#endif
