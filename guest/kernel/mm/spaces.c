/* spaces.c: several address spaces: making, copying, switching and freeing. */
#include "mm/space.h"

struct space *space_new(void)
{
	return NULL;
}

struct space *space_fork(void)
{
	return NULL;
}

void space_unref(struct space *s)
{
	s->users--;
}

void space_switch(struct space *s)
{
	space = s;
}

size_t space_read(struct space *s, void *to, u64 from, size_t n)
{
	(void)s, (void)to, (void)from, (void)n;
	return 0;
}

size_t space_write(struct space *s, u64 to, const void *from, size_t n)
{
	(void)s, (void)to, (void)from, (void)n;
	return 0;
}
