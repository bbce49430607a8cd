#include "layers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest/abi.h"
#include "json.h"
#include "sha256.h"
#include "stream.h"
#include "unpack.h"

#define BLOBS "blobs/"         /* of the OCI layout: their names are digests */
#define SHA256 "blobs/sha256/" /* by this, which is the usual one */
#define CHUNK (1u << 20)
#define JSON_MAX (4u << 20)
#define LAYERS_MAX 4096
#define INDEX_DEPTH 4 /* of indexes in indexes */
#define SETTINGS_MAX (1u << 20)

/* A JSON file of the source that is being read. */
struct document {
	struct tree *tree;
	const char *name;
	struct layers *l;
	struct err *e;

	char *text;
	char *string; /* room for any string of text */
	size_t size;
	size_t images;           /* in docker's manifest */
	struct layers_blob next; /* what an index leads to */
	char *architecture, *os;
	struct layers_blob blob; /* of the descriptor that is read */
	struct text *settings;
	char letter; /* of the setting whose strings are read */
};

static bool is(const char *key, size_t size, const char *name)
{
	return size == strlen(name) && !memcmp(key, name, size);
}

static int no_memory(const struct document *d)
{
	return err_set(d->e, -ENOMEM, "%s: no memory", d->name);
}

static int bad(const struct document *d, const char *file, const char *why)
{
	char text[SHOWN_SIZE];

	return err_set(d->e, -EINVAL, "%s: %s: %s", d->name,
		       shown(text, file, strlen(file)), why);
}

/* ---- files ---- */

static void document_close(struct document *d)
{
	free(d->text);
	free(d->string);
	free(d->architecture);
	free(d->os);
	free(d->next.path);
	free(d->blob.path);
	d->text = d->string = d->architecture = d->os = NULL;
	d->next.path = d->blob.path = NULL;
}

