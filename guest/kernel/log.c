/* log.c: lines to the host, the last one too. */
#include <stdarg.h>

#include "hypercall.h"

static void format_log(const char *format, va_list ap)
{
	char line[512];
	int n = kvsnprintf(line, sizeof(line), format, ap);
	u32 size = (u32)MIN((size_t)n, sizeof(line) - 1);

	memcpy((void *)control->log, line, size);
	control->log_size = size;
}

void klog(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	format_log(format, ap);
	va_end(ap);
	hypercall(ZB_HC_LOG);
}

void panic(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	format_log(format, ap);
	va_end(ap);
	for (;;)
		hypercall(ZB_HC_PANIC);
}
