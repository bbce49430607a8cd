/* draw.h: random numbers from a seed, and what numbers calls are given. */
#ifndef DRAW_H
#define DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern uint64_t state; /* the seed; not 0 */

uint64_t draw(void);
uint64_t below(uint64_t n);
bool is_one_of(int number, const int *list, size_t count);
/* An argument that is a number; kinds it does not know are small ones. */
uint64_t number(uint64_t kind);

#endif
