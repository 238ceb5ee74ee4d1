#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The rooms use each other downward only: mount/ -> fs/ -> core/. Held here:
#
#  1. core/ includes nothing of fs/ and mount/, fs/ nothing of mount/;
#  2. only fs/ includes libfuse, and fs/fs.h includes and names nothing of it,
#     nor anything of fs/ that does;
#  3. mount/ includes of fs/ nothing but fs/fs.h;
#  4. core/client/ and core/sincefs/ include nothing but C's and the system's
#     headers and <sincefs/...>: no GLib, no other header of core/ (but
#     core/client/ its own);
#  5. what is included by "..." is spelled from the top of the tree;
#  6. every header compiles alone: the public ones as C99 and as C++, and
#     without GLib's and libfuse's flags.
#
# A made-up tree that breaks every rule is judged first: a check that cannot
# fail proves nothing.
#
# Environment: SINCEFS_SRCDIR, CC, CXX, PKG_CONFIG.
set -eu

srcdir=${SINCEFS_SRCDIR:-.}
CC=${CC:-cc}
CXX=${CXX:-c++}
PKG_CONFIG=${PKG_CONFIG:-pkg-config}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# includes TREE: each include of TREE as "file:line:header", where header keeps
# its <> or "". Only what is in the rooms.
includes() {
	(cd "$1" && find core fs mount -name '*.[ch]' -exec \
		grep -Hn '^[[:space:]]*#[[:space:]]*include' {} +) |
		sed -E 's/:[[:space:]]*#[[:space:]]*include[[:space:]]*/:/' |
		sort
}

# judge_directions TREE: a line for each breach of 1 to 5.
judge_directions() {
	includes "$1" >"$work/includes"
	breach '1. core/ looks up' '^core/[^:]*:[0-9]*:["<](fs|mount)/'
	breach '1. fs/ looks up' '^fs/[^:]*:[0-9]*:["<]mount/'
	breach '2. FUSE outside of fs/' '^(core|mount)/[^:]*:[0-9]*:["<]fuse'
	breach '2. fs/fs.h is not free of FUSE' '^fs/fs\.h:[0-9]*:["<](fuse|fs/)'
	(cd "$1" && grep -HnE '\b(fuse|FUSE)_[A-Za-z]|struct fuse' fs/fs.h) |
		sed 's/^/2. fs\/fs.h names FUSE: /'
	grep -E '^mount/[^:]*:[0-9]*:["<]fs/' "$work/includes" |
		grep -vE ':"fs/fs\.h"' | sed 's/^/3. mount\/ looks behind fs.h: /'
	breach '4. not plain C' \
		'^core/(client|sincefs)/[^:]*:[0-9]*:("|<(glib|gio|gmodule|json|fuse))' |
		grep -vE '^[^"]*core/client/[^"]*:"core/client/' || :
	breach '5. not spelled from the top' \
		'^[^:]*:[0-9]*:"(\.|[^/"]*"|(core|fs|mount|tests)/.*\.\./)'
}

breach() {
	grep -E "$2" "$work/includes" | sed "s|^|$1: |"
}

# compile TREE HEADER COMPILER FLAG...: HEADER compiles alone.
compile() {
	tree=$1
	header=$2
	shift 2
	case $1 in
	*++* | *CXX*) language=c++ ;;
	*) language=c ;;
	esac
	printf '#include "%s"\n' "$header" >"$work/alone.$language"
	# The compiler and the flags may be several words each.
	# shellcheck disable=SC2068
	$@ -x "$language" -fsyntax-only -Wall -Wextra -Werror \
		-I "$tree" -I "$tree/core" "$work/alone.$language" \
		>"$work/messages" 2>&1 && return
	echo "6. $header does not compile alone ($*):"
	cat "$work/messages"
}

# judge_headers TREE: a line or more for each breach of 6.
judge_headers() {
	glib=$($PKG_CONFIG --cflags glib-2.0 gio-unix-2.0 json-glib-1.0)
	fuse=$($PKG_CONFIG --cflags fuse3)
	c11="-std=gnu11 -D_GNU_SOURCE"
	(cd "$1" && find core fs mount -name '*.h') | sort >"$work/headers"
	while read -r header; do
		case $header in
		core/sincefs/*)
			compile "$1" "$header" "$CC" -std=c99 -Wpedantic
			compile "$1" "$header" "$CXX" -std=c++11
			;;
		core/client/*) compile "$1" "$header" "$CC" -std=c99 ;;
		core/* | mount/* | fs/fs.h)
			compile "$1" "$header" "$CC" "$c11" "$glib"
			;;
		*)
			compile "$1" "$header" "$CC" "$c11" "$glib" "$fuse" \
				-DFUSE_USE_VERSION=314
			;;
		esac
	done <"$work/headers"
}

# -- The made-up tree --------------------------------------------------------

bad=$work/bad
mkdir -p "$bad/core/client" "$bad/core/sincefs" "$bad/fs" "$bad/mount"
lacking='0'

# plant FILE LINE: one breach, in a file that has nothing else.
plant() {
	printf '%s\n' "$2" >"$bad/$1"
}
# want RULE FILE: the judge must have named that file under that rule.
want() {
	grep -qE "^$1\. .*$2" "$work/verdict" && return
	echo "self test: a breach of rule $1 in $2 was not seen"
	lacking=$((lacking + 1))
}

plant core/up1.c '#include "fs/fs.h"'
plant core/up2.h '# include <mount/log.h>'
plant core/fuse.c '#include <fuse_lowlevel.h>'
plant core/short.c '	#include "dirty-set.h"'
plant core/dots.c '#include "core/../core/page.h"'
plant core/client/glib.c '#include <glib.h>'
plant core/client/room.c '#include "core/page.h"'
plant core/sincefs/client.h '#include "core/client/none.h"'
plant core/sincefs/glib.h '#include <glib-object.h>'
plant core/alone.h 'gboolean needs_glib(void);'
plant core/sincefs/cxx.h 'int f(int class);'
plant core/sincefs/c99.h '_Static_assert(1, "");'
plant fs/up.c '#include "mount/log.h"'
plant fs/fs.h 'struct fuse_session *fs_session(void);'
plant mount/behind.c '#include "fs/inode-table.h"'
plant mount/fuse.c '#include <fuse3/fuse.h>'
{
	judge_directions "$bad"
	judge_headers "$bad"
} >"$work/verdict" || :

want 1 core/up1.c
want 1 core/up2.h
want 1 fs/up.c
want 2 core/fuse.c
want 2 mount/fuse.c
want 2 fs/fs.h
want 3 mount/behind.c
want 4 core/client/glib.c
want 4 core/client/room.c
want 4 core/sincefs/glib.h
want 4 core/sincefs/client.h
want 5 core/short.c
want 5 core/dots.c
want 6 core/alone.h
want 6 core/sincefs/cxx.h
want 6 core/sincefs/c99.h
[ "$lacking" -eq 0 ] || exit 1

# -- The real one ------------------------------------------------------------

{
	judge_directions "$srcdir"
	judge_headers "$srcdir"
} >"$work/verdict" || :
if [ -s "$work/verdict" ]; then
	cat "$work/verdict"
	exit 1
elif [ ! -s "$work/includes" ] || [ ! -s "$work/headers" ]; then
	echo "nothing to judge in $srcdir"
	exit 1
fi
echo "$(wc -l <"$work/includes") includes and" \
	"$(wc -l <"$work/headers") headers are in order"
