#include "field.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of fields that are not known, for each object: */
#define UNKNOWN_MAX 8       /* are named, and */
#define UNKNOWN_NAME_MAX 64 /* bytes of each name */
#define WORD_MAX 16         /* bytes of a word */

/* What a value looks like from outside. FIELD_CONTENT is looked at by content.c. */
static const struct {
	enum json_kind kind;
	const char *complaint;
} kinds[FIELD_TYPES] = {
	[FIELD_STRING] = { JSON_STRING, "not a string" },
	[FIELD_STRINGS] = { JSON_ARRAY, "not an array" },
	[FIELD_TABLE] = { JSON_OBJECT, "not an object" },
	[FIELD_CONTENTS] = { JSON_OBJECT, "not an object" },
	[FIELD_OBJECTS] = { JSON_ARRAY, "not an array" },
};

/* ---- complaints ---- */

int field_no_memory(const struct reader *r)
{
	return err_set(r->e, -ENOMEM, "out of memory");
}

int field_bad(const struct reader *r, const char *name, const char *what)
{
	if (!r->list)
		return err_set(r->e, -EINVAL, "%s: %s", name, what);
	return err_set(r->e, -EINVAL, "%s[%zu].%s: %s", r->list, r->index, name,
		       what);
}

int field_bad_at(const struct reader *r, const char *name, const char *what,
		 size_t at)
{
	char text[192];

	snprintf(text, sizeof(text), "%s, at byte %zu", what, at);
	return field_bad(r, name, text);
}

int field_bad_type(struct json *j, const struct reader *r, const char *name,
		   const char *what)
{
	size_t at = j->at;
	int n = json_skip(j);

	return n ? n : field_bad_at(r, name, what, at);
}

/* Adds to what json.c says about a field's value which field that is. */
static int name_field(const struct reader *r, const char *name, int result)
{
	size_t size = strlen(r->e->text), room = sizeof(r->e->text) - size;

	if (!result || (strncmp(r->e->text, "malformed JSON", 14) &&
			strncmp(r->e->text, "refused JSON", 12)))
		return result;
	if (r->list)
		snprintf(r->e->text + size, room, ", in %s[%zu].%s", r->list,
			 r->index, name);
	else
		snprintf(r->e->text + size, room, ", in %s", name);
	return result;
}

/* ---- fields that nobody knows ---- */

static int warn(struct reader *r, const char *text, size_t size)
{
	if (r->warnings->size)
		text_add(r->warnings, ",", 1);
	text_json_string(r->warnings, text, size);
	return r->warnings->failed ? field_no_memory(r) : 0;
}

/* Passes over one. Its name is whatever the client likes: UTF-8, with NULs, and as
 * many as fit into a body. */
static int skip_unknown(struct json *j, struct reader *r, const char *key,
			size_t size)
{
	static const char what[] = ": unknown field";
	char text[UNKNOWN_NAME_MAX + sizeof("...") + sizeof(what)];
	size_t n = size < UNKNOWN_NAME_MAX ? size : UNKNOWN_NAME_MAX;
	int result;

	if (r->unknown++ < UNKNOWN_MAX) {
		while (n < size && n && (key[n] & 0xc0) == 0x80)
			n--;
		memcpy(text, key, n);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
				      n < size ? "..." : "", what);
		result = warn(r, text, n);
		if (result)
			return result;
	}
	return json_skip(j);
}

/* At the end of an object. */
static int count_unknown(struct reader *r)
{
	char text[64];
	int n;

	if (r->unknown <= UNKNOWN_MAX)
		return 0;
	n = snprintf(text, sizeof(text), "%u more unknown fields",
		     r->unknown - UNKNOWN_MAX);
	return warn(r, text, (size_t)n);
}

/* ---- values ---- */

int field_measure(const struct json *j, size_t *size)
{
	struct json measured = *j;

	return json_string(&measured, NULL, 0, size);
}

/* "neither "a" nor "b"" */
static void list_words(const struct field *f, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "neither");

	for (const char *const *w = f->words; *w && n < size; w++)
		n += (size_t)snprintf(text + n, size - n, "%s \"%s\"",
				      w == f->words ? "" :
				      w[1]          ? "," :
						      " nor",
				      *w);
}

