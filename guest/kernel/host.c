/* host.c: what goes to the host: output, and the end of a run. */
#include "host.h"

#include <stdarg.h>

#include "hypercall.h"
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

void host_exit(int code, u32 status)
{
	control->exit_code = (u32)code & 0xff;
	control->status = status;
	for (;;)
		hypercall(ZB_HC_EXIT);
}

void host_refuse(const char *format, ...)
{
	char line[ZB_LOG_SIZE];
	va_list ap;
	int n;

	va_start(ap, format);
	n = kvsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	n = n < 0 ? 0 : MIN(n, (int)sizeof(line) - 1);
	memcpy((void *)control->log, line, (size_t)n);
	control->log_size = (u32)n;
}
