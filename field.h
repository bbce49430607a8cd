/*
 * field.h: the objects of the API as tables of their fields. What reads a request,
 * the warning of a field that is not known, and /v1/openapi.json (openapi.c) are
 * made of these rows.
 */
#ifndef ZEROBOOT_FIELD_H
#define ZEROBOOT_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "text.h"

enum field_type {
	FIELD_STRING,
	FIELD_WORD,     /* one of some strings */
	FIELD_CONTENT,  /* see content.h */
	FIELD_INTEGER,  /* without a fraction or an exponent */
	FIELD_STRINGS,  /* an array */
	FIELD_TABLE,    /* an object of strings */
	FIELD_CONTENTS, /* an object of contents */
	FIELD_OBJECTS,  /* an array */
	FIELD_BOOLEAN,
	/* of answers only */
	FIELD_NUMBER,
	FIELD_OBJECT,
	FIELD_OBJECT_TABLE, /* an object of objects */
	FIELD_FILES,        /* an object of strings, or objects */
	FIELD_TYPES,
};

struct object { /* a kind of JSON object */
	const char *name, *help;
	const struct field *fields; /* the last one has no name */
	bool closed;                /* another field is refused */
};

struct reader;

struct field {
	const char *name, *help;
	enum field_type type;
	bool required;
	/* An integer: below least it is refused; above most it is most, if not 0. */
	int64_t least, most, standard;
	bool warns;               /* when it was above most */
	const char *const *words; /* of FIELD_WORD, the last NULL: the first holds
				   * where there is none */
	/* How many elements or members at most, and least of them; bytes of a
	 * string, of an element, or of a member's name; 0: see help. */
	size_t count, least_count, size;
	/* What a member's name, and what a string must be: ECMA-262's patterns. */
	const char *names, *strings;
	const struct object *of, * or ; /* of objects: these, or those */
	/* Reads the value, or each element of an array, whose JSON type was looked
	 * at. 0 or -errno with a message. */
	int (*take)(struct json *j, struct reader *r, const struct field *f);
	/* The same for each member of an object. */
	int (*take_member)(struct json *j, struct reader *r,
			   const struct field *f, const char *name,
			   size_t size);
};

/* Whoever reads an object; the first member of what takes the fields. */
struct reader {
	const char *list; /* the array that the object is in, or NULL, and */
	size_t index;     /* its place there */
	struct text *warnings; /* JSON strings, with commas */
	struct err *e;
	unsigned unknown; /* its fields that are not known */
	uint64_t seen;    /* a bit for each field that is there */
};

/* Reads an object, which is said to be nothing else by name. 0 or -errno with a
 * message that names the field. */
int field_object(struct json *j, struct reader *r, const struct object *o,
		 const char *name);

/* Afterwards: that all is there that must be. */
int field_complete(const struct reader *r, const struct object *o);

/* For those that take a field: 0 or -errno with a message. */
int field_integer(struct json *j, struct reader *r, const struct field *f,
		  uint32_t *to);
/* Its place among the words. */
int field_word(struct json *j, struct reader *r, const struct field *f,
	       unsigned *to);
int field_boolean(struct json *j, struct reader *r, const struct field *f,
		  bool *to);
/* How long a string comes out; it is not read yet. */
int field_measure(const struct json *j, size_t *size);

/* Complaints: "code: missing", with the place of the object, of what is being read,
 * or of the byte where it begins. */
int field_bad(const struct reader *r, const char *name, const char *what);
int field_bad_at(const struct reader *r, const char *name, const char *what,
		 size_t at);
/* What comes is not of its type; it may not even be JSON. */
int field_bad_type(struct json *j, const struct reader *r, const char *name,
		   const char *what);
int field_no_memory(const struct reader *r);

#endif
