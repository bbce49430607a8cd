#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "cpu.h"
#include "file.h"
#include "snapshot.h"
#include "template_format.h"

#define COPY_CHUNK (1u << 20)

static uint64_t fnv1a(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ull;
	return hash;
}

uint64_t template_checksum(const struct template_header *h)
{
	struct template_header copy = *h;

	copy.checksum = 0;
	return fnv1a(&copy, sizeof(copy));
}

/* ---- writing ---- */

static bool is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, 4095) == 0;
}

/* Only pages with content: the file is sparse. */
static int write_memory(int fd, const uint8_t *memory, uint64_t size,
			uint64_t offset, uint64_t *used)
{
	uint64_t start = 0, at;
	int r;

	*used = 0;
	for (at = 0; at < size; at += 4096) {
		if (!is_zero(memory + at)) {
			++*used;
			if (at - start < COPY_CHUNK)
				continue;
			r = file_write_at(fd, memory + start, at - start,
					  offset + start);
			start = at;
		} else {
			r = file_write_at(fd, memory + start, at - start,
					  offset + start);
			start = at + 4096;
		}
		if (r)
			return r;
	}
	return file_write_at(fd, memory + start, at - start, offset + start);
}

static void fill_header(struct template_header *h, const struct vm *vm,
			const struct vmm *vmm,
			const struct template_source *source)
{
	uint64_t image_size = source->image_size;

	memcpy(h->magic, TEMPLATE_MAGIC, sizeof(h->magic));
	h->version = TEMPLATE_VERSION;
	h->abi_version = ZB_ABI_VERSION;
	h->image_offset = TEMPLATE_HEADER_SIZE;
	h->image_size = image_size;
	h->memory_offset =
		TEMPLATE_HEADER_SIZE + ((image_size + 4095) & ~4095ull);
	h->memory_size = vm->memory_size;
	h->file_size = h->memory_offset + h->memory_size;
	h->mono_ns = clock_mono() + (uint64_t)vm->mono_offset;
	h->wall_ns = clock_wall();
	h->build_ns = source->build_ns;
	h->training_size = (uint32_t)source->training_size;
	if (source->training_size)
		memcpy(h->training, source->training, source->training_size);
	h->xcr0 = vmm->xcr0;
	cpu_features_read(&h->features, vmm);
}

static int write_template(int fd, struct template_header *h,
			  const struct vm *vm,
			  const struct template_source *source)
{
	int r = ftruncate(fd, (off_t)h->file_size) < 0 ? -errno : 0;

	if (r == 0)
		r = file_write_at(fd, source->image, source->image_size,
				  h->image_offset);
	if (r == 0)
		r = write_memory(fd, vm->memory, vm->memory_size,
				 h->memory_offset, &h->used_pages);
	h->checksum = template_checksum(h);
	return r ? r : file_write_at(fd, h, sizeof(*h), 0);
}

int template_save(const char *path, struct vm *vm, const struct vmm *vmm,
		  const struct template_source *source, struct err *e)
{
	struct template_header *h;
	struct file_draft d;
	int r;

	if (source->training_size > TEMPLATE_TRAINING_MAX)
		return err_set(e, -E2BIG, "training: too long");
	h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(e, -ENOMEM, "%s: no memory", path);
	r = vm_save(vm, &h->state, e);
	if (r)
		goto out;
	fill_header(h, vm, vmm, source);
	r = file_draft(&d, path, e);
	if (r)
		goto out;
	r = write_template(d.fd, h, vm, source);
	if (r)
		err_set(e, r, "%s: %s", path, strerror(-r));
	r = file_replace(&d, path, r, e);
out:
	free(h);
	return r;
}

/* ---- reading ---- */

int template_memory_mb(const char *path, struct err *e)
{
	struct snapshot s;
	int r = snapshot_open(&s, path, NULL, e);

	if (r)
		return r;
	r = (int)(s.memory_size >> 20);
	snapshot_close(&s);
	return r;
}

int template_info(const char *path, struct err *e)
{
	struct snapshot s;
	struct stat st;
	time_t when;
	char date[32];
	struct tm tm;
	int r = snapshot_open(&s, path, NULL, e);

	if (r || !s.header)
		return r;
	when = (time_t)(s.wall_ns / 1000000000);
	if (fstat(s.fd, &st) < 0 || !gmtime_r(&when, &tm) ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		r = err_set(e, -EIO, "%s: cannot say when it was made", path);
		goto out;
	}
	printf("version      %u, guest ABI %u\n", s.header->version,
	       s.header->abi_version);
	printf("made         %s, in %.3f s\n", date, (double)s.build_ns / 1e9);
	printf("memory       %llu MiB, %llu pages in use (%.1f MiB)\n",
	       (unsigned long long)(s.memory_size >> 20),
	       (unsigned long long)s.header->used_pages,
	       (double)s.header->used_pages * 4096 / (1 << 20));
	printf("image        %.1f MiB\n", (double)s.image_size / (1 << 20));
	printf("file         %.1f MiB, %.1f MiB on disk\n",
	       (double)s.size / (1 << 20), (double)st.st_blocks / 2048);
	printf("cpu          ");
	cpu_features_print(&s.header->features);
	printf("registers    rip %#llx, xcr0 %#llx\n",
	       (unsigned long long)s.state->regs.rip,
	       (unsigned long long)s.header->xcr0);
	r = fflush(stdout) ? err_set(e, -errno, "stdout: %s", strerror(errno)) :
			     0;
out:
	snapshot_close(&s);
	return r;
}
