/*
 * exec.c: execve: finds the program behind a name, and puts it in the place of
 * the one that runs. Up to `replace` all may fail; behind it there is nothing to
 * go back to.
 */
#include "task/exec.h"

#include <linux/auxvec.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/resource.h>

#include "fs/descriptor.h"
#include "fs/open.h"
#include "fs/path.h"
#include "heap.h"
#include "mm/frame.h"
#include "mm/map.h"
#include "mm/user.h"
#include "random.h"
#include "syscalls.h"
#include "task/arguments.h"
#include "task/elf.h"
#include "task/limits.h"
#include "task/process.h"
#include "task/signal.h"
#include "vdso.h"

/* Between a program and its heap: the stubs of its calls go there (patch.c). */
#define BRK_GAP (1ul << 20)
#define STACK_ROOM (128ul << 20) /* to grow in, at least: Linux, SIZE_128M */
#define STACK_READY (1ul << 20)  /* at boot there at once: runs need no more */
#define STACK_READY_LATER (64ul << 10)
#define STACK_BEGIN (128ul << 10) /* mapped: Linux, setup_arg_pages */
#define SCRIPTS_MAX 5             /* that name each other: Linux, exec_binprm */
#define LINE_MAX 256 /* of a script's first line: Linux, BINPRM_BUF_SIZE */

struct exec {
	struct file *file; /* the program, or the script in its place */
	struct file *loader;
	struct elf program, interpreter;
	struct arguments arguments;
	u64 name_size; /* of the name below the stack's top */
	bool secure;   /* other ids than who starts it */
	char name[PATH_MAX + 24];
	const char *script; /* what it is called as one */
	char interpreter_name[LINE_MAX];
	char line[LINE_MAX + 1];
};

/* ---- the stack ---- */

