#include "origin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive.h"
#include "catalog.h"
#include "clock.h"
#include "crew.h"
#include "file.h"
#include "jail.h"
#include "log.h"
#include "template.h"

#define PLACE "kept"            /* in the directory */
#define SPARE_NS 30000000000ull /* nobody is of it: it may be wanted again */
#define AGAIN_NS 5000000000ull  /* after one could not be kept */
#define LOOK_NS 1000000000ull   /* after one that could not be looked at, and */
#define LOOK_COST 8             /* so many times as long as that took */
#define LEAVE_NS 1000000000ull /* for the workers of a crew that was given up */
#define IMAGE_NAME 48

struct origin {
	struct origin *next;
	char name[SHA256_HEX + 1];
	char language[64];
	char image[IMAGE_NAME]; /* its file's name, once it is kept */
	unsigned users;
	uint64_t left; /* by the last of them */
	bool kept;
	uint64_t tried; /* when it was to be kept last; 0: never */
	bool found;     /* in the directory: who is of it may not be known */
	int crew;       /* for it alone; -1: there is none */
	uint64_t used;  /* that was wanted */
	char why[512]; /* what was seen is of no use; empty: it is not known to be */
	struct file_version seen; /* what was looked at last; 0: none was there */
	size_t size;              /* of that; 0: it is not known to be good */
	uint64_t look_again;      /* at the same, not before */
};

static struct {
	char directory[PATH_MAX];
	const char *host;
	struct origin *first;
	struct origin *keeping; /* by this process: */
	pid_t pid;
	int words; /* its last ones */
	uint64_t not_before;
	bool failed; /* the last time */
	uint64_t awaited; /* the place of a crew, since it was given up; 0: none is */
} all;

static void put_path(char path[PATH_MAX], const char *name, const char *ending)
{
	/* There is room: origin_open has seen to it. */
	if (snprintf(path, PATH_MAX, "%s/%s%s", all.directory, name, ending) >=
	    PATH_MAX)
		path[0] = 0;
}

static void name_image(char name[IMAGE_NAME], const struct image_id *id)
{
	snprintf(name, IMAGE_NAME, "%016llx-%llx.img",
		 (unsigned long long)id->checksum,
		 (unsigned long long)id->size);
}

/* ---- those that there are ---- */

static struct origin *find(const char *name)
{
	struct origin *o = all.first;

	while (o && memcmp(o->name, name, SHA256_HEX))
		o = o->next;
	return o;
}

static struct origin *make(const char *name, const char *language)
{
	struct origin *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	memcpy(o->name, name, SHA256_HEX);
	snprintf(o->language, sizeof(o->language), "%s", language);
	o->crew = -1;
	o->next = all.first;
	all.first = o;
	return o;
}

struct origin *origin_of(const char *name, const char *language)
{
	struct origin *o = find(name);

	if (!o)
		o = make(name, language);
	/* What was found in the directory has none yet. */
	if (o && !o->language[0])
		snprintf(o->language, sizeof(o->language), "%s", language);
	return origin_copy(o);
}

struct origin *origin_copy(struct origin *o)
{
	if (o)
		o->users++;
	return o;
}

void origin_drop(struct origin *o)
{
	if (o && --o->users == 0)
		o->left = clock_mono();
}

const char *origin_name(const struct origin *o)
{
	return o->name;
}

const char *origin_language(const struct origin *o)
{
	return o->language;
}

/* ---- who runs it ---- */

static bool has_it(int language, const char *template)
{
	const struct crew *c = language < 0 ? NULL : catalog_crew(language);

	return c && !c->off && !memcmp(c->template, template, SHA256_HEX);
}

/* A language, or what was made of a session, that has it; this one if it does. -1:
 * none. */
static int find_language(const char *template, int language)
{
	const struct crew *c;

	if (has_it(language, template))
		return language;
	for (int i = 0; (c = catalog_crew(i)); i++)
		if ((c->derived || !c->foreign) && has_it(i, template))
			return i;
	return -1;
}

bool origin_is_known(const char *name)
{
	return find(name) || find_language(name, -1) >= 0;
}

/* Whether this program can run what is kept. 0; -ESTALE: it never can, as o->why
 * says; -EAGAIN: that could not be seen now. */
