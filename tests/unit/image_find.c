/* A directory that cannot be read to its end has no languages: not those that were seen. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "image.h"
#include "image_find.h"

static char directory[] = "/tmp/zeroboot-unit-XXXXXX";

/* ---- in the place of the C library ---- */

static const char *const names[] = { ".", "..", "one.img", "two.zbt" };
static size_t given, fails_at; /* at that name */

struct dirent *readdir(DIR *d)
{
	static struct dirent entry;

	(void)d;
	if (given == fails_at) {
		errno = EIO;
		return NULL;
	}
	if (given == sizeof(names) / sizeof(names[0]))
		return NULL;
	strcpy(entry.d_name, names[given++]);
	return &entry;
}

/* ---- tests ---- */

static unsigned visited;

/* Which has to do with the system. */
static int visit(const char *name, size_t size, void *context)
{
	(void)name, (void)context;
	EQUAL(size, 3);
	visited++;
	errno = ENOTTY;
	return 0;
}

static int each(size_t at, struct err *e)
{
	given = visited = 0;
	fails_at = at;
	return image_each(directory, visit, NULL, e);
}

static void test_each(void)
{
	struct err e = { "" };

	EQUAL(each(100, &e), 0);
	EQUAL(visited, 2);
	for (size_t i = 0; i <= sizeof(names) / sizeof(names[0]); i++) {
		e.text[0] = 0;
		EQUAL(each(i, &e), -EIO);
		CHECK(strstr(e.text, directory));
	}
}

static int find(size_t at)
{
	static const struct image_id id = { 1, 1 };
	char template[sizeof(directory) + 16];
	struct image_place place;
	struct err e = { "" };
	int r;

	given = 0;
	fails_at = at;
	snprintf(template, sizeof(template), "%s/two.zbt", directory);
	r = image_find(&place, template, &id, &e);
	EQUAL(place.fd, -1);
	CHECK(strstr(e.text, template));
	return r;
}

/* What was not seen is not what is not there. */
static void test_find(void)
{
	EQUAL(find(100), -ENOENT);
	EQUAL(find(0), -EIO);
	EQUAL(find(3), -EIO);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a directory that cannot be read is an error", test_each },
		{ "so it is when an image is looked for", test_find },
	};
	int status;

	if (!mkdtemp(directory))
		return 2;
	status = UNIT_RUN("image_find", tests);
	rmdir(directory);
	return status;
}
