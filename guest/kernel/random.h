/* random.h: see random.c. */
#ifndef RANDOM_H
#define RANDOM_H

/* Mixes control->seed in, and wipes it: at boot and in every fork. */
void random_reseed(void);

#endif