static int check_kept(struct origin *o, const char *path, size_t *size)
{
	char name[SHA256_HEX + 1] = "";
	struct template t;
	struct err e = { "" };
	size_t skip = strlen(path) + 2;
	int r;

	template_any_maker = true;
	r = template_open(&t, path, &e);
	template_any_maker = false;
	if (r == 0) {
		template_name(&t.head, name);
		*size = (size_t)t.head.file_size;
		template_close(&t);
		if (!strcmp(name, o->name))
			return 0;
		r = err_set(&e, -EINVAL, "%s: another one is in its place",
			    path);
	}
	if (r != -ENOENT && !template_is_useless(r))
		return -EAGAIN;
	snprintf(o->why, sizeof(o->why),
		 "the session's template is of no use any more: %s",
		 e.text + (strncmp(e.text, path, skip - 2) ? 0 : skip));
	return -ESTALE;
}

static bool is_same(const struct file_version *a, const struct file_version *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       !file_overwritten(a, b);
}

/* The same, of each version of the file once: who reads waits for the disk, and all others
 * for that. One that could not be read is, again, after a while. */
static int check_once(struct origin *o, const char *path, size_t *size)
{
	struct file_version version = file_look(path);
	uint64_t begun = clock_mono(), now, pause;
	bool same = is_same(&version, &o->seen);
	int r;

	*size = o->size;
	if (same && o->size)
		return 0;
	if (same && begun < o->look_again)
		return -EAGAIN;
	r = check_kept(o, path, size);
	now = clock_mono();
	pause = LOOK_COST * (now - begun);
	o->seen = version;
	o->size = r ? 0 : *size;
	o->look_again = now + (pause > LOOK_NS ? pause : LOOK_NS);
	return r;
}

/* What is there is what was of no use; another one may have been put in its place. */
static bool is_useless(struct origin *o)
{
	struct file_version version;
	char path[PATH_MAX];

	if (!o->why[0])
		return false;
	put_path(path, o->name, ".zbt");
	version = file_look(path);
	if (!is_same(&version, &o->seen))
		o->why[0] = 0;
	return o->why[0];
}

/* Of crews for one alone, that which nobody has wanted for longest, if it does nothing. */
static struct origin *find_oldest(void)
{
	struct origin *oldest = NULL;

	for (struct origin *o = all.first; o; o = o->next)
		if (o->crew >= 0 && catalog_is_idle(o->crew) &&
		    (!oldest || o->used < oldest->used))
			oldest = o;
	return oldest;
}

/* Whether there is a crew, at once or when that of *oldest is given up, which is not done
 * while the workers or the loader of another one that was are ending, unless they hang. */
static bool may_adopt(uint64_t now, struct origin **oldest)
{
	*oldest = NULL;
	if (catalog_may_adopt())
		return true;
	if (all.awaited && now < all.awaited + LEAVE_NS)
		return false;
	*oldest = find_oldest();
	return *oldest;
}

static void release(struct origin *o)
{
	catalog_release(o->crew);
	o->crew = -1;
}

bool origin_is_kept(const struct origin *o)
{
	return o->kept;
}

int origin_look(struct origin *o, char path[PATH_MAX], size_t *size,
		const char **why)
{
	int r;

	*why = o->why;
	if (is_useless(o))
		return -ESTALE;
	*why = "the session's template is not there any more";
	if (!o->kept)
		return -ESTALE;
	put_path(path, o->name, ".zbt");
	r = check_once(o, path, size);
	*why = o->why[0] ? o->why : "the session's template cannot be read now";
	return r;
}

int origin_crew(struct origin *o, int language, const char **why)
{
	int crew = find_language(o->name, language), r;
	struct origin *oldest = NULL;
	char path[PATH_MAX];
	size_t size;

	o->used = clock_mono();
	if (crew >= 0 || o->crew >= 0)
		return crew >= 0 ? crew : o->crew;
	/* Before anything is read. */
	*why = "too many templates are in use";
	if (o->kept && !is_useless(o) && !may_adopt(o->used, &oldest))
		return -EAGAIN;
	r = origin_look(o, path, &size, why);
	if (r)
		return r;
	*why = "too many templates are in use";
	if (oldest)
		release(oldest);
	crew = catalog_adopt(path, o->language, o->name);
	all.awaited = crew < 0 ? o->used : 0;
	if (crew < 0)
		return -EAGAIN;
	o->crew = crew;
	return crew;
}

/* ---- keeping ---- */

/* A template with its image, both to be read as they are. */
static const struct stock_set *find_set(const struct origin *o)
{
	int language = find_language(o->name, -1);
	const struct stock_set *set;

	if (language < 0)
		return NULL;
	set = &catalog_crew(language)->stock.now;
	return set->loaded || set->plain ? set : NULL;
}

