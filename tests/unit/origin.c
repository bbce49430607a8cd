/*
 * Templates that sessions are of, as they are looked at in a directory: what is of no use is
 * a version of a file, and another one may take its place.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive.h"
#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "jail.h"
#include "log.h"
#include "origin.h"
#include "template.h"

#define HEX15 "0123456789abcde"
#define HEX48 HEX15 "f" HEX15 "f" HEX15 "f"
#define TEMPLATES 4
#define SECOND 1000000000ull

/* ---- in the place of other nouns ---- */

static uint64_t now = SECOND;
static unsigned opened; /* files */

uint64_t clock_mono(void)
{
	return now;
}

void log_event(const char *level, const char *format, ...)
{
	(void)level, (void)format;
}

bool template_any_maker;

bool template_is_useless(int r)
{
	return r == -EINVAL;
}

/* One that is good has its name in it. */
int template_open(struct template *t, const char *path, struct err *e)
{
	FILE *f = fopen(path, "r");
	int r = 0;

	opened++;
	if (!f)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	memset(t, 0, sizeof(*t));
	if (fread(t->head.magic, 1, 8, f) != 8)
		r = err_set(e, -EINVAL, "%s: damaged", path);
	t->head.file_size = 8;
	fclose(f);
	return r;
}

void template_close(struct template *t)
{
	(void)t;
}

void template_name(const struct template_head *h, char name[SHA256_HEX + 1])
{
	snprintf(name, SHA256_HEX + 1, HEX48 HEX15 "%c", h->magic[0]);
}

/* ---- crews ---- */

static struct {              /* those of origins */
	bool taken, leaving; /* leaving: its workers are ending */
} places[TEMPLATES];
static int most = TEMPLATES; /* that may be taken */
static bool slow;            /* workers end later */
static unsigned released;

struct crew *catalog_crew(int language)
{
	(void)language;
	return NULL;
}

const char *catalog_file(int language)
{
	(void)language;
	return "/";
}

static int find_place(void)
{
	for (int i = 0; i < most; i++)
		if (!places[i].taken && !places[i].leaving)
			return i;
	return -ENOSPC;
}

bool catalog_may_adopt(void)
{
	return find_place() >= 0;
}

int catalog_adopt(const char *path, const char *language, const char *template)
{
	int place = find_place();

	(void)path, (void)language, (void)template;
	if (place >= 0)
		places[place].taken = true;
	return place;
}

void catalog_release(int language)
{
	places[language].taken = false;
	places[language].leaving = slow;
	released++;
}

bool catalog_is_idle(int language)
{
	return places[language].taken;
}

/* These need not be: nothing is kept or removed. */

bool archive_has_unread(void)
{
	return true;
}

int archive_check_owner(int fd, const char *path, struct err *e)
{
	(void)fd, (void)path, (void)e;
	return 0;
}

void archive_remove_file(const char *name)
{
	(void)name;
}

bool archive_is_removing(const char *name)
{
	(void)name;
	return false;
}

void archive_keep(const char *name)
{
	(void)name;
}

pid_t jail_spawn(char *const argv[], const int *files, size_t count)
{
	(void)argv, (void)files, (void)count;
	return -EAGAIN;
}

void jail_end(pid_t pid, int signal)
{
	(void)pid, (void)signal;
}

/* ---- a directory ---- */

static char directory[] = "/tmp/zeroboot-unit-XXXXXX";

static const char *path_of(char which)
{
	static char path[sizeof(directory) + 100];

	snprintf(path, sizeof(path), "%s/kept/" HEX48 HEX15 "%c.zbt", directory,
		 which);
	return path;
}

/* As a copy of a file is put in the place of another one. */
static void put(char which, const char *data)
{
	char draft[sizeof(directory) + 10];
	FILE *f;

	snprintf(draft, sizeof(draft), "%s/draft", directory);
	f = fopen(draft, "w");
	CHECK(f && fputs(data, f) >= 0);
	fclose(f);
	EQUAL(rename(draft, path_of(which)), 0);
}

static void put_good(char which)
{
	const char data[9] = { which, '.', '.', '.', '.', '.', '.', '.' };

	put(which, data);
}