int field_word(struct json *j, struct reader *r, const struct field *f,
	       unsigned *to)
{
	char word[WORD_MAX], what[128];
	size_t at, size;

	list_words(f, what, sizeof(what));
	if (json_peek(j) != JSON_STRING)
		return field_bad_type(j, r, f->name, what);
	at = j->at;
	if (json_string(j, word, sizeof(word), &size))
		return field_bad_at(r, f->name, what, at);
	for (unsigned i = 0; f->words[i]; i++) {
		if (size != strlen(f->words[i]) ||
		    memcmp(word, f->words[i], size))
			continue;
		*to = i;
		return 0;
	}
	return field_bad_at(r, f->name, what, at);
}

/* It was more than that. */
static int warn_most(struct reader *r, const struct field *f)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%s: at most %lld", f->name,
			 (long long)f->most);

	return warn(r, text, (size_t)n);
}

int field_integer(struct json *j, struct reader *r, const struct field *f,
		  uint32_t *to)
{
	const char *what = f->least == 1 ? "not a positive integer" :
					   "not an integer of 0 or more";
	int64_t value = 0;
	size_t at;
	int n;

	if (json_peek(j) != JSON_NUMBER)
		return field_bad_type(j, r, f->name, what);
	at = j->at;
	n = json_integer(j, &value);
	if (n == -ERANGE || (n == 0 && value < f->least))
		return field_bad_at(r, f->name, what, at);
	if (n)
		return n;
	*to = (uint32_t)(value < f->most ? value : f->most);
	return value > f->most && f->warns ? warn_most(r, f) : 0;
}

int field_boolean(struct json *j, struct reader *r, const struct field *f,
		  bool *to)
{
	size_t at;
	int n;

	(void)json_peek(j);
	at = j->at;
	n = json_skip(j);
	if (n)
		return n;
	*to = j->text[at] == 't';
	return *to || j->text[at] == 'f' ?
		       0 :
		       field_bad_at(r, f->name, "neither true nor false", at);
}

struct list {
	struct reader *reader;
	const struct field *field;
	size_t count;
};

static int take_element(struct json *j, void *context)
{
	struct list *l = context;
	const struct field *f = l->field;

	if (f->type == FIELD_OBJECTS)
		return f->take(j, l->reader, f);
	if (json_peek(j) != JSON_STRING)
		return field_bad_type(j, l->reader, f->name, "not a string");
	if (l->count++ == f->count)
		return field_bad_at(l->reader, f->name, "too many", j->at);
	return f->take(j, l->reader, f);
}

static int take_member(struct json *j, const char *name, size_t size,
		       void *context)
{
	struct list *l = context;

	return l->field->take_member(j, l->reader, l->field, name, size);
}

static int take_value(struct json *j, struct reader *r, const struct field *f)
{
	struct list l = { r, f, 0 };

	if (kinds[f->type].complaint && json_peek(j) != kinds[f->type].kind)
		return field_bad_type(j, r, f->name, kinds[f->type].complaint);
	if (f->take_member)
		return json_object(j, take_member, &l);
	if (f->type == FIELD_STRINGS || f->type == FIELD_OBJECTS)
		return json_array(j, take_element, &l);
	return f->take(j, r, f);
}

/* ---- objects ---- */

struct reading_object {
	struct reader *reader;
	const struct object *object;
};

static int object_member(struct json *j, const char *key, size_t size,
			 void *context)
{
	struct reading_object *o = context;

	const struct field *f = o->object->fields;
	int r;

	while (f->name &&
	       (size != strlen(f->name) || memcmp(key, f->name, size)))
		f++;
	if (!f->name)
		return skip_unknown(j, o->reader, key, size);
	o->reader->seen |= 1ull << (f - o->object->fields);
	r = take_value(j, o->reader, f);
	/* Objects in it have named theirs. */
	return f->type == FIELD_OBJECTS ? r : name_field(o->reader, f->name, r);
}

int field_object(struct json *j, struct reader *r, const struct object *o,
		 const char *name)
{
	struct reading_object reading = { r, o };
	size_t at;
	int n;

	if (json_peek(j) != JSON_OBJECT) {
		at = j->at;
		n = json_skip(j);
		return n ? n :
			   err_set(r->e, -EINVAL,
				   "%s: not an object, at byte %zu", name, at);
	}
	r->unknown = 0;
	r->seen = 0;
	n = json_object(j, object_member, &reading);
	return n ? n : count_unknown(r);
}

int field_complete(const struct reader *r, const struct object *o)
{
	for (const struct field *f = o->fields; f->name; f++)
		if (f->required && !(r->seen >> (f - o->fields) & 1))
			return field_bad(r, f->name, "missing");
	return 0;
}
