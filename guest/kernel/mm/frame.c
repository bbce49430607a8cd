/*
 * frame.c: physical memory in frames of 4 KiB, by three bitmaps.
 *
 * The upper half is the large part (abi.h): ordinary runs leave it alone. Its
 * frames are free and marked as used until it is opened; from then on all but page
 * tables comes from there. What is just below is for brk, which grows into it.
 *
 * A frame whose zero bit is set was never used since it was cleared: handing it
 * out costs nothing and does not touch it. One whose displaced bit is set is
 * not handed out in a run: see pool.h. Once processes share pages, a frame is
 * free when the last of its mappings has given it up.
 */
#include "mm/frame.h"

#include "hypercall.h"

/* A run that takes more than this, or so much at once, gets the large part: what
 * is below costs less in pages that the VM has touched before. */
#define LARGE_RUN ((8ul << 20) / PAGE_SIZE)
#define LARGE_FRAMES (LARGE_PAGE / PAGE_SIZE)
#define LARGE_LEAST (128ul << 20) /* memory that is divided at all */
#define HEAP_SHARE 8              /* of memory, for brk, below the large part */

static u64 *used_bits, *zero_bits, *displaced_bits;
static u16 *shares;  /* how many mappings have a frame beside the first one */
static bool sharing; /* or ordinary runs would look at them */
static u64 frame_count, free_count, usable_count;
static u64 (*on_shortage)(void);
static gpa_t first_gpa;

/* Words of the bitmaps, from bottom up to end. */
struct part {
	u64 bottom, end;
	u64 top; /* no word above has a free frame */
};
static struct part small, heap, large;
static bool has_large, large_open;
static gpa_t large_gpa;
static u64 run_frames; /* that a run has taken */

static bool test_bit(const u64 *map, u64 i)
{
	return map[i / 64] >> (i % 64) & 1;
}
static void set_bit(u64 *map, u64 i)
{
	map[i / 64] |= 1ull << (i % 64);
}
static void clear_bit(u64 *map, u64 i)
{
	map[i / 64] &= ~(1ull << (i % 64));
}

u64 frames_available(void)
{
	return free_count;
}

u64 frames_total(void)
{
	return usable_count;
}

static void take(u64 first, u64 count)
{
	for (u64 i = first; i < first + count; i++)
		set_bit(used_bits, i);
	free_count -= count;
	control->frames_free = free_count;
}

bool frame_take_zero(gpa_t gpa)
{
	u64 i = gpa / PAGE_SIZE;
	bool zero = test_bit(zero_bits, i);

	clear_bit(zero_bits, i);
	return zero;
}

static void clear(gpa_t gpa, u64 count)
{
	for (; count; count--, gpa += PAGE_SIZE)
		if (!frame_take_zero(gpa))
			memset(gpa_to_ptr(gpa), 0, PAGE_SIZE);
}

static u64 find_one(struct part *p)
{
	for (u64 w = p->top + 1; w-- > p->bottom;) {
		if (used_bits[w] == ~0ull)
			continue;
		p->top = w;
		return w * 64 + 63 - (u64)__builtin_clzll(~used_bits[w]);
	}
	return 0;
}

/* The highest run of count free frames; 0 when there is none. displaced: such
 * frames will do, too. */
static u64 find_run(const struct part *p, u64 count, bool displaced)
{
	u64 run = 0;

	for (u64 w = p->top + 1; w-- > p->bottom;) {
		u64 taken = used_bits[w] | (displaced ? 0 : displaced_bits[w]);

		if (taken == ~0ull) {
			run = 0;
			continue;
		}
		if (taken == 0 && run + 64 < count) {
			run += 64;
			continue;
		}
		for (u64 i = w * 64 + 64; i-- > w * 64;) {
			run = taken >> (i % 64) & 1 ? 0 : run + 1;
			if (run == count)
				return i;
		}
	}
	return 0;
}

/* ---- the large part ---- */

/* Whether the run may use it, which it may have to ask for. */
static bool may_use_large(void)
{
	if (control->large == ZB_LARGE_ASK)
		hypercall(ZB_HC_LARGE);
	return control->large == ZB_LARGE_PLAIN ||
	       control->large == ZB_LARGE_GIVEN;
}

