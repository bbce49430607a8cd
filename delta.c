#include "delta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "delta_pages.h"
#include "delta_registers.h"
#include "lines.h"
#include "tables.h"

#define UNIT 8ul           /* of an offset */
#define KEPT (8ul << 20)   /* bytes of room */
#define SPARE (16ul << 10) /* of garbage that is never worth to be removed */
#define DEPTH 8      /* records in which the lines of a page are looked for */
#define COPIES 2048u /* pages */

_Static_assert(sizeof(struct delta_segment) == 280 &&
		       sizeof(struct delta_record) == 16,
	       "layout changed: raise DELTA_VERSION");
_Static_assert(DELTA_LINE == LINE_BYTES && LINES == 64, "a bit for each line "
							"of a page");
/* ---- what it is about ---- */

static void name_template(struct delta *d)
{
	char name[SHA256_HEX + 1];

	_Static_assert(SHA256_HEX == DELTA_TEMPLATE, "its name");
	template_name(&d->snapshot->template.head, name);
	memcpy(d->template, name, DELTA_TEMPLATE);
}

int delta_open(struct delta *d, const struct snapshot *s, size_t limit,
	       struct err *e)
{
	size_t words = (size_t)(s->memory_size / PAGE_BYTES + 63) / 64;

	memset(d, 0, sizeof(*d));
	d->snapshot = s;
	d->pages = s->memory_size / PAGE_BYTES;
	d->limit = limit;
	d->compare = lines_compare();
	d->tables = calloc(words, 8);
	d->fixed = calloc(words, 8);
	d->apart = calloc(words, 8);
	d->changed = calloc(words, 8);
	d->record = calloc(d->pages, sizeof(*d->record));
	d->known = calloc(d->pages, sizeof(*d->known));
	d->differ = calloc(d->pages, sizeof(*d->differ));
	d->depth = calloc(d->pages, sizeof(*d->depth));
	d->copy = calloc(d->pages, sizeof(*d->copy));
	if (!d->tables || !d->fixed || !d->apart || !d->changed || !d->record ||
	    !d->known || !d->differ || !d->depth || !d->copy) {
		delta_close(d);
		return err_set(e, -ENOMEM, "no memory");
	}
	if (delta_pages_mark(d)) {
		delta_close(d);
		return err_set(e, -EINVAL, "template: bad page tables");
	}
	name_template(d);
	return 0;
}

void delta_close(struct delta *d)
{
	free(d->tables);
	free(d->fixed);
	free(d->apart);
	free(d->changed);
	free(d->record);
	free(d->known);
	free(d->differ);
	free(d->depth);
	free(d->copy);
	free(d->copies);
	free(d->spare);
	free(d->data);
	memset(d, 0, sizeof(*d));
}

void delta_hurry(struct delta *d)
{
	if (!d->copies)
		d->copies = malloc((size_t)COPIES * PAGE_BYTES);
}

static void forget_copies(struct delta *d)
{
	if (d->copied)
		memset(d->copy, 0, d->pages * sizeof(*d->copy));
	d->copied = 0;
}

/* The next one is mostly as large, and its pages are there. */
static void keep_room(uint8_t **data, size_t *room)
{
	if (*room <= KEPT)
		return;
	free(*data);
	*data = NULL;
	*room = 0;
}

void delta_clear(struct delta *d)
{
	forget_copies(d);
	if (!d->size)
		return;
	keep_room(&d->data, &d->room);
	keep_room(&d->spare, &d->spare_room);
	d->size = d->last = d->count = d->live = 0;
	memset(d->record, 0, d->pages * sizeof(*d->record));
}

/* ---- its bytes ---- */

static int too_large(const struct delta *d, struct err *e)
{
	return err_set(e, -ENOSPC, "the session's state is larger than %zu MiB",
		       d->limit >> 20);
}

size_t delta_most(const struct delta *d)
{
	return 3 * d->limit + DELTA_SPARE;
}

/* Room for so much, or more: to touch some anew takes longer than to fill it. realloc
 * would ask for a call that workers may not make. */
static uint8_t *take_spare(struct delta *d, size_t *room)
{
	uint8_t *data = d->spare;

	if (d->spare_room >= *room) {
		*room = d->spare_room;
		d->spare = NULL;
		d->spare_room = 0;
		return data;
	}
	return malloc(*room);
}

