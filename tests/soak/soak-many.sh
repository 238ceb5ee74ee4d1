#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A million of each: files created and unlinked, files known and forgotten,
# random ioctls, random calls inside and outside. Takes about half an hour.
set -eu

mount_tests=$SINCEFS_SRCDIR/tests/mount
SINCEFS_TEST_REQUIRE_FUSE=1
SINCEFS_TEST_SLOW=${SINCEFS_TEST_SLOW:-20}
SINCEFS_TEST_MANY=${SINCEFS_SOAK_MANY:-1000000}
SINCEFS_TEST_IOCTLS=$SINCEFS_TEST_MANY
SINCEFS_TEST_PARITY_STEPS=$SINCEFS_TEST_MANY
export SINCEFS_TEST_REQUIRE_FUSE SINCEFS_TEST_SLOW SINCEFS_TEST_MANY \
	SINCEFS_TEST_IOCTLS SINCEFS_TEST_PARITY_STEPS

status=0
for name in resources random-ioctls parity; do
	"$PYTHON3" "$mount_tests/test-$name.py" || status=1
done
exit "$status"
