#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"
#include "template.h"

#define AGAIN_NS 500000000ull /* between two loads, and, of a file that is of */
#define PAUSE_NS 5000000000ull /* no use, longer and longer up to this */

static const struct stock_set nothing = { .files = { -1, -1, -1 },
					  .memory = -1,
					  .image = -1 };
_Static_assert(LOAD_FILES == 3, "nothing");

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

int stock_memory_mb(const struct stock *s)
{
	struct template t;
	struct stat st;
	struct err e;
	int mb = 0;

	if (fstat(s->now.files[LOAD_FILE], &st) == 0 &&
	    template_read(&t, s->now.files[LOAD_FILE], (uint64_t)st.st_size,
			  s->path, &e) == 0) {
		mb = (int)(t.head.memory_size >> 20);
		template_close(&t);
	}
	return mb;
}

/* ---- a load ---- */

/* The same file, but who has this descriptor cannot write. */
static int open_to_read(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * A file for a copy of the image that has no name: in the directory that a
 * service manager gives for such, or beside the template, where it may share the
 * disk's blocks with it; where nothing can be written, in memory. Without one the
 * image is used where it is.
 */
static void open_copy(struct stock *s)
{
	const char *cache = getenv("CACHE_DIRECTORY");
	const int flags = O_TMPFILE | O_RDWR | O_CLOEXEC;
	struct stock_set *set = &s->next;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", s->path);
	set->image = cache ? open(cache, flags, 0600) : -1;
	if (set->image < 0)
		set->image = open(dirname(path), flags, 0600);
	if (set->image < 0)
		set->image = memfd_create("zeroboot-image", MFD_CLOEXEC);
	if (set->image < 0)
		return;
	set->files[LOAD_IMAGE] = open_to_read(set->image);
	if (set->files[LOAD_IMAGE] < 0)
		shut(&set->image);
}

static int open_files(struct stock *s)
{
	struct stock_set *set = &s->next;
	struct stat st;
	/* Not blocking: it may be a FIFO. */
	int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	set->files[LOAD_FILE] = fd;
	set->version = s->tried;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	set->memory = memfd_create("zeroboot-template",
				   MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (set->memory < 0)
		return -errno;
	set->files[LOAD_MEMORY] = open_to_read(set->memory);
	open_copy(s);
	return 0;
}

static int execute(struct stock *s)
{
	/* What is there to serve from stays: somebody's new file is bad. */
	const char *const argv[] = { "zeroboot",
				     "load",
				     "--host",
				     s->host,
				     stock_ready(s) ? s->path : "--anew",
				     stock_ready(s) ? NULL : s->path,
				     NULL };
	int pipe[2], files[JAIL_FILES_MAX];
	pid_t pid;

	if (pipe2(pipe, O_CLOEXEC) < 0)
		return -errno;
	files[0] = s->next.files[LOAD_FILE];
	files[1] = s->next.memory;
	files[2] = s->next.image;
	files[3] = pipe[1];
	pid = jail_spawn((char *const *)(uintptr_t)argv, files, 4);
	close(pipe[1]);
	if (pid < 0) {
		close(pipe[0]);
		return pid;
	}
	s->pid = pid;
	s->pipe = pipe[0];
	return 0;
}

static void begin(struct stock *s)
{
	int r = open_files(s);

	if (r == 0)
		r = execute(s);
	if (r) {
		snprintf(s->reason, sizeof(s->reason), "%s: %s", s->path,
			 strerror(-r));
		drop(&s->next);
		s->failed(s);
		return;
	}
	/* Not from one that was of no use before. */
	s->early = !stock_ready(s) && !s->reason[0] &&
		   s->next.files[LOAD_MEMORY] >= 0;
	if (!s->early)
		return;
	s->now = s->next;
	s->next = nothing;
	s->loaded(s);
}

/* From now on nobody can change it. */
static int seal(struct stock_set *set)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK |
			  F_SEAL_SEAL;

	if (fcntl(set->memory, F_ADD_SEALS, seals) < 0)
		return -errno;
	if (set->files[LOAD_MEMORY] < 0) {
		set->files[LOAD_MEMORY] = set->memory;
		set->memory = -1;
	}
	shut(&set->memory);
	shut(&set->image);
	return 0;
}

static void hear(struct stock *s)
{
	ssize_t n = read(s->pipe, s->reason, sizeof(s->reason) - 1);

	s->reason[n > 0 ? n : 0] = 0;
	close(s->pipe);
}

/* The loader is gone. */
static void end(struct stock *s, int status)
{
	struct stock_set *set = s->early ? &s->now : &s->next;
	bool done = WIFEXITED(status) && (WEXITSTATUS(status) == 0 ||
					  WEXITSTATUS(status) == LOAD_IN_PLACE);

	s->pid = 0;
	s->remade = WIFEXITED(status) && WEXITSTATUS(status) == LOAD_ANEW;
	hear(s);
	if (!done || seal(set)) {
		if (!s->reason[0])
			snprintf(s->reason, sizeof(s->reason),
				 "%s: its loader ended", s->path);
		drop(set);
		s->failed(s);
		return;
	}
	set->loaded = true;
	set->whole = WEXITSTATUS(status) == 0;
	if (set == &s->next) {
		drop(&s->now);
		s->now = s->next;
		s->next = nothing;
	}
	if (s->reason[0])
		s->failed(s);
	s->loaded(s);
}

/* ---- the interface ---- */

void stock_open(struct stock *s)
{
	s->now = s->next = nothing;
}

void stock_close(struct stock *s)
{
	if (s->pid) {
		kill(s->pid, SIGKILL);
		waitpid(s->pid, NULL, 0);
		close(s->pipe);
		s->pid = 0;
	}
	drop(&s->now);
	drop(&s->next);
}

static bool same(const struct file_version *a, const struct file_version *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       !file_overwritten(a, b);
}

/* Workers have a mixture. */
static void break_off(struct stock *s)
{
	if (s->pid)
		kill(s->pid, SIGKILL);
	snprintf(s->reason, sizeof(s->reason),
		 "%s: overwritten before it was loaded", s->path);
	drop(&s->now);
	s->remade = false;
	s->failed(s);
}

void stock_tick(struct stock *s, uint64_t now)
{
	struct file_version version = file_look(s->path);
	bool other = !same(&s->tried, &version);
	int status;

	if (s->pid && waitpid(s->pid, &status, WNOHANG) == s->pid)
		end(s, status);
	if (stock_ready(s) && !s->now.whole &&
	    file_overwritten(&s->now.version, &version))
		break_off(s);
	if (other)
		s->pause = 0;
	if (s->pid || now < s->not_before + s->pause)
		return;
	if (stock_ready(s) && (version.inode == 0 || !other))
		return;
	s->tried = version;
	s->not_before = now + AGAIN_NS;
	s->pause = s->pause * 2 + AGAIN_NS;
	if (s->pause > PAUSE_NS)
		s->pause = PAUSE_NS;
	begin(s);
}
