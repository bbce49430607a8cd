/*
 * err.h: an error that a person will read. Caller-owned; the message is one
 * line without "zeroboot:" and without a newline.
 */
#ifndef ZEROBOOT_ERR_H
#define ZEROBOOT_ERR_H

struct err {
	char text[256];
};

/*
 * Writes the message (cut to fit) unless e is NULL. Returns code, so that a
 * failing function can end with `return err_set(e, -EINVAL, ...)`.
 */
int err_set(struct err *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