static void change_data(struct delta *d, uint8_t *data, size_t room)
{
	free(d->spare);
	d->spare = d->data;
	d->spare_room = d->room;
	d->data = data;
	d->room = room;
	/* Two for one that is large would be too much. */
	keep_room(&d->spare, &d->spare_room);
}

static int grow(struct delta *d, size_t more, struct err *e)
{
	size_t most = delta_most(d), room = d->room;
	uint8_t *data;

	if (more > most || d->size > most - more)
		return too_large(d, e);
	if (room - d->size >= more)
		return 0;
	while (room - d->size < more)
		room += room / 2 + DELTA_SPARE;
	data = take_spare(d, &room);
	if (!data)
		return err_set(e, -ENOMEM, "no memory");
	if (d->size)
		memcpy(data, d->data, d->size);
	change_data(d, data, room);
	return 0;
}

static struct delta_segment *segment_at(const struct delta *d, size_t at)
{
	return (struct delta_segment *)(void *)(d->data + at);
}

/* Vectors that the template's programs have. */
static uint64_t features(const struct delta *d)
{
	return d->snapshot->state->xcrs.xcrs[0].value;
}

static size_t record_size(const struct delta_record *r)
{
	return sizeof(*r) + (size_t)__builtin_popcountll(r->mask) * DELTA_LINE;
}

static const struct delta_record *record_at(const struct delta *d, uint32_t at)
{
	return at ? (const void *)(d->data + at * UNIT) : NULL;
}

/* A page's last record, from which earlier ones are found. */
static const struct delta_record *record_of(const struct delta *d,
					    uint64_t page)
{
	return record_at(d, d->record[page]);
}

/* All lines of which a page's records say something. */
static uint64_t lines_known(const struct delta *d, uint64_t page)
{
	return d->record[page] ? d->known[page] : 0;
}

/* Those of them that are not the template's. */
static uint64_t lines_differing(const struct delta *d, uint64_t page)
{
	return d->record[page] ? d->differ[page] : 0;
}

/* Where what counts of these lines is. */
static void find_lines(const struct delta *d, uint64_t page,
		       const uint8_t *lines[LINES])
{
	const struct delta_record *r = record_of(d, page);
	uint64_t found = 0;

	while (r && found != d->known[page]) {
		const uint8_t *line = (const uint8_t *)(r + 1);

		for (uint64_t m = r->mask; m; m &= m - 1, line += DELTA_LINE)
			if (!(found & m & -m))
				lines[__builtin_ctzll(m)] = line;
		found |= r->mask;
		r = record_at(d, r->earlier);
	}
}

static size_t lines_size(uint64_t mask)
{
	return mask ? sizeof(struct delta_record) +
			       (size_t)__builtin_popcountll(mask) * DELTA_LINE :
		      0;
}

static const uint8_t *template_page(const struct delta *d, uint64_t page)
{
	const struct snapshot *s = d->snapshot;

	return bit_is_set(s->used, page) ? s->memory + page * PAGE_BYTES : NULL;
}

/* Whether a line, at its place in the template's page, is as there. */
static bool is_template(const uint8_t *line, const uint8_t *then)
{
	static const uint8_t zero[DELTA_LINE];

	return lines_same(line, then ? then : zero);
}

/* Those of a record's lines that are not the template's. */
static uint64_t compare_record(const struct delta *d,
			       const struct delta_record *r)
{
	const uint8_t *then = template_page(d, r->page);
	const uint8_t *line = (const uint8_t *)(r + 1);
	uint64_t differ = 0;

	for (uint64_t m = r->mask; m; m &= m - 1, line += DELTA_LINE) {
		size_t at = (size_t)__builtin_ctzll(m) * DELTA_LINE;

		if (!is_template(line, then ? then + at : NULL))
			differ |= m & -m;
	}
	return differ;
}

/* The record at an offset is its page's last from now on. differing: those of its lines
 * that are not the template's. */
