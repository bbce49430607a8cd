/*
 * err.h: an error that a person will read. Caller-owned; the message is one
 * line without "zeroboot:" and without a newline.
 */
#ifndef ZEROBOOT_ERR_H
#define ZEROBOOT_ERR_H

#include <errno.h>

struct err {
	char text[512];
};

/*
 * Writes the message (cut to fit) unless e is NULL. Its value is code, which may
 * be -errno, so that a failing function can end with
 * `return err_set(e, -EINVAL, ...)`. Never 0: an error does not become a success
 * because errno was lost. A macro: analysers see what comes out.
 */
#define err_set(e, code, ...) err_code((err_format(e, __VA_ARGS__), (code)))

/* Leaves errno as it is. */
void err_format(struct err *e, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* An error of this process was about what the machine has or allows. */
void err_machine(void);
/* What to say behind the error that ends it: where to ask, or nothing. */
const char *err_hint(void);

static inline int err_code(int code)
{
	return code ? code : -EIO;
}

#endif
