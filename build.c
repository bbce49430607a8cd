#include "build.h"

#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache.h"
#include "clock.h"
#include "control.h"
#include "file.h"
#include "guest/abi.h"
#include "image_find.h"
#include "language.h"
#include "memory.h"
#include "proof.h"
#include "side.h"
#include "template.h"
#include "vmm_run.h"

#define MAX_ARGUMENTS (LANGUAGE_ARGUMENTS + 2)
#define MAX_VARIABLES 4
#define PATIENCE_NS 900000000000ull     /* for an interpreter to get ready */
#define SUMS_SLICE (4 * TEMPLATE_BLOCK) /* checksums made at a time */
#define SHOWN_LINES 50                  /* of what it prints */

/* Of the guest's memory, for a heap that is bounded by an option: the rest is
 * for young objects, code, buffers, stacks and files. */
#define HEAP_SHARE(mb) ((mb) / 2)

static const char *const environment[MAX_VARIABLES + 1] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "LANG=C.UTF-8", NULL
};

/* Where that looks for interpreters. */
static const char *const places[] = { "/usr/local/bin", "/usr/bin", "/bin" };
#define PLACES (sizeof(places) / sizeof(places[0]))

/* What starts in a template. */
struct command {
	const struct language *language; /* NULL: a program of its own */
	char interpreter[64];
	char heap[64];
	const char *argv[MAX_ARGUMENTS + 1];
	const char *envp[MAX_VARIABLES + 1];
};

/* ---- which ---- */

static bool find_interpreter(struct command *c, const struct language *l,
			     const struct image *image)
{
	for (size_t i = 0; i < PLACES; i++) {
		snprintf(c->interpreter, sizeof(c->interpreter), "%s/%s",
			 places[i], l->interpreter);
		if (image_lookup(image->data, c->interpreter) < 0)
			continue;
		c->language = l;
		return true;
	}
	return false;
}

/* Without what tells one version from another, as in python3.11. */
static size_t stem(const char *name)
{
	size_t n = strlen(name);

	while (n && (isdigit((unsigned char)name[n - 1]) || name[n - 1] == '.'))
		n--;
	return n;
}

static const struct language *language_of_program(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	const struct language *l;

	for (size_t i = 0; (l = language_at(i)); i++)
		if (stem(name) == stem(l->interpreter) &&
		    !memcmp(name, l->interpreter, stem(name)))
			return l;
	return NULL;
}

/* The language that the template's file has the name of. */
static const struct language *language_of_template(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return language_of_name(name, strcspn(name, "."));
}

static int choose_interpreter(struct command *c, const struct build_options *o,
			      struct err *e)
{
	const struct language *l = language_of_template(o->name);

	if (l)
		return find_interpreter(c, l, o->image) ?
			       0 :
			       err_set(e, -ENOENT,
				       "%s: no %s in it, in /usr/local/bin, "
				       "/usr/bin or /bin",
				       o->image_name, l->interpreter);
	for (size_t i = 0; (l = language_at(i)); i++)
		if (find_interpreter(c, l, o->image))
			return 0;
	return err_set(e, -ENOENT, "%s: no interpreter that has an agent",
		       o->image_name);
}

static int choose(struct command *c, const struct build_options *o,
		  struct err *e)
{
	int n;

	if (!o->program)
		return choose_interpreter(c, o, e);
	if (image_lookup(o->image->data, o->program) < 0)
		return err_set(e, -ENOENT, "%s: no %s in it", o->image_name,
			       o->program);
	c->language = language_of_program(o->program);
	n = snprintf(c->interpreter, sizeof(c->interpreter), "%s", o->program);
	return n < (int)sizeof(c->interpreter) ?
		       0 :
		       err_set(e, -ENAMETOOLONG, "--program: too long");
}

static void complete(struct command *c, uint64_t memory_mb)
{
	const struct language *l = c->language;
	const char **argv = c->argv, **envp = c->envp;

	memcpy(c->envp, environment, sizeof(environment));
	*argv++ = c->interpreter;
	if (!l)
		return;
	if (l->heap_option) {
		snprintf(c->heap, sizeof(c->heap), "%s%u", l->heap_option,
			 (unsigned)HEAP_SHARE(memory_mb));
		*argv++ = c->heap;
	}
	for (size_t i = 0; l->arguments[i]; i++)
		*argv++ = l->arguments[i];
	while (*envp)
		envp++;
	*envp = l->variable;
}

/* ---- what it prints ---- */