/* Bytes of a file of the source. 0 or -errno. */
static int read_at(const struct document *d, const struct tree_inode *i,
		   uint64_t offset, void *to, size_t size)
{
	char *p = to;

	while (size) {
		ssize_t n = pread(d->tree->store->fd, p, size,
				  (off_t)(i->data + offset));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) { /* a hole at the store's end */
			memset(p, 0, size);
			return 0;
		}
		p += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static int digest(const struct document *d, const struct tree_inode *i,
		  char hex[SHA256_HEX + 1])
{
	char *chunk = malloc(CHUNK);
	struct sha256 s;
	int r = chunk ? 0 : -ENOMEM;

	sha256_begin(&s);
	for (uint64_t at = 0; at < i->size && r == 0;) {
		size_t n = i->size - at < CHUNK ? (size_t)(i->size - at) :
						  CHUNK;

		r = read_at(d, i, at, chunk, n);
		if (r == 0)
			sha256_add(&s, chunk, n);
		at += n;
	}
	sha256_end(&s, hex);
	free(chunk);
	return r;
}

/* The file of a blob, whose size and content are what is said of it. */
static int find_blob(const struct document *d, const struct layers_blob *b,
		     const struct tree_inode **file)
{
	const size_t prefix = sizeof(SHA256) - 1;
	char hex[SHA256_HEX + 1];
	int r;

	*file = tree_file(d->tree, b->path);
	if (!*file)
		return bad(d, b->path, "is not in it");
	if (b->size >= 0 && (uint64_t)b->size != (*file)->size)
		return bad(d, b->path, "damaged: not of the size it should be");
	if (strncmp(b->path, BLOBS, sizeof(BLOBS) - 1))
		return 0;
	if (strncmp(b->path, SHA256, prefix))
		return bad(d, b->path,
			   "only checksums by sha256 can be checked: copy the "
			   "image with those");
	r = digest(d, *file, hex);
	if (r)
		return err_set(d->e, r, "%s: %s", d->name, strerror(-r));
	return strcmp(b->path + prefix, hex) ?
		       bad(d, b->path, "damaged: wrong checksum") :
		       0;
}

static int document_open(struct document *d, const struct layers_blob *b)
{
	const struct tree_inode *i = tree_file(d->tree, b->path);
	int r;

	if (i && i->size > JSON_MAX)
		return bad(d, b->path, "longer than 4 MiB");
	r = find_blob(d, b, &i);
	if (r)
		return r;
	d->size = (size_t)i->size;
	d->text = malloc(d->size + 1);
	d->string = malloc(d->size + 1);
	if (!d->text || !d->string)
		return no_memory(d);
	r = read_at(d, i, 0, d->text, d->size);
	return r ? bad(d, b->path, strerror(-r)) : 0;
}

typedef int member_reader(struct json *j, const char *key, size_t size,
			  void *context);

/* All of a file: an object, or an array whose elements are. */
static int document_read(struct document *d, const struct layers_blob *b,
			 int (*element)(struct json *j, void *context),
			 member_reader *member)
{
	struct err why = { "" };
	struct json j;
	int r = document_open(d, b);

	if (r)
		return r;
	json_begin(&j, d->text, d->size, &why);
	r = element ? json_array(&j, element, d) : json_object(&j, member, d);
	if (r == 0)
		r = json_end(&j);
	return r && why.text[0] ? bad(d, b->path, why.text) : r;
}

/* ---- values ---- */

static bool is_null(struct json *j)
{
	return json_peek(j) == JSON_OTHER;
}

/* A string without NUL, or null: NULL; to be freed. */
static int read_string(struct json *j, struct document *d, char **to)
{
	size_t size;
	int r;

	free(*to);
	*to = NULL;
	if (is_null(j))
		return json_skip(j);
	r = json_string(j, d->string, d->size, &size);
	if (r)
		return r;
	if (memchr(d->string, 0, size))
		return err_set(j->e, -EINVAL, "a NUL in a string");
	d->string[size] = 0;
	*to = strdup(d->string);
	return *to ? 0 : no_memory(d);
}

/* "sha256:..." as the path of a blob. */
static int read_digest(struct json *j, struct document *d, char **path)
{
	static const char where[] = "blobs/";
	char *digest = NULL, *colon;
	int r = read_string(j, d, &digest);

	free(*path);
	*path = NULL;
	if (r || !digest)
		goto out;
	colon = strchr(digest, ':');
	*path = malloc(sizeof(where) + strlen(digest));
	if (!*path) {
		r = no_memory(d);
		goto out;
	}
	if (colon)
		*colon = '/';
	memcpy(*path, where, sizeof(where) - 1);
	memcpy(*path + sizeof(where) - 1, digest, strlen(digest) + 1);
out:
	free(digest);
	return r;
}

static int add_layer(struct document *d, struct layers_blob b)
{
	struct layers *l = d->l;

	if (!b.path || l->count == LAYERS_MAX) {
		free(b.path);
		return bad(d, "its manifest",
			   "too many layers, or one without "
			   "a name");
	}
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		struct layers_blob *bigger =
			realloc(l->list, room * sizeof(*bigger));

		if (!bigger) {
			free(b.path);
			return no_memory(d);
		}
		l->list = bigger;
		l->room = room;
	}
	l->list[l->count++] = b;
	return 0;
}

/* ---- docker save: manifest.json ---- */

static int docker_layer(struct json *j, void *context)
{
	struct layers_blob b = { NULL, -1 };
	int r = read_string(j, context, &b.path);

	return r ? r : add_layer(context, b);
}

static int docker_member(struct json *j, const char *key, size_t size,
			 void *context)
{
	struct document *d = context;

	if (is(key, size, "Config"))
		return read_string(j, d, &d->l->config.path);
	if (is(key, size, "Layers"))
		return json_array(j, docker_layer, d);
	return json_skip(j);
}

/* Of several images the first is read, and then all are refused. */
static int docker_image(struct json *j, void *context)
{
	struct document *d = context;

	if (d->images++)
		return json_skip(j);
	return json_object(j, docker_member, d);
}

static int too_many(const struct document *d)
{
	return err_set(d->e, -EINVAL,
		       "%s: %zu images in it, save them one by one", d->name,
		       d->images);
}

