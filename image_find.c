#include "image_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "cache.h"
#include "file.h"
#include "guest/abi.h"
#include "image.h"

/* Where they are looked for last: known by its address from one that was given. */
static const char system_templates[] = "/var/lib/zeroboot/templates";
#define ENDING 4 /* characters of .zbt and .img */

struct image_id image_id(const void *data, size_t size)
{
	const struct zb_image_header *h = data;

	if (size < sizeof(*h))
		return (struct image_id){ 0 };
	return (struct image_id){ h->checksum, size };
}

int image_identify(int fd, const char *path, struct image_id *id, bool *plain,
		   struct err *e)
{
	struct zb_image_header h;
	uint64_t offset, size;
	int r = box_locate(fd, path, false, &offset, &size, e);

	if (r)
		return r;
	if (size == 0)
		return err_set(e, -EINVAL, "%s: not a zeroboot image", path);
	/* In a box it may be, but lies where nobody looks for one. */
	*plain = offset == 0 && image_plain(fd, 0, size);
	r = *plain ? file_read_at(fd, &h, sizeof(h), 0) :
		     image_head(fd, offset, size, path, &h, e);
	if (r)
		return *plain ? err_set(e, r, "%s: %s", path, strerror(-r)) : r;
	*id = (struct image_id){ h.checksum, h.size };
	return 0;
}

int image_beside(char path[PATH_MAX], const char *template)
{
	size_t size = strlen(template);
	int n;

	if (size > ENDING && !strcmp(template + size - ENDING, ".zbt"))
		size -= ENDING;
	n = snprintf(path, PATH_MAX, "%.*s.img", (int)size, template);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static bool equal(const struct image_id *a, const struct image_id *b)
{
	return a->checksum == b->checksum && a->size == b->size;
}

/* Opens the file at place->path, an image. 0 or -errno. */
static int look(struct image_place *place, struct image_id *id, struct err *e)
{
	int r;

	place->fd = box_open_image(place->path);
	if (place->fd < 0)
		return err_set(e, place->fd, "%s: %s", place->path,
			       strerror(-place->fd));
	r = image_identify(place->fd, place->path, id, &place->plain, e);
	if (r) {
		close(place->fd);
		place->fd = -1;
	}
	return r;
}

/* Of a template in the cache: in the box. -ENOENT: it is none. */
static int look_into_box(struct image_place *place, const char *template,
			 struct image_id *id, struct err *e)
{
	const char *box = box_own_images();
	char name[NAME_MAX + 1];
	int n;

	if (!box || !cache_name(name, template))
		return -ENOENT;
	n = snprintf(place->path, sizeof(place->path), "%s/%s.img", box, name);
	return n < 0 || n >= (int)sizeof(place->path) ? -ENAMETOOLONG :
							look(place, id, e);
}

/* The copy of a packed one that the cache has. */
static void prefer_unpacked(struct image_place *place,
			    const struct image_id *id)
{
	struct image_place copy;
	struct image_id there = { 0 };

	if (place->plain ||
	    cache_path(copy.path, place->path, id->checksum, ".img") ||
	    look(&copy, &there, NULL))
		return;
	if (!copy.plain || !equal(id, &there)) {
		close(copy.fd);
		return;
	}
	close(place->fd);
	*place = copy;
}

/* The one with this name. */
static int find_named(struct image_place *place, const char *template,
		      const struct image_id *id, struct err *e)
{
	struct image_id found = { 0 };
	int r = image_beside(place->path, template);

	if (r)
		return err_set(e, r, "%s: path too long", template);
	r = look(place, &found, e);
	if (r == -ENOENT && look_into_box(place, template, &found, NULL) == 0)
		r = 0;
	if (r)
		return r;
	if (!id || equal(id, &found)) {
		prefer_unpacked(place, &found);
		return 0;
	}
	close(place->fd);
	place->fd = -1;
	return err_set(e, -ESTALE, "%s: made of another image than %s",
		       template, place->path);
}

/* Any in the directory that is the one. 1: it is there, 0: it is not; -errno. */
static int find_any(struct image_place *place, const char *directory,
		    const struct image_id *id)
{
	DIR *d = opendir(directory);
	struct dirent *entry;
	bool found = false;
	int r;

	if (!d)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	while (!found && (errno = 0, entry = readdir(d))) {
		size_t size = strlen(entry->d_name);
		struct image_id there = { 0 };
		int n;

		if (size <= ENDING ||
		    strcmp(entry->d_name + size - ENDING, ".img"))
			continue;
		n = snprintf(place->path, sizeof(place->path), "%s/%s",
			     directory, entry->d_name);
		if (n < 0 || n >= (int)sizeof(place->path) ||
		    look(place, &there, NULL))
			continue;
		found = equal(id, &there);
		if (found)
			prefer_unpacked(place, id);
		else
			close(place->fd);
	}
	r = found ? 1 : -errno;
	closedir(d);
	return r;
}

static void cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash)
		memcpy(path, ".", 2);
	else
		slash[slash == path] = 0;
}

