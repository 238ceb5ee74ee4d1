#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Storms and races for an hour in all, or SINCEFS_SOAK_SECONDS. A failure prints
# the seed; SINCEFS_TEST_SEED repeats it.
set -eu

mount_tests=$SINCEFS_SRCDIR/tests/mount
seconds=${SINCEFS_SOAK_SECONDS:-3600}
SINCEFS_TEST_REQUIRE_FUSE=1
# The storms of test-storm.py take two and a half times this, races and mix-ups
# four times.
SINCEFS_TEST_STORM_SECONDS=$((seconds * 3 / 10))
SINCEFS_TEST_RACE_SECONDS=$((seconds / 16))
export SINCEFS_TEST_REQUIRE_FUSE SINCEFS_TEST_STORM_SECONDS \
	SINCEFS_TEST_RACE_SECONDS

status=0
for name in storm race identity; do
	"$PYTHON3" "$mount_tests/test-$name.py" || status=1
done
exit "$status"
