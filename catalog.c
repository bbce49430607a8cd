#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "crew.h"
#include "image_find.h"
#include "language.h"
#include "waiting.h"

/* Of what a crew starts from: both sets' and a process's last words. */
#define STOCK_FILES (2u * (LOAD_FILES + 2) + 1)

static struct {
	struct crew crews[CATALOG_CREWS];
	int count;                 /* languages; behind them */
	int places;                /* of templates that are no language's */
	unsigned tenures;          /* of them */
	unsigned minimum, maximum; /* workers of each */
} catalog;

int catalog_count(void)
{
	return catalog.count + catalog.places;
}

struct crew *catalog_crew(int language)
{
	return language < catalog_count() ? &catalog.crews[language] : NULL;
}

unsigned catalog_workers(void)
{
	unsigned sum = 0;

	for (int i = 0; i < catalog_count(); i++)
		sum += catalog.crews[i].maximum;
	return sum;
}

/* Channels, and what workers start from. */
static unsigned files_of(unsigned places)
{
	return places * (catalog.maximum + STOCK_FILES);
}

unsigned catalog_files(void)
{
	return files_of((unsigned)catalog.places);
}

unsigned catalog_files_most(void)
{
	return files_of(CATALOG_PLACES);
}

static int find(const char *name, size_t size)
{
	for (int i = 0; i < catalog.count; i++)
		if (strlen(catalog.crews[i].name) == size &&
		    !memcmp(catalog.crews[i].name, name, size))
			return i;
	return -1;
}

int catalog_find(const char *name, size_t size)
{
	const char *other = language_of_alias(name, size);
	int i = find(name, size);

	return i < 0 && other ? find(other, strlen(other)) : i;
}

const char *catalog_describe(int language, bool *ready, int *memory_mb)
{
	const struct crew *c = &catalog.crews[language];

	if (language >= catalog.count)
		return NULL;
	*ready = crew_serves(c);
	*memory_mb = c->memory_mb;
	return c->name;
}

const char *catalog_file(int language)
{
	return catalog.crews[language].path;
}

const char *catalog_reason(int language)
{
	const struct crew *c = &catalog.crews[language];

	if (crew_serves(c))
		return NULL;
	if (stock_is_building(&c->stock))
		return "building";
	return c->complaint[0] ? c->complaint : NULL;
}

const char *catalog_name(int language)
{
	return catalog.crews[language].called;
}

const struct stock_set *catalog_image(const struct image_id *id)
{
	const struct crew *c;

	for (int i = 0; (c = catalog_crew(i)); i++) {
		const struct stock_set *set = &c->stock.now;

		if (!c->off && set->whole && set->files[LOAD_IMAGE] >= 0 &&
		    !memcmp(&set->id, id, sizeof(*id)))
			return set;
	}
	return NULL;
}

bool catalog_is_working(int but)
{
	const struct crew *c;

	for (int i = 0; (c = catalog_crew(i)); i++)
		if (i != but && !c->off && stock_is_working(&c->stock))
			return true;
	return false;
}

/* ---- templates that are no language's ---- */

/* A place that nobody has any more, or a new one. NULL: there is none for another one
 * of its kind, or not before workers and its loader have ended, which is not waited for
 * here. */
static struct crew *find_place(bool derived)
{
	int left = derived ? CATALOG_DERIVED : CATALOG_ADOPTED;
	struct crew *c, *free = NULL;

	for (int i = catalog.count; (c = catalog_crew(i)); i++) {
		left -= !c->off && c->derived == derived;
		if (!free && !c->queue.turn && crew_is_gone(c))
			free = c;
	}
	if (left <= 0)
		return NULL;
	if (!free && catalog.places < CATALOG_PLACES)
		free = &catalog.crews[catalog_count()];
	return free;
}

/* The same for one that has this path and is called that. */
static struct crew *take_place(bool derived, bool foreign, const char *path,
			       const char *called)
{
	struct crew *c = find_place(derived);

	if (!c)
		return NULL;
	snprintf(c->path, sizeof(c->path), "%s", path);
	snprintf(c->called, sizeof(c->called), "%s", called);
	c->foreign = foreign;
	c->derived = derived;
	return c;
}

/* Whose place that is, from now on. 0 or -ENOMEM. */
static int move_in(struct crew *c)
{
	c->language = (int)(c - catalog.crews);
	if (c->off) {
		crew_go_on(c);
	} else {
		if (crew_open(c, 1, catalog.maximum))
			return -ENOMEM;
		waiting_add_queue(&c->queue);
		catalog.places++;
	}
	c->tenure = ++catalog.tenures;
	return 0;
}

