#include "progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define INTERVAL_NS 200000000
#define MAX_WARNINGS 20

const char *shown(char to[SHOWN_SIZE], const char *name, size_t size)
{
	size_t at = 0;

	if (size > SHOWN_SIZE - 1) {
		name += size - (SHOWN_SIZE - 4);
		size = SHOWN_SIZE - 4;
		memcpy(to, "...", 3);
		at = 3;
	}
	for (size_t i = 0; i < size; i++) {
		char c = name[i];

		to[at++] =
			(char)((unsigned char)c < 0x20 || c == 0x7f ? '?' : c);
	}
	to[at] = 0;
	return to;
}

void progress_begin(struct progress *p)
{
	memset(p, 0, sizeof(*p));
	p->terminal = isatty(STDERR_FILENO) == 1;
}

static void erase(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", stderr);
	p->drawn = false;
}

void progress_show(struct progress *p)
{
	uint64_t now;

	if (!p->terminal)
		return;
	now = clock_mono();
	if (now < p->next_ns)
		return;
	p->next_ns = now + INTERVAL_NS;
	erase(p);
	fprintf(stderr, "%llu files, %.1f MiB", (unsigned long long)p->files,
		(double)p->bytes / (1 << 20));
	p->drawn = true;
}

void progress_warn(struct progress *p, const char *format, ...)
{
	char line[512];
	va_list ap;

	if (p->warnings++ >= MAX_WARNINGS)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	erase(p);
	fprintf(stderr, "zeroboot: %s\n", line);
}

void progress_end(struct progress *p)
{
	erase(p);
	if (p->warnings > MAX_WARNINGS)
		fprintf(stderr, "zeroboot: and %u more like these\n",
			p->warnings - MAX_WARNINGS);
}
