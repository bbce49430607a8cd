#include "session_record.h"

#include <stdio.h>
#include <string.h>

#include "crc32c.h"

uint32_t record_checksum(const struct session_record *r)
{
	struct session_record head = *r;

	head.checksum = 0;
	return crc32c(0, &head, sizeof(head));
}

void record_name(char name[RECORD_NAME], const char *id)
{
	snprintf(name, RECORD_NAME, "%s" RECORD_ENDING, id);
}

bool record_named(const char *name, char id[ID_SIZE])
{
	if (strlen(name) != ID_SIZE - 1 + strlen(RECORD_ENDING) ||
	    strspn(name, "0123456789abcdef-") != ID_SIZE - 1 ||
	    strcmp(name + ID_SIZE - 1, RECORD_ENDING))
		return false;
	memcpy(id, name, ID_SIZE - 1);
	id[ID_SIZE - 1] = 0;
	return true;
}

/* A string that ends in its field. */
#define ends(field) (memchr(field, 0, sizeof(field)) != NULL)

static bool is_name(const char *template, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!template[i] || !strchr("0123456789abcdef", template[i]))
			return false;
	return true;
}

/* One that has run is of one. */
static bool good_template(const struct session_record *r)
{
	if (!r->template[0])
		return !(r->flags & RECORD_BEGUN);
	return is_name(r->template, sizeof(r->template)) &&
	       (r->size || !(r->flags & RECORD_BEGUN));
}

static int check_template(const struct session_record *r, const char *file,
			  struct err *e)
{
	if (r->size || !r->name[0] || !r->template[0] || r->ended[0])
		return err_set(e, -EINVAL, "%s: holds what a template may not",
			       file);
	return 0;
}

int record_check(const struct session_record *r, const char *name,
		 uint64_t file_size, struct err *e)
{
	char id[ID_SIZE];

	if (file_size < sizeof(*r) ||
	    memcmp(r->magic, RECORD_MAGIC, sizeof(r->magic)))
		return err_set(e, -EINVAL, "%s: not a session", name);
	if (r->version != RECORD_VERSION)
		return err_set(e, -ESTALE,
			       "%s: version %u, this zeroboot reads %u", name,
			       r->version, RECORD_VERSION);
	if (record_checksum(r) != r->checksum)
		return err_set(e, -EINVAL, "%s: damaged", name);
	if (file_size - sizeof(*r) != r->size || r->size % 8)
		return err_set(e, -EINVAL, "%s: damaged: cut off", name);
	if (!record_named(name, id) || !ends(r->id) || strcmp(r->id, id) ||
	    !ends(r->language) || !ends(r->ended) || !ends(r->name))
		return err_set(e, -EINVAL, "%s: holds what a session may not",
			       name);
	if (!r->ended[0] && !good_template(r))
		return err_set(e, -EINVAL, "%s: holds what a session may not",
			       name);
	return r->flags & RECORD_TEMPLATE ? check_template(r, name, e) : 0;
}