/* Printable, as lines of the log are. */
static void show_stream(const struct vm *vm, int stream, const char *name)
{
	uint64_t total;
	size_t size;
	const char *p =
		control_output(vm, stream, ZB_OUTPUT_SIZE, &size, &total);
	const char *end = p + size;

	for (int lines = 0; p < end && lines < SHOWN_LINES; lines++) {
		char line[256];
		size_t n = 0;

		for (; p < end && *p != '\n'; p++)
			if (n < sizeof(line))
				line[n++] = (char)(*p >= ' ' && *p < 0x7f ?
							   *p :
							   '?');
		p++;
		dprintf(STDERR_FILENO, "zeroboot: %s: %.*s\n", name, (int)n,
			line);
	}
	if (p < end)
		dprintf(STDERR_FILENO, "zeroboot: %s: (and more)\n", name);
}

static void show_output(const struct vm *vm, const struct command *c,
			bool ready)
{
	if (ready && c->language && c->language->rehearses)
		return;
	show_stream(vm, 1, c->interpreter);
	show_stream(vm, 2, c->interpreter);
}

/* ---- memory ---- */

static uint64_t number(const char *text, size_t size)
{
	uint64_t n = 0;

	while (size && text[size - 1] == '\n')
		size--;
	if (size == 0 || size > 6)
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (!isdigit((unsigned char)text[i]))
			return 0;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	return n;
}

/* What the template has when nobody says it: what the image wants, in a file. 0 or
 * -errno. */
static int choose_memory(uint64_t *mb, const struct build_options *o,
			 struct err *e)
{
	const char *data = o->image->data;
	const struct zb_image_header *h = o->image->data;
	const struct zb_image_inode *i;
	int64_t found = image_lookup(data, MEMORY_FILE);

	*mb = o->memory_mb ? o->memory_mb : MEMORY_MB;
	if (o->memory_mb || found < 0)
		return 0;
	i = (const struct zb_image_inode *)(data + h->inodes) + found;
	*mb = S_ISREG(i->mode) ? number(data + i->data, i->size) & ~1ull : 0;
	return *mb >= MEMORY_MB_LOW && *mb <= MEMORY_MB_HIGH ?
		       0 :
		       err_set(e, -EINVAL,
			       "%s: " MEMORY_FILE ": no number from %d to %d",
			       o->image_name, MEMORY_MB_LOW, MEMORY_MB_HIGH);
}

/* ---- building ---- */

static int prove(const struct build_options *o, const struct command *c, int fd,
		 const struct vmm *vmm, struct err *e)
{
	const struct language *l = c->language;
	struct err why = { "" };
	struct snapshot s;
	int r;

	if (!l)
		return 0;
	r = snapshot_borrow(&s, fd, o->image, o->name, vmm, e);
	if (r)
		return r;
	r = proof_run(l->proof, (size_t)(l->proof_end - l->proof), &s, vmm,
		      &why);
	snapshot_close(&s);
	return r ? err_set(e, r, "%s: %s", c->interpreter, why.text) : 0;
}

static int run_until_ready(struct vm *vm, const struct build_options *o,
			   const struct command *c, struct err *e)
{
	enum vm_event event = vm_run(vm, clock_mono() + PATIENCE_NS, e);

	show_output(vm, c, event == VM_READY);
	switch (event) {
	case VM_READY:
		return 0;
	case VM_EXIT:
		return err_set(e, -EPROTO,
			       "%s: %s ended with %d before it was ready",
			       o->image_name, c->interpreter,
			       control_exit_code(vm));
	case VM_TIMEOUT:
		return err_set(e, -EPROTO, "%s: %s did not get ready",
			       o->image_name, c->interpreter);
	default:
		return -EIO;
	}
}

/* The image's checksums, for which all of it is read: while the VM runs. */
struct sums {
	const struct image *image;
	uint32_t *all;
	atomic_bool useless; /* there is nothing that they are for */
	struct side side;
};

static void sum(void *context)
{
	const struct sums *s = context;
	const char *data = s->image->data;
	uint64_t size = s->image->size;

	for (uint64_t at = 0; at < size && !s->useless; at += SUMS_SLICE)
		template_sum(data + at,
			     size - at < SUMS_SLICE ? size - at : SUMS_SLICE,
			     s->all + at / TEMPLATE_BLOCK);
}

static int sums_begin(struct sums *s, const struct image *image, struct err *e)
{
	s->image = image;
	s->useless = false;
	s->all = calloc(template_sum_count(image->size) + 1, sizeof(*s->all));
	if (!s->all)
		return err_set(e, -ENOMEM, "no memory");
	side_begin(&s->side, sum, s);
	return 0;
}

static void end_vm(void *vm)
{
	vm_destroy(vm);
}

