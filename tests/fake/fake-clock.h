/* SPDX-License-Identifier: MIT */
/*
 * A clock that a test owns: it stands still until it is told to move, so that
 * two builds of one table carry the same times to the nanosecond.
 *
 * A plain value; whoever holds it guards it.
 */
#ifndef TESTS_FAKE_FAKE_CLOCK_H
#define TESTS_FAKE_FAKE_CLOCK_H

#include <stdint.h>
#include <time.h>

typedef struct {
	int64_t now_ns;  /* since the epoch */
	int64_t step_ns; /* how far each tick moves it */
} FakeClock;

/* Starts in 2001, a second and a little per tick: times which differ in whole
   seconds and have a part below, and which no real clock shows. */
void fake_clock_init(FakeClock *clock);

/* The time of this moment, without moving on. */
struct timespec fake_clock_get(const FakeClock *clock);

/* Move on by a step; the new time. */
struct timespec fake_clock_tick(FakeClock *clock);

#endif /* TESTS_FAKE_FAKE_CLOCK_H */