static int execute(const struct origin *o, const struct stock_set *set)
{
	char path[PATH_MAX], image[PATH_MAX];
	const char *const argv[] = { "zeroboot", "load",    "--host",
				     all.host,   "--image", image,
				     "--store",  path,      NULL };
	/* What is just being loaded is where it came from. */
	bool loaded = set->loaded;
	int pipe[2],
		files[] = { -1, set->files[loaded ? LOAD_MEMORY : LOAD_FILE],
			    loaded ? set->files[LOAD_IMAGE] : -1,
			    set->files[LOAD_SOURCE], -1 };

	put_path(path, o->name, ".zbt");
	put_path(image, o->image, "");
	if (pipe2(pipe, O_CLOEXEC) < 0)
		return -errno;
	files[4] = pipe[1];
	all.pid = jail_spawn((char *const *)(uintptr_t)argv, files, 5);
	close(pipe[1]);
	all.words = pipe[0];
	if (all.pid > 0)
		return 0;
	close(pipe[0]);
	return (int)all.pid;
}

static void complain(const char *why)
{
	if (!all.failed)
		log_event("warning", "sessions' template not kept: %s", why);
	all.failed = true;
	all.not_before = clock_mono() + AGAIN_NS;
}

/* What sessions are of and is not kept, if it can be now: that which was tried least of
 * late, as one for which the disk has no room does not keep others from it. */
static struct origin *next_to_keep(const struct stock_set **set)
{
	const struct stock_set *its;
	struct origin *next = NULL;

	for (struct origin *o = all.first; o; o = o->next) {
		if (!o->users || o->kept || (next && o->tried >= next->tried))
			continue;
		its = find_set(o);
		if (its) {
			next = o;
			*set = its;
		}
	}
	return next;
}

/* The names of its files in the directory. */
static void put_names(const struct origin *o, char template[PATH_MAX],
		      char image[PATH_MAX])
{
	snprintf(template, PATH_MAX, PLACE "/%s.zbt", o->name);
	snprintf(image, PATH_MAX, PLACE "/%s", o->image);
}

/* What of it was to be removed is not any more. False: it is just being removed. */
static bool reclaim(const struct origin *o)
{
	char template[PATH_MAX], image[PATH_MAX];

	put_names(o, template, image);
	if (archive_is_removing(template) || archive_is_removing(image))
		return false;
	archive_keep(template);
	archive_keep(image);
	return true;
}

static void begin(uint64_t now)
{
	const struct stock_set *set = NULL;
	struct origin *o = now < all.not_before ? NULL : next_to_keep(&set);
	int r;

	if (!o)
		return;
	name_image(o->image, &set->id);
	if (!reclaim(o))
		return;
	o->tried = now;
	r = execute(o, set);
	if (r)
		complain(strerror(-r));
	else
		all.keeping = o;
}

static void end(int status)
{
	char words[LOAD_WORDS_MAX] = "";
	ssize_t n = read(all.words, words, sizeof(words) - 1);

	close(all.words);
	words[n > 0 ? n : 0] = 0;
	all.keeping->kept = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (all.keeping->kept)
		all.failed = false;
	else
		complain(words[0] ? words : "its process ended");
	all.keeping = NULL;
}

/* ---- those that nobody is of ---- */

/* A template that could not be read may need any. */
static bool has_image(const char *image)
{
	for (const struct origin *o = all.first; o; o = o->next)
		if ((o->kept && !o->image[0]) ||
		    ((o->kept || o == all.keeping) && !strcmp(o->image, image)))
			return true;
	return false;
}

static void remove_file(const char *name, const char *ending)
{
	char file[PATH_MAX];

	snprintf(file, sizeof(file), PLACE "/%s%s", name, ending);
	archive_remove_file(file);
}

/* It is in nobody's hands. */
static void forget(struct origin **at)
{
	struct origin *o = *at;

	*at = o->next;
	if (o->kept)
		remove_file(o->name, ".zbt");
	/* Also that of one for which there was no room. */
	if (o->image[0] && !has_image(o->image))
		remove_file(o->image, "");
	free(o);
}

static bool is_spare(const struct origin *o, uint64_t now, uint64_t spare)
{
	return !o->users && o->crew < 0 && o != all.keeping &&
	       now >= o->left + spare && !(o->found && archive_has_unread());
}

static void tidy(uint64_t now, uint64_t spare)
{
	struct origin **at = &all.first;

	while (*at) {
		struct origin *o = *at;

		/* Its language has it again, or nobody wants it. */
		if (o->crew >= 0 && catalog_is_idle(o->crew) &&
		    (find_language(o->name, -1) >= 0 || !o->users))
			release(o);
		if (is_spare(o, now, spare))
			forget(at);
		else
			at = &o->next;
	}
}

void origin_tick(uint64_t now)
{
	int status;

	if (all.keeping && waitpid(all.pid, &status, WNOHANG) == all.pid)
		end(status);
	if (!all.keeping)
		begin(now);
	tidy(now, SPARE_NS);
}

