#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What fuzzing has found, and what it started from: each file of
# tests/fuzz/corpus/NAME is given to the target tests/fuzz/replay-NAME, which
# must survive it.
#
# Environment: SINCEFS_SRCDIR, SINCEFS_BUILDDIR.
set -eu

corpus=${SINCEFS_SRCDIR:-.}/tests/fuzz/corpus
programs=${SINCEFS_BUILDDIR:-.}/tests/fuzz

status=0
for folder in "$corpus"/*/; do
	name=$(basename "$folder")
	if ! "$programs/replay-$name" "$folder"*; then
		echo "$name: did not survive the file named last"
		status=1
	fi
done
exit "$status"
