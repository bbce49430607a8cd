/*
 * box_fuzz.c: a box that is taken has its parts within it, one behind the other,
 * each by its name, and options that end; anything else is refused with a reason.
 *
 * Input: quadruples of what is changed (the program's headers, the index, the
 * trailer, the parts, the length), an offset in it of two bytes, and a byte. The
 * checksums are made right unless the first bit of the first byte says not to.
 */
#include "fuzz.h"

#include <elf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../box.c"
#include "defaults.h"

#define PROGRAM (sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr))
#define PARTS 3
#define IMAGE BOX_PAGE
#define IMAGE_SIZE 100
#define OPTIONS (2 * BOX_PAGE)
#define INDEX (OPTIONS + sizeof(words))
#define TRAILER (INDEX + PARTS * sizeof(struct box_part))
#define SIZE (TRAILER + sizeof(struct box_trailer))

static const char words[] = "serve\0--listen\0:80\0--workers=2";
static int fd = -1;

struct file {
	uint8_t bytes[SIZE];
};

static void set_part(struct file *f, int n, enum box_kind kind,
		     const char *name, uint64_t offset, uint64_t size)
{
	struct box_part p = { .offset = offset, .size = size, .kind = kind };

	memcpy(p.name, name, strlen(name));
	p.checksum = crc32c(0, f->bytes + offset, size);
	memcpy(f->bytes + INDEX + (size_t)n * sizeof(p), &p, sizeof(p));
}

static void make(struct file *f)
{
	Elf64_Ehdr *elf = (void *)f->bytes;
	struct box_trailer t = { .magic = BOX_MAGIC,
				 .version = BOX_VERSION,
				 .count = PARTS,
				 .index = INDEX,
				 .size = SIZE };

	memset(f, 0, sizeof(*f));
	memcpy(elf->e_ident, ELFMAG, SELFMAG);
	elf->e_ident[EI_CLASS] = ELFCLASS64;
	elf->e_phoff = sizeof(*elf);
	elf->e_phnum = 1;
	elf->e_phentsize = sizeof(Elf64_Phdr);
	((Elf64_Phdr *)(f->bytes + sizeof(*elf)))->p_filesz = PROGRAM;
	memcpy(f->bytes + OPTIONS, words, sizeof(words));
	set_part(f, 0, BOX_PROGRAM, "zeroboot", 0, PROGRAM);
	set_part(f, 1, BOX_IMAGE, "a.img", IMAGE, IMAGE_SIZE);
	set_part(f, 2, BOX_OPTIONS, "serve", OPTIONS, sizeof(words));
	memcpy(f->bytes + TRAILER, &t, sizeof(t));
}

static void sum_up(struct file *f)
{
	struct box_trailer t;

	memcpy(&t, f->bytes + TRAILER, sizeof(t));
	t.index_checksum = crc32c(0, f->bytes + INDEX, TRAILER - INDEX);
	t.checksum = 0;
	t.checksum = crc32c(0, &t, sizeof(t));
	memcpy(f->bytes + TRAILER, &t, sizeof(t));
}

/* The length that the file is given. */
static size_t change(struct file *f, const uint8_t *data, size_t size)
{
	size_t length = SIZE;

	for (; size >= 4; data += 4, size -= 4) {
		size_t at = data[1] | (size_t)data[2] << 8;

		switch (data[0] >> 1 & 7) {
		case 0:
			f->bytes[at % PROGRAM] = data[3];
			break;
		case 1:
			f->bytes[INDEX + at % (TRAILER - INDEX)] = data[3];
			break;
		case 2:
			f->bytes[TRAILER + at % (SIZE - TRAILER)] = data[3];
			break;
		case 3:
			f->bytes[at % TRAILER] = data[3];
			break;
		case 4:
			length = at % (SIZE + 1);
			break;
		}
	}
	return length;
}

static void look_for(const struct box *b, const struct box_part *p,
		     struct err *e)
{
	char path[PATH_MAX];
	uint64_t offset, size;

	snprintf(path, sizeof(path), "box/%s", p->name);
	e->text[0] = 0;
	if (box_locate(b->fd, path, true, &offset, &size, e) == 0) {
		const struct box_part *found = box_find(b, BOX_IMAGE, p->name);

		assert(found->offset == offset && found->size == size);
	} else {
		assert(e->text[0]);
	}
}

/* They are for good: the first word is where all of them begin. */
static void take_options(const struct box *b, struct err *e)
{
	char *none[] = { NULL }, **all = none;
	int count = 0;

	e->text[0] = 0;
	if (defaults_of_box(b, &count, &all, e)) {
		assert(e->text[0]);
		return;
	}
	assert(all[count] == NULL);
	for (int i = 0; i < count; i++)
		assert(strlen(all[i]) <= BOX_OPTIONS_MAX);
	if (all == none)
		return;
	assert(count > 0);
	free(all[0]);
	free(all);
}

static void use(const struct box *b, size_t length, struct err *e)
{
	uint64_t at = 0;

	assert(b->count >= 1 && b->count <= BOX_PARTS);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct box_part *p = &b->parts[i];

		assert(p->offset >= at && p->size <= length - p->offset);
		assert(memchr(p->name, 0, sizeof(p->name)) > (void *)p->name);
		assert((p->kind == BOX_PROGRAM) == (i == 0));
		at = p->offset + p->size;
		(void)box_check(b, p, e);
		look_for(b, p, e);
	}
	take_options(b, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct file f;
	static struct box b;
	struct err e = { "" };
	size_t length;
	int r;

	if (fd < 0)
		fd = memfd_create("box", 0);
	make(&f);
	length = change(&f, data, size);
	if (!size || !(data[0] & 1))
		sum_up(&f);
	assert(fd >= 0 && ftruncate(fd, 0) == 0);
	assert(file_write_at(fd, f.bytes, length, 0) == 0);
	r = box_read(&b, fd, "box", &e);
	assert(size || r == 0);
	if (r == 0)
		use(&b, length, &e);
	else
		assert(r == -ENOEXEC || e.text[0]);
	return 0;
}
