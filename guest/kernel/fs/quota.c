/*
 * quota.c: names and data of files in memory take at most half of memory, as a
 * tmpfs does: then it is full, and the program goes on.
 */
#include "fs/quota.h"

#include "mm/frame.h"

static u64 used;

u64 quota_limit(void)
{
	return frames_total() / 2 * (PAGE_SIZE / UNIT);
}

u64 quota_left(void)
{
	u64 limit = quota_limit();

	return used < limit ? limit - used : 0;
}

bool quota_take(u64 units)
{
	if (units > quota_left())
		return false;
	used += units;
	return true;
}

void quota_overdraw(u64 units)
{
	used += units;
}

void quota_give(u64 units)
{
	used -= units;
}
