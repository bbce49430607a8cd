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

#include "cpu.h"

#define MAGIC "ZBTMPL\r\n" /* CR LF: shows a transfer in text mode */
#define HEADER_SIZE 65536
#define COPY_CHUNK (1u << 20)

struct template_header {
	char magic[8];
	uint32_t version;
	uint32_t abi_version;
	uint64_t checksum; /* FNV-1a of the header with this field 0 */
	uint64_t file_size;
	uint64_t image_offset, image_size;
	uint64_t memory_offset, memory_size;
	uint64_t mono_ns, wall_ns;
	uint64_t build_ns;
	uint64_t used_pages; /* of memory, not all zero */
	uint64_t xcr0;
	struct cpu_features features;
	struct vm_state state;
	uint32_t training_size;
	char training[TEMPLATE_TRAINING_MAX];
};
_Static_assert(sizeof(struct template_header) <= HEADER_SIZE, "header");

static uint64_t fnv1a(const void *data, size_t size)
{
	const uint8_t *p = data;
	uint64_t hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ull;
	return hash;
}

static uint64_t checksum(const struct template_header *h)
{
	struct template_header copy = *h;

	copy.checksum = 0;
	return fnv1a(&copy, sizeof(copy));
}

/* ---- writing ---- */

static int write_at(int fd, const void *data, size_t size, uint64_t offset)
{
	const char *p = data;

	while (size) {
		ssize_t n = pwrite(fd, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return 0;
}

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
			r = write_at(fd, memory + start, at - start,
				     offset + start);
			start = at;
		} else {
			r = write_at(fd, memory + start, at - start,
				     offset + start);
			start = at + 4096;
		}
		if (r)
			return r;
	}
	return write_at(fd, memory + start, at - start, offset + start);
}

static void fill_header(struct template_header *h, const struct vm *vm,
			const struct vmm *vmm,
			const struct template_source *source)
{
	uint64_t image_size = source->image_size;

	memcpy(h->magic, MAGIC, sizeof(h->magic));
	h->version = TEMPLATE_VERSION;
	h->abi_version = ZB_ABI_VERSION;
	h->image_offset = HEADER_SIZE;
	h->image_size = image_size;
	h->memory_offset = HEADER_SIZE + ((image_size + 4095) & ~4095ull);
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

int template_save(const char *path, struct vm *vm, const struct vmm *vmm,
		  const struct template_source *source, struct err *e)
{
	struct template_header *h;
	char temporary[4096];
	int fd = -1, r, n;

	temporary[0] = 0;
	if (source->training_size > TEMPLATE_TRAINING_MAX)
		return err_set(e, -E2BIG, "training: too long");
	h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(e, -ENOMEM, "%s: no memory", path);
	r = vm_save(vm, &h->state, e);
	if (r)
		goto out;
	fill_header(h, vm, vmm, source);
	n = snprintf(temporary, sizeof(temporary), "%s.%ld.tmp", path,
		     (long)getpid());
	if (n < 0 || (size_t)n >= sizeof(temporary)) {
		temporary[0] = 0;
		r = err_set(e, -ENAMETOOLONG, "%s: name too long", path);
		goto out;
	}
	fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		r = err_set(e, -errno, "%s: %s", temporary, strerror(errno));
		temporary[0] = 0;
		goto out;
	}
	r = ftruncate(fd, (off_t)h->file_size) < 0 ? -errno : 0;
	if (r == 0)
		r = write_at(fd, source->image, source->image_size,
			     h->image_offset);
	if (r == 0)
		r = write_memory(fd, vm->memory, vm->memory_size,
				 h->memory_offset, &h->used_pages);
	h->checksum = checksum(h);
	if (r == 0)
		r = write_at(fd, h, sizeof(*h), 0);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r)
		err_set(e, r, "%s: %s", path, strerror(-r));
out:
	if (fd >= 0)
		close(fd);
	if (r && temporary[0])
		unlink(temporary);
	free(h);
	return r;
}

/* ---- reading ---- */

