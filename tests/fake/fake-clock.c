/* SPDX-License-Identifier: MIT */
#include "tests/fake/fake-clock.h"

#define NS_PER_S INT64_C(1000000000)
#define FAKE_START_S INT64_C(1000000000)

void fake_clock_init(FakeClock *clock)
{
	clock->now_ns = FAKE_START_S * NS_PER_S;
	clock->step_ns = NS_PER_S + 1001;
}

struct timespec fake_clock_get(const FakeClock *clock)
{
	struct timespec now = {
		.tv_sec = (time_t)(clock->now_ns / NS_PER_S),
		.tv_nsec = (long)(clock->now_ns % NS_PER_S),
	};

	return now;
}

struct timespec fake_clock_tick(FakeClock *clock)
{
	clock->now_ns += clock->step_ns;
	return fake_clock_get(clock);
}
