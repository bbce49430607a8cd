#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "template_format.h"

static int check(const struct template_header *h, uint64_t file_size,
		 const struct vmm *vmm, const char *path, struct err *e)
{
	if (memcmp(h->magic, TEMPLATE_MAGIC, sizeof(h->magic)))
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
	if (h->checksum != template_checksum(h))
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

int snapshot_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e)
{
	struct stat st;
	void *map;
	int r;

	memset(s, 0, sizeof(*s));
	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0) {
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(st.st_mode) || st.st_size < TEMPLATE_HEADER_SIZE) {
		r = err_set(e, -EINVAL, "%s: not a zeroboot template", path);
		goto fail;
	}
	map = mmap(NULL, TEMPLATE_HEADER_SIZE, PROT_READ, MAP_PRIVATE, s->fd,
		   0);
	if (map == MAP_FAILED) {
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	s->header = map;
	r = check(s->header, (uint64_t)st.st_size, vmm, path, e);
	if (r)
		goto fail;
	map = mmap(NULL, ZB_LOCKED_SIZE, PROT_READ, MAP_PRIVATE, s->fd,
		   (off_t)s->header->memory_offset);
	if (map == MAP_FAILED) {
		r = err_set(e, -errno, "%s: %s", path, strerror(errno));
		goto fail;
	}
	s->locked = map;
	s->size = (size_t)st.st_size;
	s->state = &s->header->state;
	s->memory_offset = s->header->memory_offset;
	s->memory_size = s->header->memory_size;
	s->image_offset = s->header->image_offset;
	s->image_size = s->header->image_size;
	s->mono_ns = s->header->mono_ns;
	s->wall_ns = s->header->wall_ns;
	s->build_ns = s->header->build_ns;
	s->training = s->header->training;
	s->training_size = s->header->training_size;
	return 0;
fail:
	snapshot_close(s);
	return r;
}

void snapshot_close(struct snapshot *s)
{
	if (s->header)
		munmap((void *)(uintptr_t)s->header, TEMPLATE_HEADER_SIZE);
	if (s->locked)
		munmap((void *)(uintptr_t)s->locked, ZB_LOCKED_SIZE);
	if (s->fd >= 0)
		close(s->fd);
	s->header = NULL;
	s->locked = NULL;
	s->fd = -1;
}

int snapshot_map(const struct snapshot *s, void **memory, void **image,
		 struct err *e)
{
	*image = NULL;
	*memory = mmap(NULL, s->memory_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_NORESERVE, s->fd,
		       (off_t)s->memory_offset);
	if (*memory == MAP_FAILED) {
		*memory = NULL;
		return err_set(e, -errno, "guest memory: %s", strerror(errno));
	}
	if (s->image_size == 0)
		return 0;
	*image = mmap(NULL, s->image_size, PROT_READ, MAP_PRIVATE, s->fd,
		      (off_t)s->image_offset);
	if (*image == MAP_FAILED) {
		int r = err_set(e, -errno, "image: %s", strerror(errno));

		*image = NULL;
		snapshot_unmap(s, *memory, NULL);
		*memory = NULL;
		return r;
	}
	return 0;
}

void snapshot_unmap(const struct snapshot *s, void *memory, void *image)
{
	if (memory)
		munmap(memory, s->memory_size);
	if (image)
		munmap(image, s->image_size);
}