static bool open_large(void)
{
	if (!has_large || !may_use_large())
		return false;
	if (!large_open)
		memset(used_bits + large.bottom, 0,
		       (large.end - large.bottom) * sizeof(*used_bits));
	large_open = true;
	return true;
}

/* Before count frames are looked for: whether the run is a large one. */
static void note_demand(u64 count)
{
	if (control->large != ZB_LARGE_ASK)
		return;
	run_frames += count;
	if (run_frames > LARGE_RUN || count >= LARGE_FRAMES)
		open_large();
}

void frames_on_shortage(u64 (*take_back)(void))
{
	on_shortage = take_back;
}

static u64 find_in(struct part *p, u64 count, bool displaced)
{
	return count == 1 && displaced ? find_one(p) :
					 find_run(p, count, displaced);
}

/* Before a snapshot the large part is the last resort: what has content there is
 * not the host's to throw away. */
static u64 find(u64 count, bool displaced, bool table)
{
	bool given = large_open && control->large == ZB_LARGE_GIVEN;
	bool plain = large_open && control->large == ZB_LARGE_PLAIN;
	u64 first = 0;

	if (count == 0 || count > free_count)
		return 0;
	if (given && !table)
		first = find_in(&large, count, displaced);
	if (first == 0)
		first = find_in(&small, count, displaced);
	if (first == 0)
		first = find_in(&heap, count, displaced);
	if (first == 0 && (plain || (given && table)))
		first = find_in(&large, count, displaced);
	return first;
}

static gpa_t alloc(u64 count, bool table)
{
	u64 first;

	note_demand(count);
	first = find(count, true, table);
	if (first == 0 && open_large())
		first = find(count, true, table);
	while (first == 0 && on_shortage && on_shortage())
		first = find(count, true, table);
	if (first == 0)
		return 0;
	take(first, count);
	clear(first * PAGE_SIZE, count);
	return first * PAGE_SIZE;
}

gpa_t frames_alloc(u64 count)
{
	return alloc(count, false);
}

gpa_t frame_alloc_table(void)
{
	return alloc(1, true);
}

gpa_t frames_take_run(u64 count)
{
	u64 first;

	note_demand(count);
	first = find(count, false, false);
	if (first == 0 && open_large())
		first = find(count, false, false);
	if (first)
		take(first, count);
	return first * PAGE_SIZE;
}

bool frames_claim(gpa_t gpa, u64 count)
{
	u64 first = gpa / PAGE_SIZE;

	if (first >= frame_count || count > frame_count - first ||
	    count > free_count)
		return false;
	if ((first + count) * PAGE_SIZE > large_gpa)
		open_large();
	for (u64 i = first; i < first + count; i++)
		if (test_bit(used_bits, i) || test_bit(displaced_bits, i))
			return false;
	take(first, count);
	return true;
}

gpa_t frames_longest_run(u64 *count)
{
	u64 run = 0, first = 0;

	*count = 0;
	for (u64 i = 0; i < frame_count; i++) {
		u64 w = i / 64, taken = used_bits[w] | displaced_bits[w];
		bool whole = i % 64 == 0 && frame_count - i >= 64;

		if (whole && taken == ~0ull) {
			run = 0;
			i += 63;
			continue;
		}
		run = taken >> (i % 64) & 1 ? 0 : run + 1;
		if (whole && taken == 0) {
			run += 63;
			i += 63;
		}
		if (run <= *count)
			continue;
		*count = run;
		first = i + 1 - run;
	}
	return first * PAGE_SIZE;
}

u64 frames_in_use(void)
{
	return frame_count - free_count;
}

bool frames_promise(s64 count)
{
	while (count > 0 && free_count < (u64)count)
		if (!on_shortage || !on_shortage())
			return false;
	free_count -= (u64)count;
	control->frames_free = free_count;
	return true;
}

bool frames_limit(u64 bytes, u64 spare)
{
	static u64 withheld;
	u64 most = bytes / PAGE_SIZE, beyond;

	if (withheld) {
		free_count += withheld;
		usable_count += withheld;
		withheld = 0;
	}
	if (!bytes || most >= frame_count)
		return true;
	beyond = frame_count - most;
	if (free_count < beyond + spare / PAGE_SIZE)
		return false;
	withheld = beyond;
	free_count -= beyond;
	usable_count -= beyond;
	return true;
}