static int check(const struct template_header *h, uint64_t file_size,
		 const struct vmm *vmm, const char *path, struct err *e)
{
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)))
		return err_set(e, -EINVAL, "%s: not a zeroboot template", path);
	if (h->version != TEMPLATE_VERSION)
		return err_set(e, -EINVAL,
			       "%s: template version %u, this zeroboot reads "
			       "%u",
			       path, h->version, TEMPLATE_VERSION);
	if (h->abi_version != ZB_ABI_VERSION)
		return err_set(e, -EINVAL,
			       "%s: guest ABI version %u, this zeroboot has %u",
			       path, h->abi_version, ZB_ABI_VERSION);
	if (h->checksum != checksum(h))
		return err_set(e, -EINVAL, "%s: damaged: wrong checksum", path);
	if (h->file_size != file_size)
		return err_set(e, -EINVAL,
			       "%s: damaged: %llu bytes instead of %llu", path,
			       (unsigned long long)file_size,
			       (unsigned long long)h->file_size);
	if (h->memory_size < ZB_MIN_MEMORY || h->memory_size > ZB_MAX_MEMORY ||
	    ((h->memory_size | h->memory_offset | h->image_offset |
	      h->image_size) &
	     4095) ||
	    h->memory_offset > file_size ||
	    h->memory_size > file_size - h->memory_offset ||
	    h->image_offset > file_size ||
	    h->image_size > file_size - h->image_offset ||
	    h->state.msr_count > VMM_MAX_MSRS ||
	    h->training_size > TEMPLATE_TRAINING_MAX)
		return err_set(e, -EINVAL, "%s: damaged: bad sizes", path);
	if (!vmm)
		return 0;
	return cpu_features_check(&h->features, h->xcr0, vmm, path, e);
}

int template_open(struct template *t, const char *path, const struct vmm *vmm,
		  struct err *e)
{
	struct stat st;
	void *map;
	int r;

