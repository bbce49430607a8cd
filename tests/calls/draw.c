#include "draw.h"

uint64_t state;

uint64_t draw(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

uint64_t below(uint64_t n)
{
	return draw() % n;
}

bool is_one_of(int number, const int *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == number)
			return true;
	return false;
}

uint64_t number(uint64_t kind)
{
	switch (kind) {
	case 0:
		return below(24);
	case 2:
		return 0;
	case 3:
		return ~0ull;
	case 6:
		return 1ull << below(64);
	case 7:
		return draw();
	case 8:
		return below(65536);
	case 10:
		return (uint64_t)(int64_t) - (int)below(120);
	case 11:
		return 1ull << below(32) | 1ull << below(32);
	case 12:
		return 0x7fffffff;
	default:
		return below(6);
	}
}
