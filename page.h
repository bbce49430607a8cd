/* page.h: GET /: a page to try the server on, one file with style and script in it. */
#ifndef ZEROBOOT_PAGE_H
#define ZEROBOOT_PAGE_H

#include "document.h"

const struct document *page_document(void);

#endif
