#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "clock.h"
#include "image.h"
#include "image_find.h"
#include "jail.h"
#include "proc.h"
#include "template.h"

#define AGAIN_NS 500000000ull /* between two loads, and, of files that are of */
#define PAUSE_NS                                                               \
	5000000000ull /* no use, longer and longer up to this, or, when */
#define BUILD_PAUSE_NS 300000000000ull /* none can be made of them, this */
#define FRESH 3 /* seconds since a file was written: who copies it may go on */

static const struct stock_set nothing = { .files = { -1, -1, -1, -1 },
					  .memory = -1,
					  .image = -1 };
_Static_assert(LOAD_FILES == 4, "nothing");

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void drop(struct stock_set *set)
{
	for (int i = 0; i < LOAD_FILES; i++)
		shut(&set->files[i]);
	shut(&set->memory);
	shut(&set->image);
	*set = nothing;
}

bool stock_ready(const struct stock *s)
{
	return s->now.files[LOAD_FILE] >= 0;
}

bool stock_is_working(const struct stock *s)
{
	return s->work == STOCK_LOADING || s->work == STOCK_BUILDING;
}

bool stock_is_building(const struct stock *s)
{
	return s->work == STOCK_BUILDING && !stock_ready(s);
}

int stock_memory_mb(const struct stock *s)
{
	struct template t;
	int mb = 0;

	template_any_maker = s->foreign;
	if (template_read(&t, s->now.files[LOAD_FILE], s->path, NULL) == 0) {
		mb = (int)(t.head.memory_size >> 20);
		template_close(&t);
	}
	return mb;
}

static bool same(const struct file_version *a, const struct file_version *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       !file_overwritten(a, b);
}

static bool is_fresh(const struct file_version *v)
{
	return v->inode &&
	       clock_wall() / 1000000000 < (uint64_t)v->written.tv_sec + FRESH;
}

/* Into s->reason, which may be an argument; cut to fit. */
__attribute__((format(printf, 2, 3))) static void say(struct stock *s,
						      const char *format, ...)
{
	struct err e;
	va_list list;

	va_start(list, format);
	vsnprintf(e.text, sizeof(e.text), format, list);
	va_end(list);
	memcpy(s->reason, e.text, sizeof(s->reason));
}

static void give_up(struct stock *s)
{
	drop(&s->next);
	s->failed(s);
}

/* ---- files ---- */

/* The same file, but who has this descriptor cannot write. */
static int open_to_read(int fd)
{
	char name[32];

	snprintf(name, sizeof(name), "self/fd/%d", fd);
	return proc_open(name, O_RDONLY);
}

int stock_memory(int *to_read)
{
	int fd = memfd_create("zeroboot-template",
			      MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	*to_read = open_to_read(fd);
	return fd;
}

int stock_seal(int *fd, int *to_read)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK |
			  F_SEAL_SEAL;

	if (fcntl(*fd, F_ADD_SEALS, seals) < 0)
		return -errno;
	if (*to_read < 0) {
		*to_read = *fd;
		*fd = -1;
	}
	shut(fd);
	return 0;
}

/*
 * A file for a copy of the image that has no name: in the directory that a
 * service manager gives for such, or beside the image, where it may share the
 * disk's blocks with it; where nothing can be written, in memory. Without one the
 * image is used where it is.
 */
