/*
 * spaces.c: attacks with processes. Each has an address space of its own, which is
 * one entry of the only root: it can be exchanged from here too. A VM in which there
 * was a second space has written tables and is never used again where paging is
 * shadowed; where it is nested, the next run must find nothing of them.
 */
#include "hostile.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ENTRIES 512

/* What a child does, and how its parent ends. */
static void child(u64 (*run)(void), u64 *result)
{
	u64 value = 0;
	int p[2];

	if (pipe(p))
		end(1);
	if (fork() == 0) {
		value = run();
		if (write(p[1], &value, sizeof(value)) != sizeof(value))
			_exit(1);
		_exit(0);
	}
	close(p[1]);
	if (read(p[0], &value, sizeof(value)) != sizeof(value))
		end(1);
	wait(NULL);
	*result = value;
}

static u64 home(void)
{
	return *entry_of(root(), (u64)page_a, 4);
}

static void plain(u64 a, u64 b)
{
	u64 result;

	(void)a, (void)b;
	child(home, &result);
	end(0);
}

/* page_a leads to page_b by the child's own tables, and back. */
static u64 edit(void)
{
	volatile u64 *entry = entry_of(root(), (u64)page_a, 1);
	u64 old = *entry;

	*entry = gpa_of(page_b) | P | W | U | AD;
	tlb_flush();
	(void)*(volatile u64 *)page_a;
	*entry = old;
	return old;
}

static void edited(u64 a, u64 b)
{
	u64 result;

	(void)a, (void)b;
	child(edit, &result);
	end(0);
}

/* The space of a child that has ended, whose tables are free frames by now. */
static void dangling(u64 put_back, u64 flush)
{
	volatile u64 *entry = entry_of(root(), (u64)page_a, 4);
	u64 mine = *entry, gone;

	child(home, &gone);
	*entry = gone;
	if (flush)
		tlb_flush();
	(void)*(volatile u64 *)page_a;
	if (put_back)
		*entry = mine;
	end(0);
}

/* A space of its own, exchanged as the kernel exchanges them: by one entry, with no
 * flush. */
static void own(u64 put_back, u64 times)
{
	volatile u64 *entry = entry_of(root(), (u64)page_a, 4);
	u64 *table = scratch, mine = *entry;

	for (int level = 3; level >= 1; level--, table += ENTRIES) {
		u64 i = (u64)page_a >> (12 + 9 * (level - 1)) & (ENTRIES - 1);
		u64 *from = (u64 *)entry_of(root(), (u64)page_a, level) - i;

		__builtin_memcpy(table, from, PAGE);
		table[i] =
			(level > 1 ? gpa_of(table + ENTRIES) : gpa_of(page_b)) |
			P | W | U | AD;
	}
	for (u64 i = 0; i < times; i++) {
		*entry = gpa_of(scratch) | P | W | U | AD;
		(void)*(volatile u64 *)page_a;
		if (put_back)
			*entry = mine;
		(void)*(volatile u64 *)page_a;
	}
	end(0);
}

/* ---- processes that do not end ---- */

static void left_behind(u64 count, u64 spin)
{
	for (u64 i = 0; i < count; i++)
		if (fork() == 0)
			for (;;)
				if (!spin)
					pause();
	_exit(0);
}

static void bomb(u64 a, u64 b)
{
	(void)a, (void)b;
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		fork();
}

static void claim(u64 count, u64 b)
{
	(void)b;
	control->processes = (u32)count;
	end(0);
}

const struct attack space_attacks[] = {
	{ "a process", THROWN, plain, 0, 0 },
	{ "a space edited and put back by its process", THROWN, edited, 0, 0 },
	{ "a space exchanged without a flush", THROWN, own, 0, 1 },
	{ "a space exchanged without a flush and put back", THROWN, own, 1, 1 },
	{ "a space exchanged and put back a thousand times", THROWN, own, 1,
	  1000 },
	{ "the space of a process that has ended", ANY, dangling, 0, 0 },
	{ "the space of a process that has ended, put back", ANY, dangling, 1,
	  0 },
	{ "the space of a process that has ended, flushed", ANY, dangling, 1,
	  1 },
	{ "processes left behind that wait", THROWN, left_behind, 5, 0 },
	{ "processes left behind that spin", THROWN, left_behind, 5, 1 },
	{ "a fork bomb", ANY, bomb, 0, 0 },
	{ "processes that are claimed", KEPT, claim, ~0u, 0 },
	{ 0 }
};