bool origin_is_busy(void)
{
	const struct stock_set *set;

	return all.keeping || (!all.failed && next_to_keep(&set));
}

/* ---- start and end ---- */

/* One that is kept, as far as its head can be read: *known false: it could not be. 0 or
 * -ENOMEM. */
static int take(int directory, const char *name, bool *known)
{
	int fd = openat(directory, name,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct template_head h;
	struct origin *o = make(name, "");
	bool read = o && fd >= 0 && file_read_at(fd, &h, sizeof(h), 0) == 0;

	if (fd >= 0)
		close(fd);
	if (!o)
		return -ENOMEM;
	o->kept = o->found = true;
	o->left = clock_mono();
	if (read)
		name_image(o->image, &h.image);
	*known &= read;
	return 0;
}

#define HEX "0123456789abcdef"

/* What is behind the name of a template or of an image; NULL: it is neither. */
static const char *name_end(const char *name, bool *template)
{
	size_t first = strspn(name, HEX), second;

	*template = first == SHA256_HEX && !strncmp(name + first, ".zbt", 4);
	if (*template)
		return name + first + 4;
	if (first != 16 || name[first] != '-')
		return NULL;
	second = strspn(name + first + 1, HEX);
	name += first + 1 + second;
	return second && !strncmp(name, ".img", 4) ? name + 4 : NULL;
}

static bool is_template(const char *name)
{
	bool template;
	const char *end = name_end(name, &template);

	return end && template && !*end;
}

/* As file_draft names it. */
static bool is_draft(const char *end)
{
	size_t digits = *end == '.' ? strspn(end + 1, "0123456789") : 0;

	return digits && !strcmp(end + 1 + digits, ".tmp");
}

/* An image that no template needs, or a draft. */
static bool is_left_over(const char *name, bool images)
{
	bool template;
	const char *end = name_end(name, &template);

	if (!end)
		return false;
	return *end ? is_draft(end) : !template && images && !has_image(name);
}

/* Templates first, then what none of them needs goes, if that is known of all. 0 or
 * -errno. */
static int look(DIR *d)
{
	struct dirent *entry;
	bool known = true;
	int r = 0;

	for (errno = 0; r == 0 && (entry = readdir(d)); errno = 0)
		if (is_template(entry->d_name))
			r = take(dirfd(d), entry->d_name, &known);
	if (r || errno)
		return r ? r : -errno;
	rewinddir(d);
	while ((entry = readdir(d)))
		if (is_left_over(entry->d_name, known))
			unlinkat(dirfd(d), entry->d_name, 0);
	return 0;
}

/* What languages are made of is there. */
static bool is_catalog(int fd)
{
	char path[PATH_MAX];
	struct stat own, theirs;

	if (snprintf(path, sizeof(path), "%s", catalog_file(0)) >= PATH_MAX)
		return false;
	return fstat(fd, &own) == 0 && stat(dirname(path), &theirs) == 0 &&
	       own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

static int check(int fd, struct err *e)
{
	if (is_catalog(fd))
		return err_set(e, -EINVAL,
			       "state: %s: is the directory of templates",
			       all.directory);
	return archive_check_owner(fd, all.directory, e);
}

int origin_open(const char *directory, const char *host, struct err *e)
{
	int n = snprintf(all.directory, sizeof(all.directory), "%s/" PLACE,
			 directory),
	    fd, r;
	DIR *d;

	all.host = host;
	if (n < 0 || n >= PATH_MAX - 2 * NAME_MAX)
		return err_set(e, -ENAMETOOLONG, "state: %s: path too long",
			       directory);
	if (mkdir(all.directory, 0700) < 0 && errno != EEXIST)
		return err_set(e, -errno, "state: %s: %s", all.directory,
			       strerror(errno));
	fd = open(all.directory,
		  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		r = err_set(e, -errno, "state: %s: %s", all.directory,
			    strerror(errno));
		if (fd >= 0)
			close(fd);
		return r;
	}
	r = check(fd, e);
	if (r == 0 && (r = look(d)))
		err_set(e, r, "state: %s: %s", all.directory, strerror(-r));
	closedir(d);
	return r;
}

static void break_off(void)
{
	if (!all.keeping)
		return;
	jail_end(all.pid, SIGTERM);
	close(all.words);
	all.keeping = NULL;
}

/* Sessions are no more: what is not of one goes. */
void origin_close(void)
{
	break_off();
	/* Crews end with the server, whatever they do still. */
	for (struct origin *o = all.first; o; o = o->next)
		o->crew = -1;
	tidy(clock_mono(), 0);
	while (all.first) {
		struct origin *o = all.first;

		all.first = o->next;
		free(o);
	}
}
