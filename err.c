#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

void err_format(struct err *e, const char *format, ...)
{
	int saved = errno;
	va_list ap;

	if (!e)
		return;
	va_start(ap, format);
	vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	errno = saved;
}

static bool machine;

void err_machine(void)
{
	machine = true;
}

const char *err_hint(void)
{
	return machine ? " (zeroboot doctor says what this machine lacks)" : "";
}