/* A root file system may have a file of this name as well. */
static int find_docker(struct document *d)
{
	struct layers_blob manifest = { (char *)(uintptr_t) "manifest.json",
					-1 };
	struct err *e = d->e, ignored;
	int r;

	if (!tree_file(d->tree, manifest.path))
		return 0;
	d->e = &ignored;
	r = document_read(d, &manifest, docker_image, NULL);
	d->e = e;
	document_close(d);
	if (r == -ENOMEM)
		return no_memory(d);
	if (r || !d->l->config.path || !d->l->count ||
	    !tree_file(d->tree, d->l->config.path)) {
		layers_close(d->l);
		return 0;
	}
	return d->images > 1 ? too_many(d) : 1;
}

/* ---- the OCI layout: index.json, manifests, indexes ---- */

static int platform_member(struct json *j, const char *key, size_t size,
			   void *context)
{
	struct document *d = context;

	if (is(key, size, "architecture"))
		return read_string(j, d, &d->architecture);
	if (is(key, size, "os"))
		return read_string(j, d, &d->os);
	return json_skip(j);
}

static int read_size(struct json *j, struct document *d)
{
	int r = json_integer(j, &d->blob.size);

	if (r == -ERANGE || (r == 0 && d->blob.size < 0))
		return err_set(j->e, -EINVAL, "a size that is none");
	return r;
}

static int descriptor_member(struct json *j, const char *key, size_t size,
			     void *context)
{
	struct document *d = context;

	if (is(key, size, "digest"))
		return read_digest(j, d, &d->blob.path);
	if (is(key, size, "size"))
		return read_size(j, d);
	if (is(key, size, "platform") && !is_null(j))
		return json_object(j, platform_member, d);
	return json_skip(j);
}

/* Into d->blob, with the platform that it is for. */
static int read_descriptor(struct json *j, struct document *d)
{
	free(d->architecture);
	free(d->os);
	free(d->blob.path);
	d->architecture = d->os = NULL;
	d->blob = (struct layers_blob){ NULL, -1 };
	return json_object(j, descriptor_member, d);
}

/* What was read into d->blob. */
static struct layers_blob take_blob(struct document *d)
{
	struct layers_blob b = d->blob;

	d->blob.path = NULL;
	return b;
}

/* Whether what was read of it is what runs here, or does not say. */
static bool platform_ok(const struct document *d)
{
	return (!d->architecture || !strcmp(d->architecture, "amd64")) &&
	       (!d->os || !strcmp(d->os, "linux"));
}

/* The first image of our platform. One of several names is one. */
static int index_entry(struct json *j, void *context)
{
	struct document *d = context;
	int r = read_descriptor(j, d);

	if (r || !d->blob.path || !platform_ok(d))
		return r;
	if (!d->next.path)
		d->next = take_blob(d);
	else if (!strcmp(d->next.path, d->blob.path))
		return 0;
	d->images++;
	return 0;
}

static int manifest_config(struct json *j, struct document *d)
{
	int r = read_descriptor(j, d);

	if (r)
		return r;
	free(d->l->config.path);
	d->l->config = take_blob(d);
	return 0;
}

static int manifest_layer(struct json *j, void *context)
{
	struct document *d = context;
	int r = read_descriptor(j, d);

	return r ? r : add_layer(d, take_blob(d));
}

/* Of an index or of a manifest. */
static int oci_member(struct json *j, const char *key, size_t size,
		      void *context)
{
	struct document *d = context;

	if (is(key, size, "manifests"))
		return json_array(j, index_entry, d);
	if (is(key, size, "config"))
		return manifest_config(j, d);
	if (is(key, size, "layers"))
		return json_array(j, manifest_layer, d);
	return json_skip(j);
}

static int find_oci(struct document *d)
{
	struct layers_blob b = { strdup("index.json"), -1 };
	int r = b.path ? 0 : no_memory(d);

	/* Of an image each platform, or what attests it, is an entry of a further
	 * index. */
	d->images = 0;
	for (int depth = 0; r == 0 && depth < INDEX_DEPTH; depth++) {
		r = document_read(d, &b, NULL, oci_member);
		if (r == 0 && depth == 0 && d->images > 1)
			r = too_many(d);
		free(b.path);
		b = d->next;
		d->next.path = NULL;
		document_close(d);
		if (r == 0 && d->l->config.path) {
			free(b.path);
			return 1;
		}
		if (r == 0 && !b.path)
			return err_set(d->e, -EINVAL,
				       "%s: no image for linux/amd64 in it",
				       d->name);
	}
	free(b.path);
	return r ? r : bad(d, "index.json", "too many indexes in indexes");
}

