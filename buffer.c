#include "buffer.h"

#include <stdint.h>
#include <sys/mman.h>

#define LARGE                                                                  \
	(256u << 10) /* alone in its pages: more than malloc's threshold */
#define PAGE 4096u

static void advise(void *data, size_t size, int advice)
{
	uintptr_t start = ((uintptr_t)data + PAGE - 1) & ~(uintptr_t)(PAGE - 1),
		  end = ((uintptr_t)data + size) & ~(uintptr_t)(PAGE - 1);

	if (size >= LARGE)
		madvise((void *)start, end - start, advice);
}

void buffer_keep(void *data, size_t size)
{
	advise(data, size, MADV_DONTFORK);
}

void buffer_join(void *data, size_t size)
{
	advise(data, size, MADV_DOFORK);
}
