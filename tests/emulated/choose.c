/*
 * choose.c: chooses by its CPU which code it will run, once, at its start, as C
 * libraries do. In a template that has been made: each run says what it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define WORD 0x5555

static uint64_t plain(uint64_t n)
{
	uint64_t sum = 0;

	for (int to = 0; to < 32; to += 2)
		sum += n >> to / 2 << to & 1ull << to;
	return sum;
}

__attribute__((target("avx2,bmi2"))) static uint64_t avx2_bmi2(uint64_t n)
{
	__m256i wide = _mm256_set1_epi64x((long long)_pdep_u64(n, 0x55555555));

	return (uint64_t)_mm256_extract_epi64(wide, 3);
}

int main(void)
{
	uint64_t (*volatile spread)(uint64_t) = plain;
	char code[64];
	ssize_t n;
	int fd;

	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
		spread = avx2_bmi2;
	fd = open("/dev/zeroboot", O_RDONLY);
	/* That output is taken as it comes is told by an error, once. */
	n = read(fd, code, sizeof(code));
	if (n < 0 && errno == ESTRPIPE)
		n = read(fd, code, sizeof(code));
	if (n < 0)
		return 9;
	printf("%s %#llx\n", spread == plain ? "plain" : "avx2 bmi2",
	       (unsigned long long)spread(WORD));
	return 0;
}
