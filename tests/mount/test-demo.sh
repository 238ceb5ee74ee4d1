#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The demonstration ends well and leaves nothing behind, and it says so when
# there is no command to demonstrate.
set -eu

top=${SINCEFS_SRCDIR:-$(dirname "$0")/../..}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if { [ ! -e /dev/fuse ] || { [ "$(id -u)" -ne 0 ] &&
	! command -v fusermount3 >/dev/null; }; } &&
   [ "${SINCEFS_TEST_REQUIRE_FUSE:-0}" != 1 ]; then
	echo "there is no FUSE here"
	exit 77
fi

status=0
TMPDIR=$work sh "$top/examples/demo.sh" || status=$?
[ "$status" -eq 0 ] || {
	echo "the demonstration exits with $status"
	exit 1
}
[ -z "$(ls -A "$work")" ] || {
	echo "it left behind: $(ls -A "$work")"
	exit 1
}
if grep -F "$work" /proc/self/mountinfo; then
	echo "it left a mount behind"
	exit 1
fi

# A command that cannot mount: refused, and nothing is left either.
status=0
TMPDIR=$work SINCEFS=/bin/false sh "$top/examples/demo.sh" >/dev/null ||
	status=$?
[ "$status" -eq 1 ] || {
	echo "with a command that always fails it exits with $status"
	exit 1
}
[ -z "$(ls -A "$work")" ] || {
	echo "after a failure it left behind: $(ls -A "$work")"
	exit 1
}