	memset(t, 0, sizeof(*t));
	t->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (t->fd < 0 || fstat(t->fd, &st) < 0) {
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < HEADER_SIZE) {
		r = err_set(e, -EINVAL, "%s: not a zeroboot template", path);
		goto fail;
	}
	map = mmap(NULL, HEADER_SIZE, PROT_READ, MAP_PRIVATE, t->fd, 0);
	if (map == MAP_FAILED) {
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	t->header = map;
	r = check(t->header, (uint64_t)st.st_size, vmm, path, e);
	if (r)
		goto fail;
	map = mmap(NULL, ZB_LOCKED_SIZE, PROT_READ, MAP_PRIVATE, t->fd,
		   (off_t)t->header->memory_offset);
	if (map == MAP_FAILED) {
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	t->locked = map;
	t->size = (size_t)st.st_size;
	t->state = &t->header->state;
	t->memory_offset = t->header->memory_offset;
	t->memory_size = t->header->memory_size;
	t->image_offset = t->header->image_offset;
	t->image_size = t->header->image_size;
	t->mono_ns = t->header->mono_ns;
	t->wall_ns = t->header->wall_ns;
	t->build_ns = t->header->build_ns;
	t->training = t->header->training;
	t->training_size = t->header->training_size;
	return 0;
fail:
	template_close(t);
	return r;
}

void template_close(struct template *t)
{
	if (t->header)
		munmap((void *)(uintptr_t)t->header, HEADER_SIZE);
	if (t->locked)
		munmap((void *)(uintptr_t)t->locked, ZB_LOCKED_SIZE);
	if (t->fd >= 0)
		close(t->fd);
	t->header = NULL;
	t->locked = NULL;
	t->fd = -1;
}

int template_map(const struct template *t, void **memory, void **image,
		 struct err *e)
{
	*image = NULL;
	*memory = mmap(NULL, t->memory_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_NORESERVE, t->fd,
		       (off_t)t->memory_offset);
	if (*memory == MAP_FAILED) {
		*memory = NULL;
		return err_set(e, -errno, "guest memory: %s", strerror(errno));
	}
	if (t->image_size == 0)
		return 0;
	*image = mmap(NULL, t->image_size, PROT_READ, MAP_PRIVATE, t->fd,
		      (off_t)t->image_offset);
	if (*image == MAP_FAILED) {
		int r = err_set(e, -errno, "image: %s", strerror(errno));

		*image = NULL;
		template_unmap(t, *memory, NULL);
		*memory = NULL;
		return r;
	}
	return 0;
}

void template_unmap(const struct template *t, void *memory, void *image)
{
	if (memory)
		munmap(memory, t->memory_size);
	if (image)
		munmap(image, t->image_size);
}

int template_fork(const struct template *t, const struct vmm *vmm,
		  struct vm *vm, void **memory, void **image, struct err *e)
{
	struct vm_source source = { .state = t->state,
				    .memory_size = t->memory_size,
				    .locked = t->locked,
				    .image_size = t->image_size };
	int r = template_map(t, memory, image, e);

	if (r)
		return r;
	source.memory = *memory;
	source.image = *image;
	r = vm_fork(vm, vmm, &source, e);
	if (r) {
		template_unmap(t, *memory, *image);
		*memory = *image = NULL;
	}
	return r;
}

int template_request(const struct template *t, struct vm *vm, const void *code,
		     size_t size, uint32_t output_limit)
{
	struct zb_control *c = vm_memory(vm, ZB_CONTROL_GPA, sizeof(*c));

	if (size > ZB_REQUEST_SIZE)
		return -E2BIG;
	memcpy(vm_memory(vm, ZB_REQUEST_GPA, size), code, size);
	c->request_size = (uint32_t)size;
	vm->request_size = (uint32_t)size;
	/* Monotonic time stood still meanwhile: programs take it for the time
	 * since they started. */
	vm_prepare(vm, t->mono_ns, output_limit);
	return 0;
}

struct template_file template_look(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (struct template_file){ 0 };
	return (struct template_file){ st.st_dev, st.st_ino, st.st_size,
				       st.st_mtim };
}

bool template_overwritten(const struct template_file *then,
			  const struct template_file *now)
{
	return then->device == now->device && then->inode == now->inode &&
	       (then->size != now->size ||
		then->written.tv_sec != now->written.tv_sec ||
		then->written.tv_nsec != now->written.tv_nsec);
}

int template_memory_mb(const char *path, struct err *e)
{
	struct template t;
	int r = template_open(&t, path, NULL, e);

	if (r)
		return r;
	r = (int)(t.memory_size >> 20);
	template_close(&t);
	return r;
}

int template_info(const char *path, struct err *e)
{
	struct template t;
	struct stat st;
	time_t when;
	char date[32];
	struct tm tm;
	int r = template_open(&t, path, NULL, e);

	if (r || !t.header)
		return r;
	when = (time_t)(t.wall_ns / 1000000000);
	if (fstat(t.fd, &st) < 0 || !gmtime_r(&when, &tm) ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		r = err_set(e, -EIO, "%s: cannot say when it was made", path);
		goto out;
	}
	printf("version      %u, guest ABI %u\n", t.header->version,
	       t.header->abi_version);
	printf("made         %s, in %.3f s\n", date, (double)t.build_ns / 1e9);
	printf("memory       %llu MiB, %llu pages in use (%.1f MiB)\n",
	       (unsigned long long)(t.memory_size >> 20),
	       (unsigned long long)t.header->used_pages,
	       (double)t.header->used_pages * 4096 / (1 << 20));
	printf("image        %.1f MiB\n", (double)t.image_size / (1 << 20));
	printf("file         %.1f MiB, %.1f MiB on disk\n",
	       (double)t.size / (1 << 20), (double)st.st_blocks / 2048);
	printf("cpu          ");
	cpu_features_print(&t.header->features);
	printf("registers    rip %#llx, xcr0 %#llx\n",
	       (unsigned long long)t.state->regs.rip,
	       (unsigned long long)t.header->xcr0);
	r = fflush(stdout) ? err_set(e, -errno, "stdout: %s", strerror(errno)) :
			     0;
out:
	template_close(&t);
	return r;
}
