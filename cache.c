#include "cache.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define ENDING 4 /* characters of .zbt and .img */
#define DIGITS 16
#define TAIL (1 + DIGITS + ENDING) /* behind the name */
#define MONTH 2592000              /* seconds */

/* ---- the directory ---- */

static bool is_own(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid();
}

/* Its own, and nobody else's to write to. */
static bool is_safe(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
	       st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* BASE ABOVE NAME, the last two of which may be missing. */
static bool take(char path[PATH_MAX], const char *base, const char *above,
		 const char *name, bool make)
{
	int n = snprintf(path, PATH_MAX, "%s%s", base, above);

	if (n < 0 || n >= PATH_MAX)
		return false;
	if (make)
		(void)mkdir(path, 0700);
	n = snprintf(path, PATH_MAX, "%s%s%s", base, above, name);
	if (n < 0 || n >= PATH_MAX)
		return false;
	if (make)
		(void)mkdir(path, 0700);
	return is_safe(path);
}

/* The service manager's; the first, where there are several. */
static const char *given(char path[PATH_MAX])
{
	const char *all = getenv("CACHE_DIRECTORY");
	size_t size = all ? strcspn(all, ":") : 0;

	if (size == 0 || size >= PATH_MAX || *all != '/')
		return NULL;
	memcpy(path, all, size);
	path[size] = 0;
	return path;
}

/* NULL: there is none. In the home of somebody else nothing is put. */
static const char *directory(char path[PATH_MAX], bool make)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (given(path))
		return is_safe(path) ? path : NULL;
	if (base && *base == '/')
		return take(path, base, "", "/zeroboot", make) ? path : NULL;
	if (home && *home == '/' && is_own(home))
		return take(path, home, "/.cache", "/zeroboot", make) ? path :
									NULL;
	return NULL;
}

const char *cache_room(void)
{
	static char path[PATH_MAX];
	const char *own = given(path);

	return own ? own : directory(path, false);
}

/* ---- names ---- */

int cache_path(char path[PATH_MAX], const char *image, uint64_t checksum,
	       const char *ending)
{
	const char *slash = strrchr(image, '/');
	const char *name = slash ? slash + 1 : image;
	size_t size = strlen(name);
	char where[PATH_MAX];
	int n;

	if (size > ENDING && !strcmp(name + size - ENDING, ".img"))
		size -= ENDING;
	if (!directory(where, true))
		return -ENOENT;
	n = snprintf(path, PATH_MAX, "%s/%.*s.%016llx%s", where, (int)size,
		     name, (unsigned long long)checksum, ending);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static bool has_checksum(const char *tail)
{
	for (int i = 0; i < DIGITS; i++)
		if (!isxdigit((unsigned char)tail[1 + i]))
			return false;
	return tail[0] == '.' && tail[1 + DIGITS] == '.';
}

bool cache_name(char name[NAME_MAX + 1], const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *last = slash ? slash + 1 : path;
	size_t size = strlen(last);

	if (size <= TAIL || size - TAIL > NAME_MAX ||
	    !has_checksum(last + size - TAIL))
		return false;
	memcpy(name, last, size - TAIL);
	name[size - TAIL] = 0;
	return true;
}

/* ---- keeping ---- */

/* Another one's, of the same name and kind, that was not made in the last month. */
static bool is_old(int directory, const char *file, const char *kept)
{
	char name[NAME_MAX + 1], other[NAME_MAX + 1];
	struct stat st;

	return strcmp(file, kept) && cache_name(name, kept) &&
	       cache_name(other, file) && !strcmp(name, other) &&
	       !strcmp(file + strlen(file) - ENDING,
		       kept + strlen(kept) - ENDING) &&
	       fstatat(directory, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) &&
	       clock_wall() / 1000000000 > (uint64_t)st.st_mtime + MONTH;
}

void cache_tidy(const char *path)
{
	const char *slash = strrchr(path, '/');
	char where[PATH_MAX];
	struct dirent *entry;
	DIR *d = directory(where, false) ? opendir(where) : NULL;

	if (!d)
		return;
	if (slash && strlen(where) == (size_t)(slash - path) &&
	    !memcmp(where, path, (size_t)(slash - path)))
		while ((entry = readdir(d)))
			if (is_old(dirfd(d), entry->d_name, slash + 1))
				unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
}

void cache_keep(const char *path, int fd)
{
	char own[32];

	snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
	/* What is there is of the same image, but damaged, or it would have been
	 * taken. */
	if (fsync(fd) == 0 &&
	    linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 &&
	    errno == EEXIST && unlink(path) == 0)
		(void)!linkat(AT_FDCWD, own, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}
