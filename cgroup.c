/* cgroups(7): version 2 has one tree, version 1 one for each controller. A group's
 * limit holds for all beneath it. */
#include "cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct group {
	char path[PATH_MAX + 64]; /* directory */
	size_t top;               /* length of the part that is the tree's */
};

/* The first line of a file in the group. */
static bool read_line(const struct group *g, const char *file, char *line,
		      size_t size)
{
	char path[PATH_MAX + 128];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", g->path, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(line, (int)size, f);
	fclose(f);
	return ok;
}

/* CGROUP_NONE: `max`, or no such file. */
static uint64_t read_number(const struct group *g, const char *file)
{
	char line[64];

	if (!read_line(g, file, line, sizeof(line)) || line[0] < '0' ||
	    line[0] > '9')
		return CGROUP_NONE;
	return strtoull(line, NULL, 10);
}

/* A counter of memory.stat. */
static uint64_t read_counter(const struct group *g, const char *name)
{
	char path[PATH_MAX + 128], line[128];
	size_t size = strlen(name);
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.stat", g->path);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, size) && line[size] == ' ')
			value = strtoull(line + size, NULL, 10);
	fclose(f);
	return value;
}

static void lower(uint64_t *room, uint64_t limit, uint64_t used)
{
	uint64_t left = used < limit ? limit - used : 0;

	if (limit != CGROUP_NONE && left < *room)
		*room = left;
}

static uint64_t cached(uint64_t used, uint64_t cache)
{
	if (used == CGROUP_NONE)
		return 0;
	return used > cache ? used - cache : 0;
}

static void look_v2(const struct group *g, struct cgroup_room *room)
{
	unsigned long quota, period;
	char line[64], *end;

	lower(&room->memory, read_number(g, "memory.max"),
	      cached(read_number(g, "memory.current"), read_counter(g, "fil"
								       "e")));
	lower(&room->processes, read_number(g, "pids.max"),
	      cached(read_number(g, "pids.current"), 0));
	if (!read_line(g, "cpu.max", line, sizeof(line)))
		return;
	quota = strtoul(line, &end, 10);
	period = strtoul(end, NULL, 10);
	if (quota && period &&
	    (!room->cpus || (double)quota / (double)period < room->cpus))
		room->cpus = (double)quota / (double)period;
}

static void look_v1(const struct group *g, struct cgroup_room *room)
{
	uint64_t quota = read_number(g, "cpu.cfs_quota_us"); /* -1: none */
	uint64_t period = read_number(g, "cpu.cfs_period_us");
	uint64_t memory = read_number(g, "memory.limit_in_bytes");

	/* No limit is a number of 63 bits, in pages. */
	if (memory < (uint64_t)LLONG_MAX / 2)
		lower(&room->memory, memory,
		      cached(read_number(g, "memory.usage_in_bytes"),
			     read_counter(g, "total_cache")));
	lower(&room->processes, read_number(g, "pids.max"),
	      cached(read_number(g, "pids.current"), 0));
	if (quota != CGROUP_NONE && period != CGROUP_NONE && period &&
	    (!room->cpus || (double)quota / (double)period < room->cpus))
		room->cpus = (double)quota / (double)period;
}

static void look_up(struct group *g, struct cgroup_room *room,
		    void (*look)(const struct group *g,
				 struct cgroup_room *room))
{
	for (;;) {
		char *slash;

		look(g, room);
		slash = strrchr(g->path, '/');
		if (!slash || (size_t)(slash - g->path) < g->top)
			return;
		*slash = 0;
	}
}

/* A line of /proc/self/cgroup, NUMBER:CONTROLLERS:PATH. */
static void look_line(char *line, struct cgroup_room *room)
{
	char *controllers = strchr(line, ':'), *path;
	struct group g;

	path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return;
	*controllers++ = 0;
	*path++ = 0;
	path[strcspn(path, "\n")] = 0;
	if (!strcmp(path, "/"))
		path = "";
	g.top = strlen("/sys/fs/cgroup");
	if (!*controllers) {
		snprintf(g.path, sizeof(g.path), "/sys/fs/cgroup%s", path);
		look_up(&g, room, look_v2);
	} else if (strncmp(controllers, "name=", 5) != 0) {
		g.top += 1 + strlen(controllers);
		snprintf(g.path, sizeof(g.path), "/sys/fs/cgroup/%s%s",
			 controllers, path);
		look_up(&g, room, look_v1);
	}
}

void cgroup_look(struct cgroup_room *room)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[PATH_MAX];

	*room = (struct cgroup_room){ CGROUP_NONE, CGROUP_NONE, 0 };
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		look_line(line, room);
	fclose(f);
}
