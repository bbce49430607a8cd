/* api_template.h: what the endpoints of templates that are made of sessions do: see
 * endpoint.h. */
#ifndef ZEROBOOT_API_TEMPLATE_H
#define ZEROBOOT_API_TEMPLATE_H

#include "api.h"

/* POST: a session becomes one. */
void api_template_make(struct exchange *x, const char *body, size_t size);
void api_template_list(struct exchange *x, const char *body, size_t size);
void api_template_delete(struct exchange *x, const char *body, size_t size);

extern const struct object api_template_answer, api_templates_answer;

#endif