static void open_place(void)
{
	char kept[sizeof(directory) + 10];
	struct err e;

	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
	CHECK(mkdtemp(directory) != NULL);
	snprintf(kept, sizeof(kept), "%s/kept", directory);
	EQUAL(mkdir(kept, 0700), 0);
	for (int i = 0; i < TEMPLATES; i++)
		put_good((char)('0' + i));
	EQUAL(origin_open(directory, "", &e), 0);
	memset(places, 0, sizeof(places));
	most = TEMPLATES;
	slow = false;
	opened = released = 0;
}

static void close_place(void)
{
	char kept[sizeof(directory) + 10];

	origin_close();
	for (int i = 0; i < TEMPLATES; i++)
		unlink(path_of((char)('0' + i)));
	snprintf(kept, sizeof(kept), "%s/kept", directory);
	EQUAL(rmdir(kept), 0);
	EQUAL(rmdir(directory), 0);
}

static struct origin *of(char which)
{
	char name[SHA256_HEX + 1];

	snprintf(name, sizeof(name), HEX48 HEX15 "%c", which);
	return origin_of(name, "sh");
}

static int look(struct origin *o)
{
	char path[PATH_MAX];
	const char *why;
	size_t size = 0;
	int r = origin_look(o, path, &size, &why);

	if (r == 0)
		EQUAL(size, 8);
	return r;
}

static int crew(struct origin *o)
{
	const char *why;

	now += 2 * SECOND;
	return origin_crew(o, -1, &why);
}

/* ---- tests ---- */

static void test_put_back(void)
{
	struct origin *o;

	open_place();
	o = of('0');
	EQUAL(look(o), 0);
	put('0', "bad");
	EQUAL(look(o), -ESTALE);
	EQUAL(opened, 2);
	/* The same is not read again. */
	EQUAL(look(o), -ESTALE);
	EQUAL(opened, 2);
	put('0', "bad");
	EQUAL(look(o), -ESTALE);
	EQUAL(opened, 3);
	unlink(path_of('0'));
	EQUAL(look(o), -ESTALE);
	EQUAL(look(o), -ESTALE);
	EQUAL(opened, 4);
	put_good('0');
	EQUAL(look(o), 0);
	EQUAL(look(o), 0);
	EQUAL(opened, 5);
	close_place();
}

/* What is of no use takes no place from others, whether there is one or not. */
static void test_useless(void)
{
	struct origin *o, *other;

	open_place();
	most = 1;
	put('0', "bad");
	o = of('0');
	other = of('1');
	EQUAL(crew(o), -ESTALE);
	EQUAL(crew(other), 0);
	EQUAL(crew(o), -ESTALE);
	EQUAL(crew(other), 0);
	put_good('0');
	EQUAL(crew(o), 0);
	EQUAL(opened, 3);
	close_place();
}

/* A crew that was given up is for whoever wants one next: no other one is. */
static void test_leaving(void)
{
	struct origin *o[TEMPLATES];
	const char *why;

	open_place();
	most = TEMPLATES - 1;
	for (int i = 0; i < TEMPLATES; i++)
		o[i] = of((char)('0' + i));
	for (int i = 0; i < most; i++)
		EQUAL(crew(o[i]), i);
	slow = true;
	EQUAL(crew(o[most]), -EAGAIN);
	for (int i = 0; i < 3; i++)
		EQUAL(origin_crew(o[most], -1, &why), -EAGAIN);
	EQUAL(released, 1);
	places[0].leaving = false;
	EQUAL(origin_crew(o[most], -1, &why), 0);
	EQUAL(released, 1);
	/* Workers that hang are not waited for. */
	EQUAL(origin_crew(o[0], -1, &why), -EAGAIN);
	EQUAL(released, 2);
	now += SECOND / 2;
	EQUAL(origin_crew(o[0], -1, &why), -EAGAIN);
	EQUAL(released, 2);
	EQUAL(crew(o[0]), -EAGAIN);
	EQUAL(released, 3);
	close_place();
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "what was of no use is looked at when another is there",
		  test_put_back },
		{ "what is of no use takes nobody's place", test_useless },
		{ "nobody else's crew is given up while one that was is "
		  "ending",
		  test_leaving },
	};

	return UNIT_RUN("origin", tests);
}
