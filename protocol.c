#include "protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define REQUEST_ROOM (PROTOCOL_REQUEST_MAX + PROTOCOL_HEADS_MAX)
#define FILES_ROOM (PROTOCOL_FILES_MAX + PROTOCOL_HEADS_MAX)
#define OUTPUT_ROOM (sizeof(struct part) + PADDED(PROTOCOL_OUTPUT_MAX))
#define VALUE_ROOM (sizeof(struct part) + PADDED(PROTOCOL_VALUE_MAX))
#define TEXT_ROOM (sizeof(struct part) + PADDED(PROTOCOL_TEXT_MAX))

/* What is not here is not in use. */
static const struct {
	bool used;
	enum protocol_side from;
	size_t least, most;
} kinds[MESSAGE_KINDS] = {
	[MESSAGE_RUN] = { true, FROM_FRONT_END, sizeof(struct run),
			  sizeof(struct run) + REQUEST_ROOM +
				  sizeof(struct part) + PROTOCOL_STATE_MAX },
	[MESSAGE_TRAIN] = { true, FROM_FRONT_END, 0, 0 },
	[MESSAGE_CANCEL] = { true, FROM_FRONT_END, sizeof(struct about),
			     sizeof(struct about) },
	[MESSAGE_INTERRUPT] = { true, FROM_FRONT_END, sizeof(struct interrupt),
				sizeof(struct interrupt) },
	[MESSAGE_CREDIT] = { true, FROM_FRONT_END, sizeof(struct credit),
			     sizeof(struct credit) },
	[MESSAGE_READY] = { true, FROM_WORKER, 0, 0 },
	[MESSAGE_RESULT] = { true, FROM_WORKER, sizeof(struct result),
			     sizeof(struct result) + 2 * OUTPUT_ROOM +
				     TEXT_ROOM + FILES_ROOM + VALUE_ROOM },
	[MESSAGE_SAVED] = { true, FROM_WORKER, sizeof(struct saved),
			    sizeof(struct saved) + PROTOCOL_STATE_MAX },
	[MESSAGE_IDLE] = { true, FROM_WORKER, sizeof(struct renewal),
			   sizeof(struct renewal) },
	[MESSAGE_WARM] = { true, FROM_WORKER, sizeof(struct renewal),
			   sizeof(struct renewal) },
	[MESSAGE_OUTPUT] = { true, FROM_WORKER, sizeof(struct about),
			     PROTOCOL_PIECE_MAX },
	[MESSAGE_FAILED] = { true, FROM_WORKER, TEXT_ROOM - PROTOCOL_TEXT_MAX,
			     TEXT_ROOM },
};

static const struct {
	bool used;
	enum protocol_side from;
	size_t most, name_most;
} parts[PART_KINDS] = {
	[PART_CODE] = { true, FROM_FRONT_END, PROTOCOL_REQUEST_MAX, 0 },
	[PART_STDIN] = { true, FROM_FRONT_END, PROTOCOL_REQUEST_MAX, 0 },
	[PART_ARGUMENT] = { true, FROM_FRONT_END, PROTOCOL_REQUEST_MAX, 0 },
	[PART_ENVIRONMENT] = { true, FROM_FRONT_END, PROTOCOL_REQUEST_MAX, 0 },
	[PART_FILE] = { true, FROM_FRONT_END, PROTOCOL_REQUEST_MAX,
			PROTOCOL_NAME_MAX },
	[PART_OUTPUT] = { true, FROM_FRONT_END, 0, PROTOCOL_NAME_MAX },
	[PART_LOOK] = { true, FROM_FRONT_END, 0, PROTOCOL_NAME_MAX },
	[PART_REMOVE] = { true, FROM_FRONT_END, 0, PROTOCOL_NAME_MAX },
	[PART_STATE] = { true, FROM_FRONT_END, PROTOCOL_STATE_MAX, 0 },
	[PART_VALUE] = { true, FROM_WORKER, PROTOCOL_VALUE_MAX, 0 },
	[PART_TEXT] = { true, FROM_WORKER, PROTOCOL_FILES_MAX,
			PROTOCOL_NAME_MAX },
	[PART_BYTES] = { true, FROM_WORKER, PROTOCOL_FILES_MAX,
			 PROTOCOL_NAME_MAX },
	[PART_ENTRIES] = { true, FROM_WORKER, PROTOCOL_ENTRIES_MAX, 0 },
	[PART_LEFT_OUT] = { true, FROM_WORKER, 0, PROTOCOL_NAME_MAX },
	[PART_STDOUT] = { true, FROM_WORKER, PROTOCOL_OUTPUT_MAX, 0 },
	[PART_STDERR] = { true, FROM_WORKER, PROTOCOL_OUTPUT_MAX, 0 },
	[PART_MESSAGE] = { true, FROM_WORKER, PROTOCOL_TEXT_MAX, 0 },
};

int message_look(const void *data, size_t size, enum protocol_side from,
		 struct message *m, size_t *want)
{
	*want = sizeof(*m);
	if (size < sizeof(*m))
		return 0;
	memcpy(m, data, sizeof(*m));
	if (m->kind >= MESSAGE_KINDS || !kinds[m->kind].used ||
	    kinds[m->kind].from != from || m->size % 8 ||
	    m->size < kinds[m->kind].least || m->size > kinds[m->kind].most)
		return -EPROTO;
	*want += m->size;
	return size >= *want;
}

int part_take(const char **at, const char *end, enum protocol_side from,
	      struct part_view *p)
{
	size_t left = (size_t)(end - *at);
	struct part head;

	if (left == 0)
		return 0;
	if (left < sizeof(head))
		return -EPROTO;
	memcpy(&head, *at, sizeof(head));
	left -= sizeof(head);
	if (head.kind >= PART_KINDS || !parts[head.kind].used ||
	    parts[head.kind].from != from ||
	    head.name_size > parts[head.kind].name_most ||
	    head.size > parts[head.kind].most ||
	    PADDED(head.name_size) + PADDED(head.size) > left)
		return -EPROTO;
	p->kind = head.kind;
	p->name = *at + sizeof(head);
	p->name_size = head.name_size;
	p->data = p->name + PADDED(head.name_size);
	p->size = head.size;
	*at = p->data + PADDED(head.size);
	return 1;
}