static void take_record(struct delta *d, size_t at, uint64_t differing)
{
	const struct delta_record *r = (const void *)(d->data + at);
	uint64_t known = lines_known(d, r->page);
	uint64_t differ = lines_differing(d, r->page);

	d->live -= lines_size(differ);
	d->depth[r->page] = known & ~r->mask ? d->depth[r->page] + 1 : 1;
	if (r->mask == 0)
		known = differ = 0;
	else
		differ = (differ & ~r->mask) | differing;
	d->record[r->page] = (uint32_t)(at / UNIT);
	d->known[r->page] = known | r->mask;
	d->differ[r->page] = differ;
	d->live += lines_size(differ);
}

static size_t first_record(const struct delta *d, size_t segment)
{
	return segment + sizeof(struct delta_segment) +
	       segment_at(d, segment)->vectors_size;
}

/* What is in a segment that was looked at counts. */
static void take_segment(struct delta *d, size_t segment)
{
	const struct delta_segment *s = segment_at(d, segment);
	size_t at = first_record(d, segment), end = segment + s->size;

	d->last = segment;
	d->count++;
	while (at < end) {
		const struct delta_record *r = (const void *)(d->data + at);

		take_record(d, at, compare_record(d, r));
		at += record_size(r);
	}
}

static void take_all(struct delta *d)
{
	memset(d->record, 0, d->pages * sizeof(*d->record));
	d->live = d->count = 0;
	for (size_t at = 0; at < d->size; at += segment_at(d, at)->size)
		take_segment(d, at);
}

static uint32_t sum_up(const struct delta_segment *s)
{
	struct delta_segment head = *s;

	head.checksum = 0;
	return crc32c(crc32c(0, &head, sizeof(head)), s + 1,
		      s->size - sizeof(head));
}

/* ---- from elsewhere ---- */

static bool good_records(const struct delta *d, const struct delta_segment *s,
			 const uint8_t *at, size_t left)
{
	uint64_t above = 0;

	for (uint64_t i = 0; i < s->records; i++) {
		const struct delta_record *r = (const void *)at;
		size_t size;

		if (left < sizeof(*r))
			return false;
		size = record_size(r);
		/* A lower bound that page 0 is not above either. */
		if (size > left || r->page <= above || r->page >= d->pages ||
		    r->earlier != d->record[r->page] ||
		    !delta_pages_may_hold(d, r))
			return false;
		above = r->page;
		at += size;
		left -= size;
	}
	return left == 0;
}

int delta_look(const struct delta_segment *s, uint64_t size, struct err *e)
{
	const size_t head = sizeof(*s);

	if (size < head || memcmp(s->magic, DELTA_MAGIC, sizeof(s->magic)))
		return err_set(e, -EINVAL, "not a session's state");
	if (s->version != DELTA_VERSION || s->abi_version != ZB_ABI_VERSION)
		return err_set(e, -ESTALE,
			       "a session of another version of zeroboot");
	if (s->size < head || s->size > size || s->size % UNIT ||
	    s->vectors_size > s->size - head)
		return err_set(e, -EINVAL, "damaged");
	return 0;
}

/* What starts at an offset in data; *size: how long it is. */
static int check_segment(const struct delta *d, size_t at, size_t *size,
			 struct err *e)
{
	const struct delta_segment *s = segment_at(d, at);
	const size_t head = sizeof(*s);
	const uint8_t *body = (const uint8_t *)(s + 1);
	int r = delta_look(s, d->size - at, e);

	if (r)
		return r;
	if (sum_up(s) != s->checksum)
		return err_set(e, -EINVAL, "damaged");
	if (memcmp(s->template, d->template, DELTA_TEMPLATE))
		return err_set(e, -ESTALE,
			       "a session of another template than this one");
	if (s->whole != (at == 0) || s->reserved ||
	    !delta_vectors_good(body, s->vectors_size, features(d)) ||
	    !delta_registers_good(&s->registers) ||
	    !good_records(d, s, body + s->vectors_size,
			  s->size - head - s->vectors_size))
		return err_set(e, -EINVAL, "holds what a session may not");
	*size = s->size;
	return 0;
}