int catalog_adopt(const char *path, const char *language, const char *template)
{
	struct crew *c = take_place(false, true, path, language);

	if (!c)
		return -ENOSPC;
	snprintf(c->name, sizeof(c->name), "%s@%.8s", language, template);
	return move_in(c) ? -ENOMEM : c->language;
}

bool catalog_may_adopt(void)
{
	return find_place(false) != NULL;
}

int catalog_derive(const char *name, const char *base, bool foreign,
		   struct stock_set *set)
{
	struct crew *c = take_place(true, foreign, name, name);
	int r;

	if (!c)
		return -ENOSPC;
	snprintf(c->name, sizeof(c->name), "%s", base);
	r = move_in(c);
	if (r)
		return r;
	r = stock_give(&c->stock, set);
	if (r) {
		crew_stop(c);
		return r;
	}
	/* Names are their keys' alone. */
	snprintf(c->name, sizeof(c->name), "%.64s@%.8s", base, c->template);
	return c->language;
}

int catalog_derive_kept(const char *path, const char *name, const char *base,
			const char *template)
{
	struct crew *c = take_place(true, true, path, name);

	if (!c)
		return -ENOSPC;
	snprintf(c->name, sizeof(c->name), "%.64s@%.8s", base, template);
	if (move_in(c))
		return -ENOMEM;
	/* Sessions of it that are asked for meanwhile wait for it. */
	snprintf(c->template, sizeof(c->template), "%.*s", SHA256_HEX,
		 template);
	return c->language;
}

void catalog_release(int language)
{
	struct crew *c = &catalog.crews[language];

	crew_stop(c);
	/* A request that is being read may have taken the number. */
	c->tenure = ++catalog.tenures;
}

bool catalog_is_idle(int language)
{
	const struct crew *c = catalog_crew(language);

	return !c->queue.turn && !c->count[BUSY] && !c->count[CANCELLING];
}

unsigned catalog_tenure(int language)
{
	return language < 0 ? 0 : catalog.crews[language].tenure;
}

/* ---- finding them ---- */

static int add(const char *directory, const char *name, size_t size,
	       struct err *e)
{
	struct crew *c = &catalog.crews[catalog.count];
	struct stat st;

	if (catalog.count == CATALOG_MAX)
		return err_set(e, -E2BIG, "%s: more than %d templates",
			       directory, CATALOG_MAX);
	memcpy(c->name, name, size);
	c->name[size] = 0;
	memcpy(c->called, c->name, size + 1);
	if (image_template(c->path, directory, name, size))
		return err_set(e, -ENAMETOOLONG, "%s: path too long", c->name);
	if (stat(c->path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "%s: not a zeroboot template",
			       c->path);
	if (crew_open(c, catalog.minimum, catalog.maximum))
		return err_set(e, -ENOMEM, "no memory");
	c->language = catalog.count++;
	waiting_add_queue(&c->queue);
	return 0;
}

struct place {
	const char *directory;
	struct err *e;
};

/* A template or an image, or both. */
static int add_name(const char *name, size_t size, void *context)
{
	const struct place *p = context;

	if (size >= sizeof(catalog.crews[0].called) || find(name, size) >= 0)
		return 0;
	/* It is a label in the metrics and a word in requests and logs. */
	if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789_.+-") < size)
		return err_set(p->e, -EINVAL,
			       "%s/%s: other characters in the name than A-Z "
			       "a-z 0-9 _ . + -",
			       p->directory, name);
	return add(p->directory, name, size, p->e);
}

int catalog_open(const char *directory, unsigned minimum, unsigned maximum,
		 struct err *e)
{
	struct place p = { image_directory(directory), e };
	int r;

	catalog.minimum = minimum;
	catalog.maximum = maximum;
	r = image_each(p.directory, add_name, &p, e);
	if (r == 0 && catalog.count == 0)
		r = err_set(e, -ENOENT,
			    "templates: %s: no *.img and no *.zbt in it",
			    p.directory);
	return r;
}

void catalog_close(void)
{
	for (int i = catalog_count() - 1; i >= 0; i--) {
		struct crew *c = &catalog.crews[i];

		crew_reap(c, true);
		crew_close(c);
	}
	catalog.count = catalog.places = 0;
}
