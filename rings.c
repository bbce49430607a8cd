#include "rings.h"

#include <errno.h>
#include <string.h>

#include "control.h"

void rings_open(struct rings *r, struct vm *vm)
{
	volatile struct zb_control *c = control_open(vm);

	*r = (struct rings){ .vm = vm };
	for (int i = 0; i < 2; i++)
		c->output[i].head = c->output[i].tail = 0;
	c->order.head = c->order.tail = 0;
	c->flags |= ZB_FLAG_STREAM;
}

void rings_open_input(struct rings *r)
{
	volatile struct zb_control *c = control_open(r->vm);

	c->input.head = c->input.tail = 0;
	c->input_ended = 0;
	c->flags |= ZB_FLAG_INPUT;
}

/* ---- output ---- */

int rings_look(struct rings *r, int *stream, const void **data, size_t *size)
{
	static const gpa_t areas[2] = { ZB_STDOUT_GPA, ZB_STDERR_GPA };
	const volatile struct zb_control *c = control_page(r->vm);
	uint64_t entries = c->order.head - r->order, waits, at;
	struct zb_order o;

	if (entries == 0)
		return 0;
	if (entries > ZB_ORDER_COUNT)
		return -EPROTO;
	memcpy(&o,
	       r->vm->memory + ZB_ORDER_GPA +
		       r->order % ZB_ORDER_COUNT * sizeof(o),
	       sizeof(o));
	if (o.stream < 1 || o.stream > 2 || o.size <= r->part)
		return -EPROTO;
	waits = c->output[o.stream - 1].head - r->tail[o.stream - 1];
	if (waits > ZB_RING_SIZE || o.size - r->part > waits)
		return -EPROTO;
	r->entry = o.size;
	at = r->tail[o.stream - 1] % ZB_RING_SIZE;
	*stream = (int)o.stream;
	*data = r->vm->memory + areas[o.stream - 1] + at;
	*size = o.size - r->part;
	if (*size > ZB_RING_SIZE - at)
		*size = ZB_RING_SIZE - at;
	return 1;
}

void rings_take(struct rings *r, int stream, size_t size)
{
	volatile struct zb_control *c = control_open(r->vm);

	r->tail[stream - 1] += size;
	r->part += (uint32_t)size;
	if (r->part >= r->entry) {
		r->part = 0;
		r->order++;
	}
	c->output[stream - 1].tail = r->tail[stream - 1];
	c->order.tail = r->order;
}

/* ---- input ---- */

size_t rings_input_room(const struct rings *r, void **to)
{
	uint64_t waits = r->input - control_page(r->vm)->input.tail;
	uint64_t at = r->input % ZB_RING_SIZE, room;

	/* A tail that is nonsense gets nothing. */
	room = waits > ZB_RING_SIZE ? 0 : ZB_RING_SIZE - waits;
	*to = control_write(r->vm, ZB_INPUT_GPA, ZB_RING_SIZE);
	*to = (char *)*to + at;
	return room < ZB_RING_SIZE - at ? room : ZB_RING_SIZE - at;
}

void rings_bring(struct rings *r, size_t size)
{
	volatile struct zb_control *c = control_open(r->vm);

	r->input += size;
	r->input_ended = size == 0;
	c->input.head = r->input;
	c->input_ended = size == 0;
}