int delta_add(struct delta *d, const void *bytes, size_t size, struct err *e)
{
	size_t at = d->size, part = 0;
	int r = size % UNIT ? err_set(e, -EINVAL, "damaged") : grow(d, size, e);

	forget_copies(d);
	if (r == 0 && size) {
		memcpy(d->data + d->size, bytes, size);
		d->size += size;
	}
	for (; r == 0 && at < d->size; at += part) {
		r = check_segment(d, at, &part, e);
		if (r == 0)
			take_segment(d, at);
	}
	if (r == 0 && d->live > d->limit)
		r = too_large(d, e);
	if (r)
		delta_clear(d);
	return r;
}

/* ---- saving ---- */

/* The page as it was told of last, or NULL. */
static uint8_t *copy_of(const struct delta *d, uint64_t page)
{
	return d->copy[page] ?
		       d->copies + (size_t)(d->copy[page] - 1) * PAGE_BYTES :
		       NULL;
}

static void copy_page(struct delta *d, uint64_t page, const uint8_t *now)
{
	if (!d->copies || d->copied == COPIES)
		return;
	memcpy(d->copies + (size_t)d->copied * PAGE_BYTES, now, PAGE_BYTES);
	d->copy[page] = (uint16_t)++d->copied;
}

static void copy_lines(uint8_t *to, const uint8_t *now, uint64_t mask)
{
	for (; mask; mask &= mask - 1) {
		size_t at = (size_t)__builtin_ctzll(mask) * DELTA_LINE;

		memcpy(to + at, now + at, DELTA_LINE);
	}
}

/* The lines that are not as they were when they were told of last. differing: from
 * the template's. */
static uint64_t changed_lines(const struct delta *d, uint64_t page,
			      const uint8_t *now, uint64_t differing)
{
	uint64_t known = lines_known(d, page), changed = differing & ~known;
	const uint8_t *lines[LINES];

	find_lines(d, page, lines);
	for (uint64_t m = known; m; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);

		if (!lines_same(lines[i], now + i * DELTA_LINE))
			changed |= 1ull << i;
	}
	return changed;
}

/* Of a page's lines in a mask those that are not the template's. */
static uint64_t differing_lines(const struct delta *d, uint64_t page,
				const uint8_t *now, uint64_t mask)
{
	const uint8_t *then = template_page(d, page);
	uint64_t differ = 0;

	for (uint64_t m = mask; m; m &= m - 1) {
		size_t at = (size_t)__builtin_ctzll(m) * DELTA_LINE;

		if (!is_template(now + at, then ? then + at : NULL))
			differ |= m & -m;
	}
	return differ;
}

int delta_begin(struct delta *d, const struct vm_state *state, uint64_t mono_ns,
		struct err *e)
{
	struct delta_segment head = { .magic = DELTA_MAGIC,
				      .version = DELTA_VERSION,
				      .abi_version = ZB_ABI_VERSION,
				      .whole = d->size == 0,
				      .mono_ns = mono_ns,
				      .registers = delta_registers_take(
					      &state->regs, &state->sregs) };
	int r = grow(d, sizeof(head) + sizeof(state->xsave), e);

	if (r)
		return r;
	if (!delta_registers_good(&head.registers))
		return err_set(e, -EPERM, "registers that no program can have");
	d->begun = d->size;
	memset(d->changed, 0, (d->pages + 63) / 64 * 8);
	memcpy(head.template, d->template, DELTA_TEMPLATE);
	head.vectors_size = delta_vectors_put(d->data + d->begun + sizeof(head),
					      &state->xsave, features(d));
	memcpy(d->data + d->begun, &head, sizeof(head));
	d->size += sizeof(head) + head.vectors_size;
	return 0;
}

static int append(struct delta *d, const struct delta_record *head,
		  uint64_t differ, const uint8_t *now, struct err *e)
{
	size_t at = d->size;
	int r = grow(d, record_size(head), e);

	if (r)
		return r;
	memcpy(d->data + at, head, sizeof(*head));
	at += sizeof(*head);
	for (uint64_t mask = head->mask; mask; mask &= mask - 1) {
		unsigned line = (unsigned)__builtin_ctzll(mask);

		memcpy(d->data + at, now + line * DELTA_LINE, DELTA_LINE);
		at += DELTA_LINE;
	}
	if (!delta_pages_may_hold(d, (const void *)(d->data + d->size)))
		return err_set(e, -EPERM,
			       "page %#llx is not what a program may change",
			       (unsigned long long)head->page);
	segment_at(d, d->begun)->records++;
	bit_set(d->changed, head->page);
	take_record(d, d->size, differ & head->mask);
	d->size = at;
	return d->live > d->limit ? too_large(d, e) : 0;
}