static void add_language(const struct language *l, struct vm_boot *boot,
			 struct snapshot_source *source)
{
	boot->agent = l->agent;
	boot->agent_size = (size_t)(l->agent_end - l->agent);
	source->training = l->training;
	source->training_size = (size_t)(l->training_end - l->training);
}

int build_template(const struct build_options *o, const struct vmm *vmm, int fd,
		   struct err *e)
{
	struct command c = { .language = NULL };
	struct vm_boot boot = { .argv = c.argv,
				.envp = c.envp,
				.image = o->image->data,
				.image_size = o->image->size,
				.output_limit = ZB_OUTPUT_SIZE,
				.trace = o->trace,
				.large_pages = true };
	struct snapshot_source source = { .image = o->image->data,
					  .image_size = o->image->size,
					  .program = o->program };
	uint64_t start = clock_mono(), memory_mb;
	struct sums sums;
	struct side end;
	struct vm vm;
	int r = choose(&c, o, e);

	if (r == 0)
		r = choose_memory(&memory_mb, o, e);
	if (r == 0)
		r = sums_begin(&sums, o->image, e);
	if (r)
		return r;
	boot.memory_size = memory_mb << 20;
	complete(&c, memory_mb);
	if (c.language)
		add_language(c.language, &boot, &source);
	vm_init(&vm);
	r = vm_boot(&vm, vmm, &boot, e);
	if (r == 0)
		r = run_until_ready(&vm, o, &c, e);
	source.build_ns = clock_mono() - start;
	sums.useless = r != 0;
	side_end(&sums.side);
	source.sums = sums.all;
	if (r == 0)
		r = snapshot_save(fd, &vm, vmm, &source, e);
	/* For KVM to take it apart is mostly to wait. */
	side_begin(&end, end_vm, &vm);
	if (r == 0)
		r = prove(o, &c, fd, vmm, e);
	side_end(&end);
	free(sums.all);
	return r;
}

/* ---- for one process ---- */

/* As the template that is there, as far as that can be read. */
static void take_settings(struct build_options *o, struct template *t,
			  const char *path)
{
	t->small = NULL;
	if (template_open(t, path, NULL))
		return;
	o->memory_mb = t->head.memory_size >> 20;
	o->program = template_program(t);
}

/* Of the image; s has that from then on. why: what was wrong with the template. */
static int build_snapshot(struct snapshot *s, const char *path,
			  const char *image_path, const struct vmm *vmm,
			  const struct err *why, struct err *e)
{
	struct build_options o = { .name = path, .image_name = image_path };
	struct template old;
	struct image image;
	struct err kept;
	int not_kept, r, fd = memfd_create("zeroboot-template", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(e, -errno, "memory: %s", strerror(errno));
	r = image_open_kept(&image, image_path, e);
	o.image = &image;
	take_settings(&o, &old, path);
	if (r == 0)
		r = build_template(&o, vmm, fd, e);
	template_close(&old);
	if (r == 0)
		r = snapshot_borrow(s, fd, &image, path, vmm, e);
	if (r) {
		image_close(&image);
		close(fd);
		return r;
	}
	s->template.owned = true;
	s->lent = false;
	not_kept = template_keep(path, fd, &kept);
	cache_tidy(path);
	if (not_kept == -ENOTDIR) /* in a box */
		return 0;
	if (not_kept)
		fprintf(stderr,
			"zeroboot: template not kept, made each time: %s\n",
			kept.text);
	else if (why->text[0])
		fprintf(stderr, "zeroboot: %s: made anew\n", why->text);
	return 0;
}

int build_or_open(struct snapshot *s, const char *path, const struct vmm *vmm,
		  struct err *e)
{
	struct image_place place;
	struct template t;
	struct err why = { "" }, beside = { "" };
	int r = snapshot_open(s, path, vmm, &why), known, found = 0;

	if (r == 0)
		return 0;
	if (!template_is_useless(r) && r != -ENOENT)
		return err_set(e, r, "%s", why.text);
	known = template_open(&t, path, NULL);
	if (known || image_find(&place, path, &t.head.image, NULL))
		found = image_find(&place, path, NULL, &beside);
	if (known == 0)
		template_close(&t);
	/* Of a template that is not there, the image is what is wrong. */
	if (found && r == -ENOENT && found != -ENOENT)
		return err_set(e, found, "%s", beside.text);
	if (found)
		return err_set(e, r, "%.400s%s", why.text,
			       r == -ENOENT ? "" :
					      ": an image beside it would make "
					      "one");
	close(place.fd);
	if (r == -ENOENT && known)
		why.text[0] = 0;
	return build_snapshot(s, path, place.path, vmm, &why, e);
}
