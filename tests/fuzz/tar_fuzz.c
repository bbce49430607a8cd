/*
 * tar_fuzz.c: whatever a tar says, the tree that it becomes has names that are
 * names, a bounded depth, contents within the store that do not overlap, and gives
 * all of its memory back.
 *
 * Input: the archive, but in units of 32 bytes where byte 0 of a block has its high
 * bit set: a header, whose checksum is made right, of which the rest is zero. Its
 * first byte: whether it is a layer.
 */
#include "fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unpack.h"

#define BLOCK 512
#define BLOCKS_MAX 64
#define FILES_MAX 1024

/* Where in a header the fuzzer's bytes go: the fields that say something. */
static const struct {
	uint16_t at, size;
} fields[] = { { 156, 1 }, { 0, 10 },  { 157, 10 }, { 124, 12 }, { 100, 7 },
	       { 257, 8 }, { 345, 8 }, { 386, 48 }, { 482, 13 } };

static size_t make_header(uint8_t *block, const uint8_t *data, size_t size)
{
	unsigned sum = 0;
	size_t taken = 0;

	memset(block, 0, BLOCK);
	for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		size_t n = fields[f].size;

		if (n > size - taken)
			n = size - taken;
		memcpy(block + fields[f].at, data + taken, n);
		taken += n;
	}
	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
	return taken;
}

/* The archive of an input; what comes of it is at most BLOCKS_MAX blocks. */
static size_t expand(const uint8_t *data, size_t size, uint8_t *to)
{
	size_t made = 0;

	while (size && made < BLOCKS_MAX * BLOCK) {
		uint8_t *block = to + made;
		size_t n = 1;

		if (data[0] & 0x80) {
			n += make_header(block, data + 1, size - 1);
		} else {
			n += size - 1 < data[0] ? size - 1 : data[0];
			memset(block, 0, BLOCK);
			memcpy(block, data + 1, n - 1);
		}
		made += BLOCK;
		data += n;
		size -= n;
	}
	return made;
}

/* ---- what was made of it ---- */

static const struct tree_inode *files[FILES_MAX];
static size_t file_count;

static void check_inode(const struct tree_inode *i, const struct store *store)
{
	assert(i->names >= 1);
	if (S_ISLNK(i->mode))
		assert(i->target && i->size && strlen(i->target) == i->size);
	if (!S_ISREG(i->mode) || i->size == 0)
		return;
	assert(i->data >= 4096 && !(i->data & 4095) && i->data < store->end);
	assert(i->size <= store->end - i->data);
	for (size_t n = 0; n < file_count; n++)
		assert(files[n] == i ||
		       files[n]->data + files[n]->size <= i->data ||
		       i->data + i->size <= files[n]->data);
	if (file_count < FILES_MAX)
		files[file_count++] = i;
}

static void check_node(const struct tree *t, const struct tree_node *n)
{
	uint32_t count = 0;

	check_inode(n->inode, t->store);
	assert(n->depth <= TREE_DEPTH);
	assert(!n->children || S_ISDIR(n->inode->mode));
	for (const struct tree_node *c = n->children; c; c = c->next) {
		assert(c->parent == n && c->depth == n->depth + 1);
		assert(c->name_size >= 1 && c->name_size <= TREE_NAME);
		assert(!memchr(c->name, '/', c->name_size));
		assert(!memchr(c->name, 0, c->name_size));
		assert(c->name[0] != '.' || c->name_size > 2 ||
		       (c->name_size == 2 && c->name[1] != '.'));
		assert(tree_find(t, n, c->name, c->name_size) == c);
		check_node(t, c);
		count++;
	}
	assert(count == n->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t archive[(BLOCKS_MAX + 2) * BLOCK];
	struct progress progress = { .warnings = 1000 };
	struct store store = { .end = 4096 };
	struct stream in;
	struct err e = { "" };
	struct tree tree;
	size_t length;
	int fd, r;

	if (size == 0)
		return 0;
	length = expand(data + 1, size - 1, archive);
	memset(archive + length, 0, 2 * BLOCK);
	fd = memfd_create("tar", 0);
	store.fd = memfd_create("store", 0);
	assert(fd >= 0 && store.fd >= 0);
	assert(write(fd, archive, length + 2 * BLOCK) > 0);
	assert(tree_open(&tree, &store) == 0);
	tree.layer = 1;
	r = stream_open_part(&in, fd, 0, length + 2 * BLOCK, "tar", &e);
	if (r == 0)
		r = unpack_tar(&tree, &in, data[0] & 1, &progress, &e);
	assert(r == 0 || (r < 0 && e.text[0]));
	stream_close(&in);
	file_count = 0;
	check_node(&tree, tree.root);
	tree_close(&tree);
	assert(tree.memory == 0);
	close(fd);
	close(store.fd);
	return 0;
}
