/*
 * endpoint.h: the paths that there are, what may be done with each, and how that is
 * answered. The router, the metrics' names and /v1/openapi.json go by these rows.
 */
#ifndef ZEROBOOT_ENDPOINT_H
#define ZEROBOOT_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "field.h"
#include "http.h"
#include "metrics.h"

#define ENDPOINT_NAMES 2
#define ENDPOINT_OPERATIONS 4
#define ENDPOINT_STATUSES 16

struct exchange;
struct document;

struct operation {
	struct http_span method; /* with GET there is HEAD */
	/* One of both: what it does, or the document that it answers. */
	void (*handle)(struct exchange *x, const char *body, size_t size);
	const struct document *(*document)(void);
	/* Of JSON; what takes something asks for a key where there are keys. */
	const struct object *takes, *gives;
	const struct object *or_takes; /* instead of that; or NULL */
	bool keyed;         /* it asks for a key though it takes nothing */
	bool takes_bytes;   /* of any type, instead of JSON */
	bool gives_bytes;   /* as well as JSON */
	const char *type;   /* what it answers, if not JSON */
	const char *events; /* which, where it can answer as it comes */
	/* All that it may answer, of which those from 400 on are errors, but for
	 * one that is answered like a success. */
	unsigned short statuses[ENDPOINT_STATUSES], no_error;
	const char *id, *summary, *help;
	const char *example; /* of a body; may be NULL */
};

struct endpoint {
	struct http_span path;
	struct http_span names[ENDPOINT_NAMES]; /* other paths of it */
	struct operation operations[ENDPOINT_OPERATIONS];
};

/* METRICS_OTHER has no operations. */
extern const struct endpoint endpoints[METRICS_PATHS];

/* The page is not there: nothing else knows of it then. */
void endpoint_hide_page(void);
bool endpoint_is_there(enum metrics_path path);
const char *endpoint_path(enum metrics_path path);
/* *name, *rest: what a path has where its row has {id}, and {path} at its end. */
enum metrics_path endpoint_find(struct http_span path, struct http_span *name,
				struct http_span *rest);
/* NULL: there is no such operation. */
const struct operation *endpoint_operation(enum metrics_path path,
					   struct http_span method);
/* A header line of the methods that a path has; of METRICS_OTHER all that any has. */
const char *endpoint_allow(enum metrics_path path);

#endif
