#include "openapi.h"

#include <stdio.h>
#include <stdlib.h>

#include "api.h"
#include "content.h"
#include "endpoint.h"

#ifndef ZEROBOOT_VERSION
#define ZEROBOOT_VERSION "unknown"
#endif

#define OBJECTS_MAX 64
#define ERRORS_MAX 32

struct writer {
	struct text t;
	/* What has been referred to, in this order: it is written at the end. */
	const struct object *objects[OBJECTS_MAX];
	unsigned short errors[ERRORS_MAX];
	size_t object_count, error_count;
};

static void put(struct writer *w, const char *text)
{
	text_put(&w->t, text);
}

static void put_string(struct writer *w, const char *text)
{
	text_json_string(&w->t, text, strlen(text));
}

/* A member with a comma before it; name with its quotes and colon. */
static void put_member(struct writer *w, const char *name, const char *text)
{
	if (!text)
		return;
	put(w, ",");
	put(w, name);
	put_string(w, text);
}

static void put_number(struct writer *w, const char *name, int64_t value)
{
	put(w, ",");
	put(w, name);
	text_put_number(&w->t, value);
}

static void put_bound(struct writer *w, const char *name, size_t value)
{
	if (value)
		put_number(w, name, (int64_t)value);
}

/* ---- objects ---- */

static void put_reference(struct writer *w, const struct object *o)
{
	size_t i = 0;

	while (i < w->object_count && w->objects[i] != o)
		i++;
	if (i == w->object_count && i < OBJECTS_MAX)
		w->objects[w->object_count++] = o;
	text_format(&w->t, "\"$ref\":\"#/components/schemas/%s\"", o->name);
}

static void put_content(struct writer *w)
{
	put(w, "\"anyOf\":[{\"type\":\"string\"},{");
	put_reference(w, &content_bytes);
	put(w, "}]");
}

static void put_objects(struct writer *w, const struct field *f)
{
	put(w, f->or ? "{\"anyOf\":[{" : "{");
	put_reference(w, f->of);
	if (f->or) {
		put(w, "},{");
		put_reference(w, f->or);
		put(w, "}]");
	}
	put(w, "}");
}

static void put_text_type(struct writer *w, const struct field *f)
{
	put(w, "\"type\":\"string\"");
	put_bound(w, "\"maxLength\":", f->size);
	put_member(w, "\"pattern\":", f->strings);
}

static void put_word_type(struct writer *w, const struct field *f)
{
	put(w, "\"type\":\"string\",\"enum\":[");
	for (const char *const *word = f->words; *word; word++) {
		if (word != f->words)
			put(w, ",");
		put_string(w, *word);
	}
	put(w, "]");
	if (!f->required)
		put_member(w, "\"default\":", f->words[0]);
}

static void put_array_type(struct writer *w, const struct field *f)
{
	put(w, "\"type\":\"array\"");
	put_bound(w, "\"minItems\":", f->least_count);
	put_bound(w, "\"maxItems\":", f->count);
	put(w, ",\"items\":");
	if (f->type == FIELD_OBJECTS) {
		put_objects(w, f);
		return;
	}
	put(w, "{");
	put_text_type(w, f);
	put(w, "}");
}

/* An object with any names. */
static void put_table_type(struct writer *w, const struct field *f)
{
	put(w, "\"type\":\"object\"");
	put_bound(w, "\"maxProperties\":", f->count);
	if (f->names) {
		put(w, ",\"propertyNames\":{\"type\":\"string\"");
		put_bound(w, "\"maxLength\":", f->size);
		put_member(w, "\"pattern\":", f->names);
		put(w, "}");
	}
	put(w, ",\"additionalProperties\":");
	if (f->type == FIELD_OBJECT_TABLE) {
		put_objects(w, f);
		return;
	}
	put(w, "{");
	if (f->type == FIELD_CONTENTS) {
		put_content(w);
	} else if (f->type == FIELD_FILES) {
		put(w, "\"anyOf\":[{\"type\":\"string\"},");
		put_objects(w, f);
		put(w, "]");
	} else {
		put(w, "\"type\":\"string\"");
		put_member(w, "\"pattern\":", f->strings);
	}
	put(w, "}");
}

static void put_type(struct writer *w, const struct field *f)
{
	switch (f->type) {
	case FIELD_STRING:
		put_text_type(w, f);
		break;
	case FIELD_WORD:
		put_word_type(w, f);
		break;
	case FIELD_CONTENT:
		put_content(w);
		break;
	case FIELD_INTEGER:
		put(w, "\"type\":\"integer\"");
		put_number(w, "\"minimum\":", f->least);
		put_bound(w, "\"default\":", (size_t)f->standard);
		break;
	case FIELD_STRINGS:
	case FIELD_OBJECTS:
		put_array_type(w, f);
		break;
	case FIELD_BOOLEAN:
		put(w, "\"type\":\"boolean\"");
		break;
	case FIELD_NUMBER:
		put(w, "\"type\":\"number\",\"minimum\":0");
		break;
	case FIELD_OBJECT:
		put_reference(w, f->of);
		break;
	default:
		put_table_type(w, f);
	}
}

