/*
 * A part of a file, as a layer of a container image is one: what is zero at its end
 * may be a hole that the file does not even reach to.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream.h"

#define START 4096u
#define SIZE 1000000u

/* All of the part, of which so many bytes are in the file. */
static void read_part(size_t stored)
{
	uint8_t *want = calloc(1, SIZE), *got = malloc(SIZE + 1);
	int fd = memfd_create("part", MFD_CLOEXEC);
	struct err e = { "" };
	struct stream s;
	size_t size = 0;

	for (size_t i = 0; i < stored; i++)
		want[i] = (uint8_t)(1 + unit_random(255));
	EQUAL(pwrite(fd, want, stored, START), stored);
	EQUAL(stream_open_part(&s, fd, START, SIZE, "part", &e), 0);
	EQUAL(stream_read(&s, got, SIZE + 1, &size), 0);
	SAME(got, size, want, SIZE);
	stream_close(&s);
	close(fd);
	free(want);
	free(got);
}

static void test_parts(void)
{
	read_part(SIZE);
	read_part(SIZE - 1);
	read_part(SIZE / 2);
	read_part(3);
	read_part(0);
}

int main(void)
{
	static const struct unit_test tests[] = {
		{ "a part of a file has all of its size", test_parts },
	};

	return UNIT_RUN("stream", tests);
}
