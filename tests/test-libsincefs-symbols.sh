#!/bin/sh
# SPDX-License-Identifier: MIT
#
# libsincefs exports the functions of its header, all of them under their
# version and nothing else, and needs nothing but libc.
#
# Environment: SINCEFS_SRCDIR, SINCEFS_BUILDDIR.
set -eu

header=${SINCEFS_SRCDIR:-.}/core/sincefs/sincefs.h
library=${SINCEFS_BUILDDIR:-.}/core/client/.libs/libsincefs.so

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -e "$library" ]; then
	echo "skipped: there is no shared library in this build"
	exit 77
fi

# The declared functions: comments away, then each name before a parenthesis.
tr '\n' ' ' <"$header" | sed 's|/\*|\n/*|g' | sed 's|/\*.*\*/||' |
	grep -oE '\bsincefs_[a-z_]+\(' | tr -d '(' | sort -u >"$work/declared"
nm -D --defined-only "$library" | awk '$2 != "A" { print $2, $3 }' |
	sort -k 2 >"$work/defined"
sed 's/^/T /; s/$/@@LIBSINCEFS_0/' "$work/declared" >"$work/wanted"

failed=0
if [ ! -s "$work/declared" ]; then
	echo "no function in $header"
	failed=1
fi
if ! diff "$work/wanted" "$work/defined"; then
	echo "the header and the library differ (< declared, > exported)"
	failed=1
fi

# A sanitizer's or the coverage's run-time library is not ours.
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	grep -vE '^(lib(a|t|ub|l)san|libgcov|libgcc_s)\.' ||
	:)
case $needed in
libc.so.* | libc.musl-*) ;;
*)
	echo "needs more than libc:" "$needed"
	failed=1
	;;
esac
exit "$failed"
