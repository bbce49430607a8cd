/*
 * frame.c: physical memory in frames of 4 KiB, by two bitmaps. Runs of frames
 * are taken from the top, so that brk can grow from the bottom.
 *
 * A frame whose zero bit is set was never used since it was cleared: handing it
 * out costs nothing and does not touch it.
 */
#include "mm/frame.h"

static u64 *used_bits, *zero_bits;
static u64 frame_count, free_count, usable_count;
static u64 top_word; /* no word above has a free frame */

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
	for (u64 i = first; i < first + count; i++) {
		set_bit(used_bits, i);
		if (!test_bit(zero_bits, i))
			memset(gpa_to_ptr(i * PAGE_SIZE), 0, PAGE_SIZE);
		else
			clear_bit(zero_bits, i);
	}
	free_count -= count;
}

static u64 find_one(void)
{
	for (u64 w = top_word + 1; w-- > 0;) {
		if (used_bits[w] == ~0ull)
			continue;
		top_word = w;
		return w * 64 + 63 - (u64)__builtin_clzll(~used_bits[w]);
	}
	return 0;
}

/* The highest run of count free frames; 0 when there is none. */
static u64 find_run(u64 count)
{
	u64 run = 0;

	for (u64 w = top_word + 1; w-- > 0;) {
		if (used_bits[w] == ~0ull) {
			run = 0;
			continue;
		}
		if (used_bits[w] == 0 && run + 64 < count) {
			run += 64;
			continue;
		}
		for (u64 i = w * 64 + 64; i-- > w * 64;) {
			run = test_bit(used_bits, i) ? 0 : run + 1;
			if (run == count)
				return i;
		}
	}
	return 0;
}

gpa_t frames_alloc(u64 count)
{
	u64 first;

	if (count == 0 || count > free_count)
		return 0;
	first = count == 1 ? find_one() : find_run(count);
	if (first == 0)
		return 0;
	take(first, count);
	return first * PAGE_SIZE;
}

bool frames_claim(gpa_t gpa, u64 count)
{
	u64 first = gpa / PAGE_SIZE;

	if (first >= frame_count || count > frame_count - first)
		return false;
	for (u64 i = first; i < first + count; i++)
		if (test_bit(used_bits, i))
			return false;
	take(first, count);
	return true;
}

void frames_free(gpa_t gpa, u64 count)
{
	u64 first = gpa / PAGE_SIZE;

	for (u64 i = first; i < first + count; i++) {
		if (i >= frame_count || !test_bit(used_bits, i))
			panic("frame %lx freed twice", i);
		clear_bit(used_bits, i);
	}
	free_count += count;
	if ((first + count - 1) / 64 > top_word)
		top_word = (first + count - 1) / 64;
}

void frames_scrub(void)
{
	for (u64 i = 0; i < frame_count; i++) {
		if (test_bit(used_bits, i) || test_bit(zero_bits, i))
			continue;
		memset(gpa_to_ptr(i * PAGE_SIZE), 0, PAGE_SIZE);
		set_bit(zero_bits, i);
	}
}

gpa_t frames_init(gpa_t start, u64 memory_size)
{
	u64 words, first;

	frame_count = memory_size / PAGE_SIZE;
	words = (frame_count + 63) / 64;
	used_bits = gpa_to_ptr(start);
	zero_bits = used_bits + words;
	first = PAGE_UP(start + words * 16) / PAGE_SIZE;
	for (u64 i = 0; i < words * 64; i++) {
		if (i < first || i >= frame_count)
			set_bit(used_bits, i);
		else
			set_bit(zero_bits, i);
	}
	free_count = usable_count = frame_count - first;
	top_word = words - 1;
	return first * PAGE_SIZE;
}
