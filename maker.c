#include "maker.h"

#include <stddef.h>

#include "crc32c.h"
#include "template.h"

/* blobs.S: the first and the end. */
extern const char kernel_blob[], blobs_end[];

void maker_set(void)
{
	template_maker =
		crc32c(0, kernel_blob, (size_t)(blobs_end - kernel_blob));
}