static void put_field(struct writer *w, const struct field *f)
{
	char help[512];

	put_string(w, f->name);
	put(w, ":{");
	put_type(w, f);
	if (f->most)
		snprintf(help, sizeof(help),
			 "%s More than %lld is taken for %lld.", f->help,
			 (long long)f->most, (long long)f->most);
	put_member(w, "\"description\":", f->most ? help : f->help);
	put(w, "}");
}

static void put_object(struct writer *w, const struct object *o)
{
	bool any = false;

	put_string(w, o->name);
	put(w, ":{\"type\":\"object\"");
	put_member(w, "\"description\":", o->help);
	put(w, ",\"properties\":{");
	for (const struct field *f = o->fields; f->name; f++) {
		if (f != o->fields)
			put(w, ",");
		put_field(w, f);
	}
	put(w, "}");
	for (const struct field *f = o->fields; f->name; f++) {
		if (!f->required)
			continue;
		put(w, any ? "," : ",\"required\":[");
		put_string(w, f->name);
		any = true;
	}
	put(w, any ? "]" : "");
	put(w, o->closed ? ",\"additionalProperties\":false}" : "}");
}

/* ---- operations ---- */

static const char *when(int status)
{
	static const struct {
		int status;
		const char *when;
	} texts[] = {
		{ 200, "It was done." },
		{ 201, "It was made." },
		{ 202, "It was taken." },
		{ 204, "It is deleted." },
		{ 304, "The client has it: If-None-Match names it." },
		{ 400, "The request is wrong: what, and where." },
		{ 401, "No key, or an unknown one." },
		{ 403, "Origin: not one that --cors names." },
		{ 404, "There is no such session of this key, or no such file "
		       "in it." },
		{ 409, "The session is being deleted." },
		{ 410, "The session's program has ended: why." },
		{ 507, "The session, or all of them, have become too large: "
		       "it is as it was before." },
		{ 408, "The request did not arrive in time." },
		{ 411, "The body has no length." },
		{ 413, "The body is larger than --max-body, or the file than "
		       "--max-outputs." },
		{ 415, "The body is no JSON, by its type, or is encoded." },
		{ 429, "More than 100 requests a second for this key." },
		{ 431, "The headers are too large." },
		{ 500, "The worker failed under the run." },
		{ 503, "The queue is full, the server is ending, or no worker "
		       "can be started." },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].when;
	return http_status_text(status);
}

static void put_error(struct writer *w, unsigned short status)
{
	size_t i = 0;

	while (i < w->error_count && w->errors[i] != status)
		i++;
	if (i == w->error_count && i < ERRORS_MAX)
		w->errors[w->error_count++] = status;
	text_format(&w->t, "{\"$ref\":\"#/components/responses/E%d\"}", status);
}

static void put_success(struct writer *w, const struct operation *o, int status)
{
	put(w, "{\"description\":");
	put_string(w, when(status));
	if (o->document)
		put(w, ",\"headers\":{\"ETag\":{\"schema\":{\"type\":"
		       "\"string\"}}}");
	/* 202 beside 200 is instead of an answer. */
	if (status == 304 || status == 204 ||
	    (status == 202 && o->statuses[0] != 202)) {
		put(w, "}");
		return;
	}
	put(w, ",\"content\":{");
	put_string(w, o->type ? o->type : "application/json");
	put(w, ":{\"schema\":{");
	if (o->gives)
		put_reference(w, o->gives);
	else
		put(w, o->type && !strncmp(o->type, "text/", 5) ? "\"type\":"
								  "\"string\"" :
								  "");
	put(w, "}}");
	if (o->gives_bytes)
		put(w, ",\"application/octet-stream\":{}");
	if (o->events) {
		put(w, ",\"text/event-stream\":{\"schema\":{\"type\":"
		       "\"string\"");
		put_member(w, "\"description\":", o->events);
		put(w, "}}");
	}
	put(w, "}}");
}

static void put_operation(struct writer *w, const struct operation *o)
{
	put(w, "{\"operationId\":");
	put_string(w, o->id);
	put_member(w, "\"summary\":", o->summary);
	put_member(w, "\"description\":", o->help);
	put(w, o->takes || o->keyed ? ",\"security\":[{},{\"key\":[]}]" :
				      ",\"security\":[]");
	if (o->takes) {
		put(w, ",\"requestBody\":{\"required\":true,\"content\":{"
		       "\"application/json\":{\"schema\":{");
		put(w, o->or_takes ? "\"anyOf\":[{" : "");
		put_reference(w, o->takes);
		if (o->or_takes) {
			put(w, "},{");
			put_reference(w, o->or_takes);
			put(w, "}]");
		}
		put(w, "}");
		if (o->example)
			put(w, ",\"example\":");
		put(w, o->example ? o->example : "");
		put(w, "}}}");
	}
	if (o->takes_bytes)
		put(w, ",\"requestBody\":{\"required\":true,\"content\":{"
		       "\"application/octet-stream\":{}}}");
	put(w, ",\"responses\":{");
	for (int i = 0; i < ENDPOINT_STATUSES && o->statuses[i]; i++) {
		unsigned short status = o->statuses[i];

		text_format(&w->t, "%s\"%d\":", i ? "," : "", status);
		if (status < 400 || status == o->no_error)
			put_success(w, o, status);
		else
			put_error(w, status);
	}
	put(w, "}}");
}

