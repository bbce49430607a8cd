/* vdso.c: puts the vDSO into memory, its data page before it. */
#include "vdso.h"

#include "mm/frame.h"

extern const u8 vdso_blob[], vdso_blob_end[];

static u8 *page;

void *vdso_load(void)
{
	size_t size = (size_t)(vdso_blob_end - vdso_blob);
	gpa_t gpa;

	if (page)
		return page + PAGE_SIZE;
	gpa = frames_alloc(1 + PAGE_UP(size) / PAGE_SIZE);
	if (!gpa)
		return NULL;
	page = gpa_to_ptr(gpa);
	memcpy(page + PAGE_SIZE, vdso_blob, size);
	memcpy(page, clock_data, sizeof(*clock_data));
	clock_data = (struct vdso_data *)page;
	return page + PAGE_SIZE;
}