/*
 * Appends what has changed, if anything, of a page. differ: its lines that are not the
 * template's; if there are none it is told so, without its lines. Now and then all that
 * are known, so that they are not looked for in ever more records.
 */
static int tell(struct delta *d, uint64_t page, const uint8_t *now,
		uint64_t changed, uint64_t differ, struct err *e)
{
	uint64_t known = lines_known(d, page);
	struct delta_record head = { .page = (uint32_t)page,
				     .earlier = d->record[page],
				     .mask = differ ? changed : 0 };

	if (!differ && !known)
		return 0;
	if (differ && !changed)
		return 0;
	if (differ && d->depth[page] > DEPTH)
		head.mask |= known;
	return append(d, &head, differ, now, e);
}

/* Of one that was not copied yet. */
static int put_first(struct delta *d, uint64_t page, const uint8_t *now,
		     const struct lines_ahead *next, struct err *e)
{
	uint64_t differ = d->compare(now, template_page(d, page), next);
	uint64_t changed = lines_known(d, page) && differ ?
				   changed_lines(d, page, now, differ) :
				   differ;

	copy_page(d, page, now);
	return tell(d, page, now, changed, differ, e);
}

static int put(struct delta *d, uint64_t page, const uint8_t *now,
	       const struct lines_ahead *next, struct err *e)
{
	uint8_t *copy = copy_of(d, page);
	uint64_t changed, differ;

	if (!copy)
		return put_first(d, page, now, next, e);
	changed = d->compare(now, copy, next);
	if (!changed)
		return 0;
	copy_lines(copy, now, changed);
	differ = (lines_differing(d, page) & ~changed) |
		 differing_lines(d, page, now, changed);
	return tell(d, page, now, changed, differ, e);
}

int delta_put(struct delta *d, uint64_t page, const void *now, struct err *e)
{
	struct lines_ahead none = { now, now };

	return put(d, page, now, &none, e);
}

/* The first page from *page on that is told; false: there is none. */
static bool next_told(const struct delta *d, const uint64_t *pages,
		      uint64_t *page)
{
	uint64_t word = *page / 64, bits;

	if (*page >= d->pages)
		return false;
	bits = pages[word] & ~d->apart[word] & ~0ull << *page % 64;
	while (!bits && ++word < (d->pages + 63) / 64)
		bits = pages[word] & ~d->apart[word];
	*page = word * 64 + (bits ? (uint64_t)__builtin_ctzll(bits) : 0);
	return bits;
}

int delta_put_all(struct delta *d, const uint64_t *pages, const uint8_t *memory,
		  struct err *e)
{
	uint64_t page = 0;
	bool more = next_told(d, pages, &page);
	int r = 0;

	while (more && r == 0) {
		const uint8_t *now = memory + page * PAGE_BYTES;
		uint64_t after = page + 1;
		struct lines_ahead next = { now, now };

		more = next_told(d, pages, &after);
		if (more) {
			const uint8_t *then = copy_of(d, after);

			if (!then)
				then = template_page(d, after);
			next.now = memory + after * PAGE_BYTES;
			next.then = then ? then : next.now;
		}
		r = put(d, page, now, &next, e);
		page = after;
	}
	return r;
}

/* Whether those of a word's pages are the template's. With nested paging the log has
 * page tables that a CPU has only read. */
static bool same_pages(const struct delta *d, uint64_t word, uint64_t some,
		       const uint8_t *memory)
{
	for (; some; some &= some - 1) {
		uint64_t page = word * 64 + (uint64_t)__builtin_ctzll(some);
		const uint8_t *now = memory + page * PAGE_BYTES;
		struct lines_ahead none = { now, now };

		if (d->compare(now, template_page(d, page), &none))
			return false;
	}
	return true;
}