/* One that the path has. */
static void put_parameter(struct writer *w, const struct endpoint *e,
			  const char *name, const char *help)
{
	const char *at = strstr(e->path.data, name);

	if (!at || at[-1] != '{')
		return;
	if (strchr(e->path.data, '{') != at - 1)
		put(w, ",");
	put(w, "{\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
	       "\"string\"}");
	put_member(w, "\"name\":", name);
	put_member(w, "\"description\":", help);
	put(w, "}");
}

static void put_endpoint(struct writer *w, const struct endpoint *e)
{
	put_string(w, e->path.data);
	put(w, ":{");
	if (strchr(e->path.data, '{'))
		put(w, "\"parameters\":[");
	put_parameter(w, e, "id", "Of a session, or a template's name.");
	put_parameter(w, e, "path",
		      "Of a file, percent-encoded where it must be: relative "
		      "to the program's directory, or with a slash in front.");
	if (strchr(e->path.data, '{'))
		put(w, "],");
	put(w, "\"description\":\"");
	for (int i = 0; i < ENDPOINT_NAMES && e->names[i].size; i++)
		text_format(&w->t, "%s%s", i ? ", " : "Also ",
			    e->names[i].data);
	put(w, "\"");
	for (int i = 0; i < ENDPOINT_OPERATIONS; i++) {
		const struct operation *o = &e->operations[i];

		if (!o->method.size)
			break;
		put(w, ",\"");
		for (size_t n = 0; n < o->method.size; n++) {
			char small = (char)(o->method.data[n] | 0x20);

			text_add(&w->t, &small, 1);
		}
		put(w, "\":");
		put_operation(w, o);
	}
	put(w, "}");
}

/* ---- all of it ---- */

static void put_responses(struct writer *w)
{
	for (size_t i = 0; i < w->error_count; i++) {
		int status = w->errors[i];

		text_format(&w->t, "%s\"E%d\":{\"description\":", i ? "," : "",
			    status);
		put_string(w, when(status));
		if (status == 429 || status == 503)
			put(w, ",\"headers\":{\"Retry-After\":{\"description\":"
			       "\"Seconds.\",\"schema\":{\"type\":"
			       "\"integer\"}}}");
		put(w, ",\"content\":{\"application/json\":{\"schema\":{");
		put_reference(w, &api_error_answer);
		put(w, "}}}}");
	}
}

static void put_document(struct writer *w)
{
	put(w, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"zeroboot\","
	       "\"version\":\"" ZEROBOOT_VERSION "\",\"description\":\"Runs "
	       "untrusted code in virtual machines that are forked in "
	       "microseconds. Whatever has GET has HEAD, and every path has "
	       "OPTIONS. Bytes are counted in UTF-8; an integer is written "
	       "without a fraction. Without keys a server on a loopback "
	       "address answers 421 to a Host that is not its own.\","
	       "\"license\":{\"name\":\"Apache-2.0\",\"identifier\":"
	       "\"Apache-2.0\"}},\"servers\":[{\"url\":\"/\"}],\"paths\":{");
	for (int i = METRICS_OTHER + 1; i < METRICS_PATHS; i++) {
		if (!endpoint_is_there((enum metrics_path)i))
			continue;
		put(w, i > METRICS_OTHER + 1 ? "," : "");
		put_endpoint(w, &endpoints[i]);
	}
	put(w, "},\"components\":{\"securitySchemes\":{\"key\":{\"type\":"
	       "\"http\",\"scheme\":\"bearer\",\"description\":\"Where the "
	       "server has a key file.\"}},\"responses\":{");
	put_responses(w);
	put(w, "},\"schemas\":{");
	/* Those that are written refer to more. */
	for (size_t i = 0; i < w->object_count; i++) {
		put(w, i ? "," : "");
		put_object(w, w->objects[i]);
	}
	put(w, "}}}\n");
}

const struct document *openapi_document(void)
{
	static struct document document = { .type = "application/json" };
	struct writer w = { .object_count = 0 };

	if (document.data)
		return &document;
	put_document(&w);
	if (w.t.failed) {
		free(w.t.data);
		return NULL;
	}
	document.data = w.t.data;
	document.size = w.t.size;
	document_seal(&document, "");
	return &document;
}