int image_find(struct image_place *place, const char *template,
	       const struct image_id *id, struct err *e)
{
	char directory[PATH_MAX], *real;
	int r = find_named(place, template, id, e), found;

	if (r != -ENOENT || !id)
		return r;
	snprintf(directory, sizeof(directory), "%s", template);
	cut_name(directory);
	found = find_any(place, directory, id);
	/* The template may be a link to where its image is. */
	real = found > 0 ? NULL : realpath(template, NULL);
	if (real) {
		int there;

		cut_name(real);
		there = find_any(place, real, id);
		found = there ? there : found;
		free(real);
	}
	if (found > 0)
		return 0;
	place->fd = -1;
	if (found < 0)
		return err_set(e, found, "%s: its image is not found: %s",
			       template, strerror(-found));
	return err_set(e, -ENOENT,
		       "%s: no *.img beside it is its image (%016llx)",
		       template, (unsigned long long)id->checksum);
}

/* In the cache, as the image is found in the box now. */
static bool cached_template(char path[PATH_MAX], const char *box,
			    const char *name, size_t size)
{
	struct image_place place;
	struct image_id id = { 0 };
	int n = snprintf(place.path, sizeof(place.path), "%s/%.*s.img", box,
			 (int)size, name);

	if (n < 0 || n >= (int)sizeof(place.path) || look(&place, &id, NULL))
		return false;
	close(place.fd);
	return cache_path(path, place.path, id.checksum, ".zbt") == 0;
}

int image_template(char path[PATH_MAX], const char *directory, const char *name,
		   size_t size)
{
	const char *box = box_own_images();
	int n;

	if (box && !strcmp(box, directory) &&
	    cached_template(path, box, name, size))
		return 0;
	n = snprintf(path, PATH_MAX, "%s/%.*s.zbt", directory, (int)size, name);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

const char *image_directory(const char *given)
{
	if (given)
		return given;
	if (box_own_images())
		return box_own_images();
	return access("templates", F_OK) == 0 ? "templates" : system_templates;
}

static int visit_name(const char *file, image_visit *visit, void *context)
{
	size_t size = strlen(file);

	if (size <= ENDING || (strcmp(file + size - ENDING, ".zbt") &&
			       strcmp(file + size - ENDING, ".img")))
		return 0;
	return visit(file, size - ENDING, context);
}

static int each_of_box(const char *path, image_visit *visit, void *context,
		       struct err *e)
{
	struct box b;
	int r = box_open(&b, path, e);

	if (r)
		return r == -ENOEXEC ? -ENOTDIR : r;
	for (uint32_t i = 0; i < b.count && r == 0; i++)
		if (b.parts[i].kind == BOX_IMAGE)
			r = visit_name(b.parts[i].name, visit, context);
	box_close(&b);
	return r;
}

int image_each(const char *directory, image_visit *visit, void *context,
	       struct err *e)
{
	DIR *d = opendir(directory);
	struct dirent *entry;
	int r = 0;

	if (!d && directory == system_templates && errno == ENOENT)
		err_set(e, -errno,
			"no templates: neither ./templates nor %s is there "
			"(--templates DIR)",
			directory);
	else if (!d)
		err_set(e, -errno, "templates: %s: %s", directory,
			strerror(errno));
	if (!d)
		return errno == ENOTDIR ?
			       each_of_box(directory, visit, context, e) :
			       -errno;
	while (r == 0 && (errno = 0, entry = readdir(d)))
		r = visit_name(entry->d_name, visit, context);
	if (r == 0 && errno)
		r = err_set(e, -errno, "templates: %s: %s", directory,
			    strerror(errno));
	closedir(d);
	return r;
}
