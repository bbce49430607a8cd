#include "outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "json.h"
#include "protocol.h"

_Static_assert(PROTOCOL_FILES == ZB_OUTPUTS_MAX, "files of a result");
_Static_assert(sizeof(struct entry) == sizeof(struct zb_output) &&
		       PROTOCOL_ENTRIES_MAX == ZB_OUTPUTS_SIZE &&
		       ENTRY_FILE == ZB_OUTPUT_ENTRY &&
		       ENTRY_OTHER == ZB_OUTPUT_ENTRY_OTHER,
	       "entries are told as they are listed");

/* What the list comes to, as far as it keeps the bounds. */
struct sum {
	size_t room;
	unsigned taken, left_out;
	uint64_t bytes;
};

static bool admit(struct sum *s, const struct control_output_file *f,
		  uint64_t limit)
{
	if (f->entry)
		return false;
	if (f->left_out && s->left_out++ == PROTOCOL_LEFT_OUT_MAX)
		return false;
	if (!f->left_out) {
		if (s->taken == ZB_OUTPUTS_MAX || f->size > limit - s->bytes)
			return false;
		s->taken++;
		s->bytes += f->size;
	}
	s->room += sizeof(struct part) + PADDED(f->name_size) +
		   (f->left_out ? 0 : PADDED(f->size));
	return true;
}

/* A head, the name, the data: where the next one goes. What is not where the list says
 * is left out, too: as many as may be are named. */
static char *put(const struct machine *m, const struct control_output_file *f,
		 char *to, unsigned *left_out, uint32_t *missed)
{
	struct part head = { .kind = PART_LEFT_OUT,
			     .name_size = (uint32_t)f->name_size };
	char *name = to + sizeof(head);
	char *data = name + PADDED(f->name_size);

	memset(name, 0, PADDED(f->name_size));
	memcpy(name, f->name, f->name_size);
	if (!f->left_out &&
	    control_copy_output(&m->vm, m->snapshot->image,
				m->snapshot->image_size, f, data)) {
		head.size = f->size;
		head.kind = json_is_utf8(data, f->size) ? PART_TEXT :
							  PART_BYTES;
		memset(data + f->size, 0, PADDED(f->size) - f->size);
	} else if (*left_out == PROTOCOL_LEFT_OUT_MAX) {
		++*missed;
		return to;
	} else {
		++*left_out;
	}
	memcpy(to, &head, sizeof(head));
	return data + PADDED(head.size);
}

/* A directory's entries stand in the list as they are told. */
static int gather_entries(const struct machine *m, struct outputs *o)
{
	struct part head = { .kind = PART_ENTRIES };
	struct control_output_file f;
	uint64_t at = 0;

	while (control_next_output(&m->vm, &at, &f) && f.entry)
		head.size = at;
	if (!head.size)
		return 0;
	o->size = part_room(head.size);
	o->data = malloc(o->size);
	if (!o->data)
		return -ENOMEM;
	memcpy(o->data, &head, sizeof(head));
	memcpy(o->data + sizeof(head),
	       control_at(&m->vm, ZB_OUTPUTS_GPA, head.size), head.size);
	return 0;
}

int outputs_gather(const struct machine *m, uint64_t limit, struct outputs *o)
{
	const volatile struct zb_control *c = control_page(&m->vm);
	struct control_output_file f;
	struct sum s = { 0 }, again = { 0 };
	unsigned left_out = 0;
	uint64_t at = 0;
	char *to;

	*o = (struct outputs){ .missed = c->outputs_missed };
	if (control_next_output(&m->vm, &at, &f) && f.entry)
		return gather_entries(m, o);
	at = 0;
	while (control_next_output(&m->vm, &at, &f) && admit(&s, &f, limit))
		;
	if (!s.room)
		return 0;
	to = o->data = malloc(s.room);
	if (!to)
		return -ENOMEM;
	at = 0;
	while (control_next_output(&m->vm, &at, &f) && admit(&again, &f, limit))
		to = put(m, &f, to, &left_out, &o->missed);
	o->size = (size_t)(to - o->data);
	return 0;
}
