/* api_files.h: the files of a session, over HTTP: see endpoint.h. */
#ifndef ZEROBOOT_API_FILES_H
#define ZEROBOOT_API_FILES_H

#include "api.h"

void api_files_get(struct exchange *x, const char *body, size_t size);
void api_files_put(struct exchange *x, const char *body, size_t size);
void api_files_delete(struct exchange *x, const char *body, size_t size);

/* What a directory has. */
extern const struct object api_files_answer;

#endif
