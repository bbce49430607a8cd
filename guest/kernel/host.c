/* host.c: what reaches the host: output, log lines, the ends of a run. */
#include "host.h"

#include <stdarg.h>

#include "mm/frame.h"
#include "mm/user.h"

static u64 written[2]; /* bytes of stream 1 and 2, cut or not */
static u64 limit;

void host_start(void)
{
	written[0] = written[1] = 0;
	control->stdout_size = control->stderr_size = 0;
	limit = MIN((u64)control->output_limit, (u64)ZB_OUTPUT_SIZE);
}

void output_write(int stream, const void *buf, size_t n)
{
	u64 *at = &written[stream - 1];
	u8 *area = gpa_to_ptr(stream == 1 ? ZB_STDOUT_GPA : ZB_STDERR_GPA);

	if (*at < limit)
		user_copy(area + *at, buf, MIN(n, limit - *at));
	*at += n;
	/* Set with every write: a run cut off by its time keeps its output. */
	if (stream == 1)
		control->stdout_size = *at;
	else
		control->stderr_size = *at;
}

void host_exit(int status)
{
	control->exit_code = (u32)status & 0xff;
	control->frames_free = frames_available();
	for (;;)
		hypercall(ZB_HC_EXIT);
}

/* ---- lines to the host ---- */
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