static void open_copy(struct stock_set *set)
{
	const char *cache = getenv("CACHE_DIRECTORY");
	const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
	char path[PATH_MAX];

	if (set->image >= 0)
		return;
	snprintf(path, sizeof(path), "%s", set->image_path);
	if (!set->plain)
		set->image = image_room(path, set->id.size, NULL);
	else if (cache)
		set->image = open(cache, flags, 0600);
	if (set->plain && set->image < 0)
		set->image = open(dirname(path), flags, 0600);
	if (set->plain && set->image < 0)
		set->image = memfd_create("zeroboot-image", MFD_CLOEXEC);
	if (set->image < 0)
		return;
	set->files[LOAD_IMAGE] = open_to_read(set->image);
	if (set->files[LOAD_IMAGE] >= 0)
		return;
	shut(&set->image);
	/* Without /proc, one that is sealed when it is filled. */
	if (!set->plain)
		set->image = memfd_create("zeroboot-image",
					  MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

/* Of the template at s->path, which id tells, or of none. 0 or -errno. */
static int open_image(struct stock *s, const struct image_id *id, struct err *e)
{
	struct stock_set *set = &s->next;
	struct image_place place;
	int r = image_find(&place, s->path, id, e);

	if (r)
		return r;
	set->files[LOAD_SOURCE] = place.fd;
	set->plain = place.plain;
	memcpy(set->image_path, place.path, sizeof(place.path));
	set->image_version = file_look(place.path);
	return image_identify(place.fd, place.path, &set->id, &place.plain, e);
}

/* Template and image that fit each other. 0; -ENOENT: there is no template;
 * others for which see template_is_useless; -errno. */
static int open_files(struct stock *s, struct err *e)
{
	struct stock_set *set = &s->next;
	struct template t;
	/* Not blocking: it may be a FIFO. */
	int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	set->files[LOAD_FILE] = fd;
	set->version = s->tried;
	if (fd < 0 && errno == ENOTDIR) /* a box has images only */
		errno = ENOENT;
	if (fd < 0)
		return err_set(e, -errno, "%s: %s", s->path, strerror(errno));
	r = template_read(&t, fd, s->path, e);
	if (r)
		return r;
	r = open_image(s, &t.head.image, e);
	template_close(&t);
	return r == -ENOENT ? -ENXIO : r;
}

/* ---- processes ---- */

/* image: its path, or where it is kept. 0 or -errno. */
static int execute(struct stock *s, enum stock_work work, const char *image,
		   int file, int memory, int copy)
{
	const char *how = work == STOCK_BUILDING ? "--build" : "--keep";
	const struct stock_set *set = work == STOCK_KEEPING ? &s->now :
							      &s->next;
	const char *argv[10] = { "zeroboot", "load",    "--host",
				 s->host,    "--image", image };
	int n = 6, pipe[2],
	    files[] = { file, memory, copy, set->files[LOAD_SOURCE], -1 };
	pid_t pid;

	_Static_assert(sizeof(files) / sizeof(files[0]) == JAIL_FILES_MAX,
		       "as command_load takes them");
	if (s->foreign)
		argv[n++] = "--foreign";
	if (work != STOCK_LOADING)
		argv[n++] = how;
	argv[n] = s->path;
	if (pipe2(pipe, O_CLOEXEC) < 0)
		return -errno;
	files[4] = pipe[1];
	pid = jail_spawn((char *const *)(uintptr_t)argv, files, JAIL_FILES_MAX);
	close(pipe[1]);
	if (pid < 0) {
		close(pipe[0]);
		return pid;
	}
	s->pid = pid;
	s->pipe = pipe[0];
	s->work = work;
	return 0;
}

static void cannot(struct stock *s, int r)
{
	say(s, "%s: %s", s->path, strerror(-r));
	give_up(s);
}

/* Its name is its head's. */
static void name_template(struct stock_set *set, int file)
{
	struct template_head h;

	set->name[0] = 0;
	if (file_read_at(file, &h, sizeof(h), 0) == 0)
		template_name(&h, set->name);
}

/* The copy of the image that workers of another template have: VMs of both share its
 * pages. False: there is none. */
static bool share_copy(struct stock *s)
{
	const struct stock_set *from = s->foreign ? s->image(&s->next.id) :
						    NULL;
	struct stock_set *set = &s->next;
	int copy, source;

	if (!from)
		return false;
	copy = fcntl(from->files[LOAD_IMAGE], F_DUPFD_CLOEXEC, 0);
	source = fcntl(from->files[LOAD_IMAGE], F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || source < 0) {
		shut(&copy);
		shut(&source);
		return false;
	}
	shut(&set->files[LOAD_SOURCE]);
	set->files[LOAD_IMAGE] = copy;
	set->files[LOAD_SOURCE] = source;
	set->plain = set->shared = true;
	return true;
}

/* next has template and image. */
static void begin_load(struct stock *s)
{
	struct stock_set *set = &s->next;
	int r;

	set->memory = stock_memory(&set->files[LOAD_MEMORY]);
	r = set->memory < 0 ? set->memory : 0;
	if (r == 0) {
		if (!share_copy(s))
			open_copy(set);
		r = execute(s, STOCK_LOADING, set->image_path,
			    set->files[LOAD_FILE], set->memory, set->image);
	}
	if (r) {
		cannot(s, r);
		return;
	}
	/* Not from one that was of no use before, nor from one that has lain with
	 * sessions for who knows how long. */
	s->early = !stock_ready(s) && !s->foreign &&
		   (set->made || !s->reason[0]) && (set->plain || set->made) &&
		   set->files[LOAD_MEMORY] >= 0;
	if (!s->early)
		return;
	name_template(set, set->files[LOAD_FILE]);
	s->now = s->next;
	s->next = nothing;
	s->loaded(s);
}

/* next has the image, and the template as far as there is one. */
static void begin_build(struct stock *s)
{
	struct stock_set *set = &s->next;
	int r;

	/* One that is packed is unpacked once. */
	if (!set->plain)
		open_copy(set);
	set->memory = stock_memory(&set->files[LOAD_MEMORY]);
	r = set->memory < 0 ?
		    set->memory :
		    execute(s, STOCK_BUILDING, set->image_path,
			    set->files[LOAD_FILE], set->memory, set->image);
	if (r) {
		cannot(s, r);
		return;
	}
	s->started = clock_mono();
	s->outdated = false;
	/* Workers of what was loaded early have nothing to start from. */
	if (!stock_ready(s))
		s->failed(s);
	say(s, "%s of %s",
	    s->why[0] ? "making a template anew" : "making a template",
	    set->image_path);
	s->noted(s, "info");
}

/* Where a copy that was unpacked is kept: false: nowhere. */
static bool image_kept(const struct stock_set *set, char path[PATH_MAX])
{
	return !set->plain && set->whole && set->files[LOAD_IMAGE] >= 0 &&
	       cache_path(path, set->image_path, set->id.checksum, ".img") == 0;
}

/* The template that was made, the image that was unpacked. */
static void begin_keep(struct stock *s)
{
	const struct stock_set *set = &s->now;
	char kept[PATH_MAX] = "";
	int copy = image_kept(set, kept) ? set->files[LOAD_IMAGE] : -1;
	/* It is not the loader's to write any more. */
	int memory = set->made ? set->files[LOAD_MEMORY] : -1;

	s->keep = false;
	if (memory >= 0)
		cache_tidy(s->path);
	if (copy >= 0)
		cache_tidy(kept);
	if ((memory >= 0 || copy >= 0) &&
	    execute(s, STOCK_KEEPING, kept, -1, memory, copy))
		s->work = STOCK_IDLE;
}

/* ---- what to do ---- */

/* There is an image, what is in the template's place is of no use, as reason says,
 * and nobody is just copying a better one there. Sessions want the very template. */
static bool wants_build(struct stock *s, int r)
{
	struct err e = { "" };
	bool image = s->next.files[LOAD_SOURCE] >= 0;

	if (s->foreign)
		return false;
	if (r != -ENOENT && !template_is_useless(r))
		return false;
	if (stock_ready(s) && same(&s->image_tried, &s->now.image_version))
		return false; /* somebody's new file is bad */
	if (!image && open_image(s, NULL, &e)) {
		if (r == -ENOENT)
			say(s, "%s", e.text);
		else
			say(s, "%s; cannot be made anew: %s", s->reason,
			    e.text);
		return false;
	}
	if (!is_fresh(&s->tried))
		return true;
	s->image_tried = (struct file_version){ 0 }; /* to be tried again */
	return false;
}

static void build_or_fail(struct stock *s, int r)
{
	if (!wants_build(s, r)) {
		give_up(s);
		return;
	}
	snprintf(s->why, sizeof(s->why), "%s", r == -ENOENT ? "" : s->reason);
	begin_build(s);
}

static void begin(struct stock *s)
{
	struct err e = { "" };
	int r = open_files(s, &e);

	/* What is loaded was made of this image, and has no file. */
	if (r == -ENOENT && stock_ready(s) && open_image(s, NULL, &e) == 0 &&
	    memcmp(&s->next.id, &s->now.id, sizeof(s->now.id)) == 0) {
		drop(&s->next);
		return;
	}
	if (r == 0) {
		begin_load(s);
		return;
	}
	say(s, "%s", e.text);
	s->useless = r == -ENOENT || r == -ENXIO || template_is_useless(r);
	build_or_fail(s, r);
}

/* ---- the end of a process ---- */

/* What the template, which is in next, was made for and in what time. */
static void note_made(struct stock *s)
{
	double seconds = (double)(clock_mono() - s->started) / 1e9;

	if (s->why[0])
		say(s, "%s: made anew in %.2f s", s->why, seconds);
	else
		say(s, "template made of %s in %.2f s", s->next.image_path,
		    seconds);
	s->noted(s, s->why[0] ? "warning" : "info");
	s->reason[0] = 0;
}

static void end_build(struct stock *s, bool done)
{
	struct stock_set *set = &s->next;

	if (!done || stock_seal(&set->memory, &set->files[LOAD_MEMORY])) {
		if (s->why[0])
			say(s, "%s; cannot be made anew: %s", s->why,
			    s->reason);
		s->pause = s->pause * 2 + PAUSE_NS;
		if (s->pause > BUILD_PAUSE_NS)
			s->pause = BUILD_PAUSE_NS;
		give_up(s);
		return;
	}
	/* It is what is to be loaded now. */
	shut(&set->files[LOAD_FILE]);
	set->files[LOAD_FILE] = set->files[LOAD_MEMORY];
	set->files[LOAD_MEMORY] = -1;
	set->version = (struct file_version){ 0 };
	set->made = true;
	note_made(s);
	begin_load(s);
}

/* What is of no use is made anew, if that can be. */
static void fail_load(struct stock *s, struct stock_set *set, bool useless)
{
	struct err e = { "" };

	drop(set);
	s->useless = useless;
	if (!useless) {
		give_up(s);
		return;
	}
	open_files(s, &e);
	build_or_fail(s, -EINVAL);
}

static void end_load(struct stock *s, int status)
{
	struct stock_set *set = s->early ? &s->now : &s->next;

	if ((status && status != LOAD_IN_PLACE) ||
	    stock_seal(&set->memory, &set->files[LOAD_MEMORY])) {
		fail_load(s, set, status == LOAD_USELESS);
		return;
	}
	if (set->image >= 0 && set->files[LOAD_IMAGE] < 0)
		(void)stock_seal(&set->image, &set->files[LOAD_IMAGE]);
	shut(&set->image);
	set->loaded = true;
	set->whole = status == 0 || set->shared;
	name_template(set, set->files[LOAD_MEMORY]);
	if (set == &s->next) {
		drop(&s->now);
		s->now = s->next;
		s->next = nothing;
	}
	if (s->reason[0])
		s->noted(s, "warning");
	s->keep = s->now.made || !s->now.plain;
	if (s->now.made) {
		shut(&s->now.files[LOAD_FILE]);
		s->now.files[LOAD_FILE] =
			fcntl(s->now.files[LOAD_MEMORY], F_DUPFD_CLOEXEC, 0);
	}
	s->reason[0] = s->why[0] = 0;
	s->useless = false;
	s->loaded(s);
}

/* The template is in the cache, and now the image is beside it. */
static bool is_kept_image(const struct stock *s)
{
	char kept[PATH_MAX];

	return image_kept(&s->now, kept) && !strcmp(kept, s->beside);
}

static void end_keep(struct stock *s, bool done)
{
	/* Whoever has put another one there meanwhile is seen. */
	if (done && s->now.made &&
	    template_is_copy(s->path, s->now.files[LOAD_MEMORY]))
		s->tried = file_look(s->path);
	if (done && is_kept_image(s))
		s->image_tried = file_look(s->beside);
	if (!done) {
		say(s, "template not kept, made at each start: %s", s->reason);
		s->noted(s, "warning");
	}
	s->reason[0] = 0;
}

static void hear(struct stock *s, int status)
{
	ssize_t n = read(s->pipe, s->reason, sizeof(s->reason) - 1);

	s->reason[n > 0 ? n : 0] = 0;
	close(s->pipe);
	if (status && !s->reason[0])
		say(s, "%s: its loader ended", s->path);
}

static void end(struct stock *s, int wait_status)
{
	int status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
	enum stock_work work = s->work;

	s->pid = 0;
	s->work = STOCK_IDLE;
	hear(s, status);
	if (work == STOCK_BUILDING && s->outdated)
		drop(&s->next);
	else if (work == STOCK_BUILDING)
		end_build(s, status == 0);
	else if (work == STOCK_LOADING)
		end_load(s, status);
	else
		end_keep(s, status == 0);
}

/* ---- the interface ---- */

void stock_open(struct stock *s)
{
	s->now = s->next = nothing;
	if (image_beside(s->beside, s->path))
		s->beside[0] = 0;
}

/* One that writes a file takes that away. */
static int end_signal(const struct stock *s)
{
	return s->work == STOCK_KEEPING ? SIGTERM : SIGKILL;
}

void stock_stop(struct stock *s)
{
	if (s->pid) {
		kill(s->pid, end_signal(s));
		shut(&s->pipe);
	}
	drop(&s->now);
	drop(&s->next);
}

void stock_reap(struct stock *s)
{
	if (s->pid && waitpid(s->pid, NULL, WNOHANG))
		s->pid = 0;
}

void stock_close(struct stock *s)
{
	if (s->pid && s->pipe >= 0) {
		jail_end(s->pid, end_signal(s));
		shut(&s->pipe);
	}
	s->pid = 0;
	drop(&s->now);
	drop(&s->next);
}

int stock_share_image(struct stock_set *to, const struct stock_set *from)
{
	const int image = from->files[LOAD_IMAGE],
		  source = from->files[LOAD_SOURCE];

	*to = *from;
	to->memory = to->image = -1;
	to->files[LOAD_MEMORY] = to->files[LOAD_FILE] = -1;
	to->files[LOAD_IMAGE] = fcntl(image, F_DUPFD_CLOEXEC, 0);
	to->files[LOAD_SOURCE] = fcntl(source, F_DUPFD_CLOEXEC, 0);
	if ((to->files[LOAD_IMAGE] >= 0 || image < 0) &&
	    (to->files[LOAD_SOURCE] >= 0 || source < 0))
		return 0;
	drop(to);
	return -EMFILE;
}

void stock_drop(struct stock_set *set)
{
	drop(set);
}

int stock_give(struct stock *s, struct stock_set *set)
{
	set->files[LOAD_FILE] =
		fcntl(set->files[LOAD_MEMORY], F_DUPFD_CLOEXEC, 0);
	if (set->files[LOAD_FILE] < 0)
		return -EMFILE;
	set->loaded = set->made = true;
	name_template(set, set->files[LOAD_MEMORY]);
	s->given = true;
	s->now = *set;
	*set = nothing;
	s->loaded(s);
	return 0;
}

/* Workers have a mixture, or will. */
static bool is_overwritten(const struct stock *s,
			   const struct file_version *version)
{
	const struct stock_set *set = &s->now;
	struct file_version image;

	if (!set->loaded && file_overwritten(&set->version, version))
		return true;
	if (set->whole)
		return false;
	image = file_look(set->image_path);
	return file_overwritten(&set->image_version, &image);
}

static void break_off(struct stock *s)
{
	if (s->pid)
		kill(s->pid, SIGKILL);
	say(s, "%s: overwritten before it was loaded", s->path);
	drop(&s->now);
	s->failed(s);
}

static bool is_other(const struct file_version *tried,
		     const struct file_version *there)
{
	return there->inode && !same(tried, there);
}

static bool is_due(struct stock *s, const struct file_version *version,
		   const struct file_version *image, uint64_t now)
{
	bool template = is_other(&s->tried, version);
	bool other = is_other(&s->image_tried, image);

	if (template || other)
		s->pause = 0;
	if (now < s->not_before + s->pause)
		return false;
	if (!stock_ready(s))
		return true;
	return template || (other && !is_fresh(image) && !is_fresh(version));
}

void stock_tick(struct stock *s, uint64_t now)
{
	struct file_version version, image;
	int status;

	template_any_maker = s->foreign;
	if (s->pid && waitpid(s->pid, &status, WNOHANG) == s->pid)
		end(s, status);
	version = file_look(s->path);
	image = file_look(s->beside);
	if (stock_ready(s) && is_overwritten(s, &version))
		break_off(s);
	/* What it makes is of an image that is gone. */
	if (s->work == STOCK_BUILDING && is_other(&s->image_tried, &image)) {
		s->outdated = true;
		kill(s->pid, SIGKILL);
	}
	if (s->pid || s->given)
		return;
	if (s->keep) {
		begin_keep(s);
		return;
	}
	if (!is_due(s, &version, &image, now))
		return;
	s->tried = version;
	s->image_tried = image;
	s->not_before = now + AGAIN_NS;
	s->pause = s->pause * 2 + AGAIN_NS;
	if (s->pause > PAUSE_NS)
		s->pause = PAUSE_NS;
	begin(s);
}
