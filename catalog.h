/*
 * catalog.h: the languages that are served, numbered as they were found: every
 * *.img and *.zbt of a directory or a box, each with its crew. Behind them are places
 * for crews of templates that are no language's.
 */
#ifndef ZEROBOOT_CATALOG_H
#define ZEROBOOT_CATALOG_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define CATALOG_MAX 16     /* languages */
#define CATALOG_ADOPTED 16 /* templates that are not a language's any more */
#define CATALOG_DERIVED 64 /* templates that are made of sessions */
#define CATALOG_PLACES (CATALOG_ADOPTED + CATALOG_DERIVED)
#define CATALOG_CREWS (CATALOG_MAX + CATALOG_PLACES)

struct crew;
struct image_id;
struct stock_set;

/* From that directory or box, NULL: the defaults; minimum and maximum: workers of
 * each crew, which are not started. What `crews` says must be set. 0 or -errno;
 * catalog_close undoes it. */
int catalog_open(const char *directory, unsigned minimum, unsigned maximum,
		 struct err *e);
/* Their workers have been ended. */
void catalog_close(void);
int catalog_count(void);
/* NULL behind the last. */
struct crew *catalog_crew(int language);
/* How many workers there may be in all. */
unsigned catalog_workers(void);
/* Descriptors that crews in places may have open here: in the places that there are; in
 * all that there may be. */
unsigned catalog_files(void);
unsigned catalog_files_most(void);

/*
 * A crew of a template that some of a language's sessions are of, but not the language
 * any more: nobody finds it by its name. Its number or -errno; catalog_release ends it,
 * when nothing of it runs or waits.
 */
int catalog_adopt(const char *path, const char *language, const char *template);
/* There is a place for one. */
bool catalog_may_adopt(void);
/* The same of one that was made of a session (derived.h): name is what requests call it,
 * base the language of the session, set its template and image, which become the crew's.
 * foreign: see struct crew. */
int catalog_derive(const char *name, const char *base, bool foreign,
		   struct stock_set *set);
/* The same of one that is kept in a file, as is its image: it is loaded when those that
 * are served have been. */
int catalog_derive_kept(const char *path, const char *name, const char *base,
			const char *template);
void catalog_release(int language);
/* Nothing of it runs or waits. */
bool catalog_is_idle(int language);
/* Of a place: another number for each crew that has had it, and when it has none.
 * 0: of a language. */
unsigned catalog_tenure(int language);
/* What sessions call it, and runs. */
const char *catalog_name(int language);

/* The number of a language, by one of its names, or -1. */
int catalog_find(const char *name, size_t size);
/* The name of a language, NULL behind the last; ready: a worker is there. */
const char *catalog_describe(int language, bool *ready, int *memory_mb);
/* The file it is made of. */
const char *catalog_file(int language);
/* What a crew starts from that has a whole copy of that image; NULL. */
const struct stock_set *catalog_image(const struct image_id *id);
/* One of another's is being loaded or made. */
bool catalog_is_working(int but);
/* Why no worker of it is there, if that is known; NULL. */
const char *catalog_reason(int language);

#endif
