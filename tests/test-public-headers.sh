#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Each public header alone, as a stranger's program sees it: strict C99 without
# hidden padding, twice; C++ with the C names of all functions.
#
# Environment: SINCEFS_SRCDIR, CC, CXX.
set -eu

srcdir=${SINCEFS_SRCDIR:-.}
CC=${CC:-cc}
CXX=${CXX:-c++}
symbols=$srcdir/core/client/libsincefs.sym

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
	echo "$*"
	failed=1
}

headers=$(cd "$srcdir/core" && ls sincefs/*.h)
[ -n "$headers" ] || fail "no public header in $srcdir/core/sincefs"

# padded FILE: compile it as C99 with nothing forgiven. The compilers are words.
padded() {
	# shellcheck disable=SC2086
	$CC -std=c99 -pedantic -Wall -Wextra -Wpadded -Werror \
		-I "$srcdir/core" "$@" -c -o "$work/header.o"
}

# A compiler that does not warn of padding proves nothing.
printf 'struct s { char c; long l; } s;\n' >"$work/padding.c"
if padded "$work/padding.c" 2>"$work/messages"; then
	fail "$CC did not see a hole in a structure"
fi
for header in $headers; do
	padded -DHEADER="<$header>" "$srcdir/tests/header_c99.c" ||
		fail "$header is no strict C99, or has padding"
done

# shellcheck disable=SC2086
if ! printf 'int i;\n' | $CXX -x c++ -fsyntax-only - 2>"$work/messages"; then
	cat "$work/messages"
	[ "$failed" -eq 0 ] || exit 1
	echo "skipped: $CXX is no C++ compiler"
	exit 77
fi
sed -n 's/^\t\(sincefs_[a-z_]*\);$/\1/p' "$symbols" | sort >"$work/exported"
[ -s "$work/exported" ] || fail "no names in $symbols"
for header in $headers; do
	for standard in c++11 c++17; do
		# shellcheck disable=SC2086
		$CXX -std=$standard -pedantic -Wall -Wextra -Werror \
			-I "$srcdir/core" -DHEADER="<$header>" -c \
			-o "$work/cxx.o" "$srcdir/tests/header_cxx.cc" ||
			fail "$header is no $standard"
	done
	nm -u "$work/cxx.o" | sed -n 's/^.* U \(.*sincefs.*\)$/\1/p' |
		sort >"$work/used"
	diff "$work/exported" "$work/used" ||
		fail "C++ and $symbols have other functions (< exported, > C++)"
done
exit "$failed"