int layers_find(struct tree *t, const char *name, struct layers *l,
		struct err *e)
{
	struct document d = { .tree = t, .name = name, .l = l, .e = e };
	int r;

	*l = (struct layers){ .config.size = -1 };
	r = find_docker(&d);
	if (r == 0 && tree_file(t, "oci-layout") && tree_file(t, "index.json"))
		r = find_oci(&d);
	document_close(&d);
	return r;
}

void layers_close(struct layers *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->list[i].path);
	free(l->list);
	free(l->config.path);
	*l = (struct layers){ .config.size = -1 };
}

/* ---- settings ---- */

static int add_setting(struct json *j, void *context)
{
	struct document *d = context;
	char *value = NULL;
	int r = read_string(j, d, &value);

	if (r == 0 && value &&
	    (value[0] || d->letter == ZB_SETTING_ENTRY ||
	     d->letter == ZB_SETTING_COMMAND)) {
		text_add(d->settings, &d->letter, 1);
		text_add(d->settings, value, strlen(value) + 1);
		if (d->settings->failed)
			r = no_memory(d);
		else if (d->settings->size > SETTINGS_MAX)
			r = err_set(j->e, -E2BIG, "settings over 1 MiB");
	}
	free(value);
	return r;
}

static int settings_member(struct json *j, const char *key, size_t size,
			   void *context)
{
	static const struct {
		const char *name;
		char letter;
		bool list;
	} known[] = { { "Env", ZB_SETTING_ENVIRONMENT, true },
		      { "WorkingDir", ZB_SETTING_DIRECTORY, false },
		      { "Entrypoint", ZB_SETTING_ENTRY, true },
		      { "Cmd", ZB_SETTING_COMMAND, true },
		      { "User", ZB_SETTING_USER, false } };
	struct document *d = context;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!is(key, size, known[i].name) || is_null(j))
			continue;
		d->letter = known[i].letter;
		return known[i].list ? json_array(j, add_setting, d) :
				       add_setting(j, d);
	}
	return json_skip(j);
}

static int config_member(struct json *j, const char *key, size_t size,
			 void *context)
{
	if (is(key, size, "config") && !is_null(j))
		return json_object(j, settings_member, context);
	return platform_member(j, key, size, context);
}

static int read_config(struct document *d, const struct layers_blob *b)
{
	int r = document_read(d, b, NULL, config_member);

	if (r == 0 && !platform_ok(d))
		r = err_set(d->e, -EINVAL,
			    "%s: an image for %.20s/%.20s, not for linux/amd64",
			    d->name, d->os ? d->os : "linux",
			    d->architecture ? d->architecture : "amd64");
	document_close(d);
	return r;
}

/* ---- layers ---- */

static int unpack_layer(struct document *d, const struct layers_blob *b,
			size_t number, struct tree *to,
			struct progress *progress)
{
	const struct tree_inode *i;
	char name[2 * SHOWN_SIZE];
	struct stream s = { 0 };
	int r = find_blob(d, b, &i);

	if (r)
		return r;
	snprintf(name, sizeof(name), "%s: layer %zu", d->name, number);
	to->layer = (uint32_t)number;
	r = stream_open_part(&s, d->tree->store->fd, i->data, i->size, name,
			     d->e);
	if (r == 0)
		r = unpack_tar(to, &s, true, progress, d->e);
	stream_close(&s);
	return r;
}

int layers_unpack(const struct layers *l, struct tree *from, const char *name,
		  struct tree *to, struct text *settings,
		  struct progress *progress, struct err *e)
{
	struct document d = {
		.tree = from, .name = name, .e = e, .settings = settings
	};
	int r = read_config(&d, &l->config);

	for (size_t i = 0; i < l->count && r == 0; i++)
		r = unpack_layer(&d, &l->list[i], i + 1, to, progress);
	return r;
}