void frame_displace(gpa_t gpa, bool displaced)
{
	if (displaced)
		set_bit(displaced_bits, gpa / PAGE_SIZE);
	else if (frame_displaced(gpa)) /* or ordinary runs would write to it */
		clear_bit(displaced_bits, gpa / PAGE_SIZE);
}

bool frame_displaced(gpa_t gpa)
{
	return test_bit(displaced_bits, gpa / PAGE_SIZE);
}

void frames_free_zero(gpa_t gpa)
{
	frames_free(gpa, 1);
	set_bit(zero_bits, gpa / PAGE_SIZE);
}

/* Some that were freed. */
static void raise_top(struct part *p, u64 first, u64 last)
{
	last = MIN(last / 64, p->end - 1);
	if (first / 64 < p->end && last >= p->bottom && last > p->top)
		p->top = last;
}

void frames_free(gpa_t gpa, u64 count)
{
	u64 first = gpa / PAGE_SIZE;

	for (u64 i = first; i < first + count; i++) {
		if (i >= frame_count || !test_bit(used_bits, i))
			panic("frame %lx freed twice", i);
		if (sharing && shares[i]) {
			shares[i]--;
			continue;
		}
		clear_bit(used_bits, i);
		free_count++;
	}
	control->frames_free = free_count;
	raise_top(&small, first, first + count - 1);
	raise_top(&heap, first, first + count - 1);
	raise_top(&large, first, first + count - 1);
}

void frame_share(gpa_t gpa)
{
	sharing = true;
	shares[gpa / PAGE_SIZE]++;
}

bool frame_shared(gpa_t gpa)
{
	return sharing && shares[gpa / PAGE_SIZE];
}

void frames_scrub(void)
{
	for (u64 w = 0; w * 64 < frame_count; w++)
		for (u64 some = ~(used_bits[w] | zero_bits[w]); some;
		     some &= some - 1) {
			u64 i = w * 64 + (u64)__builtin_ctzll(some);

			if (i >= frame_count)
				return;
			memset(gpa_to_ptr(i * PAGE_SIZE), 0, PAGE_SIZE);
			set_bit(zero_bits, i);
		}
}

gpa_t frames_first(void)
{
	return first_gpa;
}

gpa_t frames_large(void)
{
	return has_large ? large_gpa : 0;
}

gpa_t frames_heap(void)
{
	return has_large ? heap.bottom * 64 * PAGE_SIZE : first_gpa;
}

static struct part part(u64 bottom, u64 end)
{
	return (struct part){ .bottom = bottom, .end = end, .top = end - 1 };
}

/* Divides what is free from first on. */
static void divide(u64 first)
{
	u64 words = (frame_count + 63) / 64, start, middle;

	/* What programs reserve and hardly use, as the 128 MiB of a library for
	 * linear algebra, is to have room in 256 MiB. */
	large_gpa = ((first + (frame_count - first) * 7 / 16) * PAGE_SIZE +
		     LARGE_PAGE - 1) &
		    ~(LARGE_PAGE - 1);
	has_large = frame_count * PAGE_SIZE >= LARGE_LEAST;
	if (!has_large)
		large_gpa = frame_count * PAGE_SIZE;
	start = large_gpa / PAGE_SIZE / 64;
	middle = start - (has_large ? words / HEAP_SHARE : 0);
	small = part(0, middle);
	heap = part(middle, start);
	large = part(start, words);
	control->large_gpa = has_large ? large_gpa : 0;
}

void frames_init(gpa_t start, u64 memory_size)
{
	u64 words, first;

	frame_count = memory_size / PAGE_SIZE;
	words = (frame_count + 63) / 64;
	used_bits = gpa_to_ptr(start);
	zero_bits = used_bits + words;
	displaced_bits = zero_bits + words;
	shares = (u16 *)(displaced_bits + words);
	first = PAGE_UP(start + words * 24 + words * 64 * sizeof(*shares)) /
		PAGE_SIZE;
	divide(first);
	for (u64 i = 0; i < words * 64; i++) {
		if (i < first || i >= large_gpa / PAGE_SIZE)
			set_bit(used_bits, i);
		if (i >= first && i < frame_count)
			set_bit(zero_bits, i);
	}
	free_count = usable_count = frame_count - first;
	first_gpa = first * PAGE_SIZE;
}