static u32 cpu_features(void)
{
	u32 a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

/* Bytes below *sp; false: they cannot be written. */
static bool push(u64 *sp, const void *data, size_t n)
{
	*sp -= n;
	return user_copy((void *)*sp, data, n) == n;
}

/* Words of the first stack frame, written in pieces. */
struct words {
	u64 to;
	u64 buffer[32];
	size_t count;
	bool failed;
};

static void flush(struct words *w)
{
	size_t n = w->count * 8;

	w->failed |= user_copy((void *)w->to, w->buffer, n) != n;
	w->to += n;
	w->count = 0;
}

static void put(struct words *w, u64 word)
{
	if (w->count == ARRAY_SIZE(w->buffer))
		flush(w);
	w->buffer[w->count++] = word;
}

/* Addresses of count strings that follow each other; returns their end. */
static u64 put_strings(struct words *w, u64 at, u32 count)
{
	while (count-- > 0) {
		put(w, at);
		at += strlen((const char *)at) + 1;
	}
	put(w, 0);
	return at;
}

static size_t make_auxv(const struct exec *e, u64 random, u64 platform,
			u64 name, u64 *out)
{
	const struct ids *ids = &current->ids;
	const u64 aux[] = {
		AT_SYSINFO_EHDR,
		(u64)vdso_load(),
		AT_HWCAP,
		cpu_features(),
		AT_PAGESZ,
		PAGE_SIZE,
		AT_CLKTCK,
		100,
		AT_PHDR,
		e->program.headers,
		AT_PHENT,
		sizeof(Elf64_Phdr),
		AT_PHNUM,
		e->program.head.e_phnum,
		AT_BASE,
		e->interpreter.base,
		AT_FLAGS,
		0,
		AT_ENTRY,
		e->program.entry,
		AT_UID,
		ids->uid,
		AT_EUID,
		ids->euid,
		AT_GID,
		ids->gid,
		AT_EGID,
		ids->egid,
		AT_SECURE,
		e->secure,
		AT_RANDOM,
		random,
		AT_HWCAP2,
		2, /* FSGSBASE may be used: Linux, asm/hwcap2.h */
		AT_EXECFN,
		name,
		AT_PLATFORM,
		platform,
		AT_MINSIGSTKSZ,
		sigframe_size(),
		AT_NULL,
		0,
	};

	memcpy(out, aux, sizeof(aux));
	return ARRAY_SIZE(aux);
}

static void note_layout(const struct exec *e)
{
	struct layout *l = &current->process->layout;

	l->code_start = e->program.code_start;
	l->code_end = e->program.code_end;
	l->data_start = e->program.data_start;
	l->data_end = e->program.data_end;
}

/*
 * From low to high: argc, argv, NULL, environment, NULL, auxiliary vector, and
 * the bytes they point to, of which the strings are there.
 */
static long build_stack(const struct exec *e, u64 top, u64 *sp)
{
	const struct arguments *a = &e->arguments;
	struct layout *l = &current->process->layout;
	u64 strings = top - a->size, at = strings, platform, random;
	struct words w = { 0 };
	size_t words;
	u8 seed[16];

	random_fill(seed, sizeof(seed));
	w.failed = !push(&at, "x86_64", 7);
	platform = at;
	w.failed |= !push(&at, seed, sizeof(seed));
	random = at;
	words = make_auxv(e, random, platform, top - e->name_size, l->auxv);
	l->auxv_size = words * 8;
	*sp = (at - (words + a->argc + a->envc + 3) * 8) & ~15ull;
	w.to = l->stack = *sp;
	put(&w, a->argc);
	l->args = strings;
	l->args_end = l->environment = put_strings(&w, strings, a->argc);
	l->environment_end = put_strings(&w, l->environment, a->envc);
	for (size_t i = 0; i < words; i++)
		put(&w, l->auxv[i]);
	flush(&w);
	return w.failed ? -EFAULT : 0;
}

/* What a stack may grow to below its top is left to it, as far as memory goes. */
static void note_stack(u64 top)
{
	u64 most = MIN(limit_of(RLIMIT_STACK), frames_total() * PAGE_SIZE);

	space->stack_top = top;
	space->stack_floor =
		top - MAX(PAGE_UP(most) + GROWTH_GUARD, STACK_ROOM);
}

/* Small, as on Linux: it grows where it is used. */
static long make_stack(struct exec *e, u64 ready, u64 *sp)
{
	const struct vma kind = { .prot = PROT_READ | PROT_WRITE,
				  .flags = MAP_PRIVATE | MAP_ANONYMOUS |
					   MAP_STACK | MAP_GROWSDOWN };
	u64 strings = PAGE_UP(e->arguments.size), size, top;
	long stack, r;

	size = MIN(strings + MAX(ready, STACK_BEGIN),
		   PAGE_DOWN(limit_of(RLIMIT_STACK)));
	size = MAX(size, strings);
	stack = mm_map(0, size, &kind);
	if (stack < 0)
		return stack;
	top = (u64)stack + size;
	note_stack(top);
	r = arguments_install(&e->arguments, top);
	if (r)
		return r;
	ready = MIN(size, strings + ready);
	mm_populate(top - ready, ready);
	return build_stack(e, top, sp);
}

/* ---- the program ---- */

static const char *interpreter_of(const struct exec *e)
{
	return e->program.interpreter[0] ? e->program.interpreter : NULL;
}

/* Reads the ELF files. */
static long read_program(struct exec *e)
{
	long r = elf_read(&e->program, e->file);

	if (r || !interpreter_of(e))
		return r;
	e->loader = file_open_program(NULL, interpreter_of(e), true, &r);
	if (!e->loader)
		return r;
	r = elf_read(&e->interpreter, e->loader);
	return r == -ENOEXEC ? -ELIBBAD : r;
}

/* Into the running space, which is empty and knows its home. */
static long load(struct exec *e, u64 stack_ready, u64 *rip, u64 *rsp)
{
	long r = elf_map(&e->program, space->home + HOME_PIE);

	if (r == 0 && !space->pool_end) {
		space->brk_start = space->brk_end = e->program.end + BRK_GAP;
		space->brk_top =
			space->home +
			(elf_is_fixed(&e->program) ? HOME_PIE : HOME_ZONE);
	}
	if (r == 0 && e->loader) {
		r = elf_map(&e->interpreter, 0);
		/* As on Linux only the program itself is kept from writers. */
		file_count_writer(e->loader, file_node(e->loader), 0);
	}
	if (r == 0)
		r = make_stack(e, stack_ready, rsp);
	*rip = e->loader ? e->interpreter.entry : e->program.entry;
	note_layout(e);
	space->program = &e->file->object;
	space->program->ops->ref(space->program);
	return r;
}

static u64 home_of(const struct exec *e)
{
	return elf_is_fixed(&e->program) ? HOME_LOW : HOME_HIGH;
}

static struct exec *exec_new(void)
{
	struct exec *e = kmalloc(sizeof(*e));

	if (e)
		arguments_start(&e->arguments);
	return e;
}

static void exec_free(struct exec *e)
{
	arguments_end(&e->arguments);
	if (e->loader)
		file_unref(e->loader);
	if (e->file)
		file_unref(e->file);
	kfree(e);
}

/* What strings lie in the memory of args, the last one first. */
static long push_strings(struct arguments *a, const char *args, size_t size,
			 u32 argc)
{
	u32 count = 0;
	long r = 0;

	for (size_t end = size; end > 0 && r == 0; count++) {
		end--;
		while (end > 0 && args[end - 1])
			end--;
		r = arguments_push(a, args + end);
	}
	a->argc = argc;
	a->envc = count - argc;
	return count < argc ? -EINVAL : r;
}

long exec_load(const char *path, const char *args, size_t args_size, u32 argc,
	       u64 *rip, u64 *rsp)
{
	struct exec *e = exec_new();
	long r;

	if (!e)
		return -ENOMEM;
	e->name_size = strlen(path) + 1;
	e->file = file_open_program(NULL, path, true, &r);
	if (e->file)
		r = read_program(e);
	if (r == 0)
		r = arguments_push(&e->arguments, path);
	if (r == 0)
		r = push_strings(&e->arguments, args, args_size, argc);
	if (r == 0)
		r = mm_open(home_of(e));
	limits_apply(current->process);
	if (r == 0)
		r = load(e, STACK_READY, rip, rsp);
	exec_free(e);
	return r;
}

/* ---- scripts ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Splits the line behind #!: the interpreter, and all the rest as one argument,
 * or NULL. -ENOEXEC: it has none, or its name may be cut off. Without an end (of
 * a file that ends there) no name is one of no characters: a directory. */
static long split_line(char *line, bool ended, bool whole, char **name,
		       char **argument)
{
	char *end = line + strlen(line), *p = line;

	while (end > line && is_blank(end[-1]))
		end--;
	*end = 0;
	while (is_blank(*p))
		p++;
	*name = p;
	if (!*p)
		return whole && !ended ? -EACCES : -ENOEXEC;
	while (*p && !is_blank(*p))
		p++;
	if (!*p && !whole)
		return -ENOEXEC;
	while (is_blank(*p))
		*p++ = 0;
	*argument = *p ? p : NULL;
	return 0;
}

/* The script's interpreter in its place, with what the line says before the
 * arguments. */
static long interpret(struct exec *e)
{
	struct arguments *a = &e->arguments;
	char *name, *argument, *end = strchr(e->line, '\n');
	bool whole = end || strlen(e->line) < LINE_MAX - 1;
	long r;

	*(end ? end : e->line + LINE_MAX - 1) = 0;
	r = split_line(e->line + 2, end, whole, &name, &argument);
	if (r)
		return r;
	arguments_drop_first(a);
	r = arguments_push(a, e->script);
	if (r == 0 && argument)
		r = arguments_push(a, argument);
	if (r == 0)
		r = arguments_push(a, name);
	if (r)
		return r;
	a->argc += argument ? 3 : 2;
	memcpy(e->interpreter_name, name, strlen(name) + 1);
	e->script = e->interpreter_name;
	file_unref(e->file);
	e->file = file_open_program(name[0] == '/' ? NULL : path_cwd(), name,
				    true, &r);
	return r;
}

static bool is_script(struct exec *e)
{
	u64 at = 0;
	long n = e->file->ops->read ?
			 e->file->ops->read(e->file, e->line, LINE_MAX, &at) :
			 0;

	e->line[MAX(n, 0l)] = 0;
	return n >= 2 && e->line[0] == '#' && e->line[1] == '!';
}

/* Through scripts to a program. hidden: the name leads nowhere once descriptors
 * are closed. */
static long find_program(struct exec *e, bool hidden)
{
	long r = 0;

	for (int scripts = 0; r == 0 && is_script(e); scripts++) {
		if (scripts == SCRIPTS_MAX)
			return -ELOOP;
		if (hidden)
			return -ENOENT;
		r = interpret(e);
	}
	return r ? r : read_program(e);
}

/* ---- the calls ---- */

/* The new program's space; the old one goes with its last user. */
static void enter_space(struct space *new)
{
	struct process *p = current->process;
	struct space *old = p->space;

	p->space = new;
	control->processes++;
	limits_apply(p);
	space_switch(new);
	space_unref(old);
}

static long replace(struct exec *e)
{
	struct space *new = space_new();
	struct node *n = file_node(e->file);
	u64 rip, rsp;
	long r;

	if (!new)
		return -ENOMEM;
	r = process_exec_begin();
	if (r) {
		space_unref(new);
		return r;
	}
	new->home = home_of(e);
	enter_space(new);
	e->secure = ids_exec(n->mode, n->uid, n->gid);
	r = load(e, STACK_READY_LATER, &rip, &rsp);
	if (r) {
		exec_free(e);
		process_killed(SIGSEGV);
	}
	thread_name(current, e->name);
	thread_restart(rip, rsp);
	process_exec_done();
	return 0;
}

/* e->file is open, e->name is known. */
static long execute(struct exec *e, u64 argv, u64 envp, bool hidden)
{
	long r;

	e->name_size = strlen(e->name) + 1;
	e->script = e->name;
	r = arguments_push(&e->arguments, e->name);
	if (r == 0)
		r = arguments_read(&e->arguments, argv, envp);
	if (r == 0)
		r = find_program(e, hidden);
	return r ? r : replace(e);
}

/* What fd and path mean, and the name that the program is started by. */
static long open_program(struct exec *e, s32 fd, const char *path, bool follow)
{
	struct node *start = NULL;
	long r = 0;

	if (path[0] == '/' || fd == AT_FDCWD) {
		ksnprintf(e->name, sizeof(e->name), "%s", path);
		if (path[0] != '/')
			start = path_cwd();
	} else {
		ksnprintf(e->name, sizeof(e->name), "/dev/fd/%d/%s", fd, path);
		r = path_start(fd, &start);
	}
	if (r == 0)
		e->file = file_open_program(start, path, follow, &r);
	return r;
}

/* AT_EMPTY_PATH: the descriptor's file. */
static long open_descriptor(struct exec *e, s32 fd)
{
	struct file *f = fd_file(fd);
	struct node *n = fd == AT_FDCWD ? path_cwd() : NULL;
	long r;

	if (!n && !f)
		return -EBADF;
	if (!n)
		n = file_node(f);
	ksnprintf(e->name, sizeof(e->name), "/dev/fd/%d", fd);
	r = -EACCES;
	if (n)
		e->file = node_open_program(n, &r);
	return r;
}

long sys_execveat(u64 fd, u64 path, u64 argv, u64 envp, u64 flags)
{
	bool empty_ok = flags & AT_EMPTY_PATH, hidden = false;
	struct exec *e;
	struct path p;
	long r;

	if (flags & ~(u64)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	r = path_read(path, &p);
	if (r)
		return r;
	r = ids_exec_allowed();
	e = r ? NULL : exec_new();
	if (r == 0 && !e)
		r = -ENOMEM;
	if (r == 0 && p.text[0])
		r = open_program(e, (s32)fd, p.text,
				 !(flags & AT_SYMLINK_NOFOLLOW));
	else if (r == 0)
		r = empty_ok ? open_descriptor(e, (s32)fd) : -ENOENT;
	if (r == 0 && (s32)fd != AT_FDCWD && p.text[0] != '/')
		hidden = fd_cloexec((s32)fd);
	path_end(&p);
	if (r == 0)
		r = execute(e, argv, envp, hidden);
	if (e)
		exec_free(e);
	return r;
}

long sys_execve(u64 path, u64 argv, u64 envp)
{
	return sys_execveat(AT_CWD, path, argv, envp, 0);
}