uint64_t delta_foresee(const struct delta *d, const uint64_t *pages,
		       const uint8_t *memory)
{
	uint64_t root = tables_root(d->snapshot), more = 0;
	uint64_t head = sizeof(struct delta_segment) + sizeof(struct kvm_xsave);

	if (bit_is_set(pages, root) &&
	    !delta_pages_keeps_entries(d, memory + root * PAGE_BYTES))
		return UINT64_MAX;
	for (uint64_t i = 0; i < (d->pages + 63) / 64; i++) {
		if (!same_pages(d, i, pages[i] & d->fixed[i], memory))
			return UINT64_MAX;
		more += (uint64_t)__builtin_popcountll(pages[i] & ~d->apart[i]);
	}
	more = head + more * (sizeof(struct delta_record) + PAGE_BYTES);
	/* It may come to be one for all that there is. */
	return d->live + more > d->limit || more > delta_most(d) - d->size ?
		       UINT64_MAX :
		       d->live + more;
}

/* A page's record with all that counts and differs from the template; how long it
 * is. */
static size_t merge(const struct delta *d, uint64_t page, uint8_t *to)
{
	const struct delta_record merged = { .page = (uint32_t)page,
					     .mask = lines_differing(d, page) };
	const uint8_t *lines[LINES];
	size_t at = sizeof(merged);

	memcpy(to, &merged, sizeof(merged));
	find_lines(d, page, lines);
	for (uint64_t m = merged.mask; m; m &= m - 1) {
		memcpy(to + at, lines[__builtin_ctzll(m)], DELTA_LINE);
		at += DELTA_LINE;
	}
	return at;
}

int delta_compact(struct delta *d, struct err *e)
{
	const struct delta_segment *last = segment_at(d, d->last);
	size_t head = sizeof(*last) + last->vectors_size;
	size_t room = head + d->live, at = head;
	uint8_t *data = take_spare(d, &room);
	struct delta_segment *whole = (void *)data;

	if (!data)
		return err_set(e, -ENOMEM, "no memory");
	memcpy(data, last, head);
	whole->whole = 1;
	whole->records = 0;
	for (uint64_t page = 0; page < d->pages; page++) {
		/* There is no room for one without lines. */
		if (!lines_differing(d, page))
			continue;
		at += merge(d, page, data + at);
		whole->records++;
	}
	whole->size = at;
	change_data(d, data, room);
	d->size = at;
	take_all(d);
	whole->checksum = sum_up(whole);
	return 0;
}

int delta_end(struct delta *d, struct err *e)
{
	struct delta_segment *s = segment_at(d, d->begun);

	s->size = d->size - d->begun;
	s->checksum = sum_up(s);
	d->last = d->begun;
	d->count++;
	return d->size / 2 > d->live + SPARE || d->count > DELTA_SEGMENTS ?
		       delta_compact(d, e) :
		       0;
}

void delta_undo(struct delta *d)
{
	forget_copies(d);
	d->size = d->begun;
	take_all(d);
}

const struct delta_segment *delta_last(const struct delta *d)
{
	return segment_at(d, d->last);
}

/* ---- using ---- */

bool delta_next(const struct delta *d, uint64_t *page)
{
	while (*page < d->pages)
		if (lines_known(d, (*page)++))
			return true;
	return false;
}

void delta_write(const struct delta *d, uint64_t page, void *to)
{
	const uint8_t *lines[LINES];

	find_lines(d, page, lines);
	for (uint64_t m = lines_known(d, page); m; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctzll(m);

		memcpy((uint8_t *)to + i * DELTA_LINE, lines[i], DELTA_LINE);
	}
}

bool delta_has_tables(const struct delta *d)
{
	for (uint64_t i = 0; i < (d->pages + 63) / 64; i++)
		for (uint64_t some = d->tables[i]; some; some &= some - 1)
			if (lines_known(d, i * 64 + (uint64_t)__builtin_ctzll(
							    some)))
				return true;
	return false;
}

uint64_t delta_state(const struct delta *d, struct vm_state *state)
{
	const struct delta_segment *s = delta_last(d);

	*state = *d->snapshot->state;
	memcpy(&state->regs, &s->registers, sizeof(state->regs));
	state->sregs.fs.base = s->registers.fs_base;
	state->sregs.gs.base = s->registers.gs_base;
	memset(&state->xsave, 0, sizeof(state->xsave));
	memcpy(&state->xsave, s + 1, s->vectors_size);
	return s->mono_ns;
}
