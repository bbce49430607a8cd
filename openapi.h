/*
 * openapi.h: /v1/openapi.json: the API as OpenAPI 3.1, made of the tables that
 * requests are read by (field.h, endpoint.h).
 */
#ifndef ZEROBOOT_OPENAPI_H
#define ZEROBOOT_OPENAPI_H

#include "document.h"

/* NULL: no memory for it. */
const struct document *openapi_document(void);

#endif
