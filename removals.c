#include "removals.h"

#include <stdlib.h>
#include <string.h>

bool removals_note(struct removals *to, const char *name)
{
	size_t size = strlen(name) + 1;
	struct removal *m = malloc(sizeof(*m) + size);

	if (!m)
		return false;
	m->failed = false;
	memcpy(m->name, name, size);
	removals_append(to, m);
	return true;
}

void removals_append(struct removals *to, struct removal *m)
{
	m->next = NULL;
	*(to->last ? &to->last->next : &to->first) = m;
	to->last = m;
	to->count++;
}

struct removal *removals_take(struct removals *from)
{
	struct removal *m = from->first;

	from->first = m->next;
	if (!from->first)
		from->last = NULL;
	from->count--;
	return m;
}

void removals_put_before(struct removals *to, struct removals *from)
{
	if (!from->first)
		return;
	from->last->next = to->first;
	to->first = from->first;
	to->last = to->last ? to->last : from->last;
	to->count += from->count;
	*from = (struct removals){ .first = NULL };
}

bool removals_have(const struct removals *l, const char *name)
{
	for (const struct removal *m = l->first; m; m = m->next)
		if (!strcmp(m->name, name))
			return true;
	return false;
}

void removals_forget(struct removals *from, const char *name)
{
	struct removals rest = { .first = NULL };

	while (from->first) {
		struct removal *m = removals_take(from);

		if (strcmp(m->name, name))
			removals_append(&rest, m);
		else
			free(m);
	}
	*from = rest;
}

void removals_drop(struct removals *l)
{
	while (l->first)
		free(removals_take(l));
}
