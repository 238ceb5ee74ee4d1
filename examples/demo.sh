#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sincefs on a real package tree: Python's own standard library is copied, put
# under git and mounted in place; it is changed as a person would; after each
# change sincefs is asked what changed, and its answer is held against two
# snapshots of every file. Exit 0: each answer was complete and named nothing
# that was not touched. Whatever happens, nothing is left behind.
#
# ./bootstrap demo runs it. By hand, after make: sh examples/demo.sh; with
# another build: SINCEFS=/path/to/sincefs sh examples/demo.sh
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
SINCEFS=${SINCEFS:-$here/../mount/sincefs}
PYTHON3=${PYTHON3:-python3}
export PYTHONDONTWRITEBYTECODE=1

# How many lines of an answer are shown, and how long one command may take.
shown=8
limit=60

die() {
	printf '%s\n' "demo: $*" >&2
	exit 1
}

# -- Can it work here at all? ------------------------------------------------

[ -x "$SINCEFS" ] || die "no $SINCEFS: run ./bootstrap first"
if [ ! -e /dev/fuse ]; then
	die "this machine has no FUSE: /dev/fuse does not exist.
On a machine of your own, as root: modprobe fuse
In a container: start it with --device /dev/fuse --cap-add SYS_ADMIN"
fi
if [ "$(id -u)" -ne 0 ]; then
	command -v fusermount3 >/dev/null 2>&1 ||
		die "without root, mounting needs fusermount3: install fuse3"
	{ [ -r /dev/fuse ] && [ -w /dev/fuse ]; } ||
		die "you may not use /dev/fuse: as root, chmod 0666 /dev/fuse"
fi

# -- The stage, and how it is cleared ----------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/sincefs-demo.XXXXXX")
project=$work/project

# Asked of the kernel's list: that cannot hang, and a dead mount counts. The
# random part of the name is enough to know it by.
is_mounted() {
	grep -qF "/${work##*/}/project " /proc/self/mountinfo
}

clear_stage() {
	status=$?
	trap - EXIT INT TERM HUP
	cd /
	if is_mounted; then
		timeout "$limit" "$SINCEFS" umount --lazy "$project" ||
			timeout 10 fusermount3 -uz "$project" ||
			umount -l "$project" || :
	fi
	if is_mounted; then
		echo "demo: could not unmount $project" >&2
		exit 1
	fi
	rm -rf "$work"
	exit "$status"
}
trap clear_stage EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

truth() {
	"$PYTHON3" "$here/demo_truth.py" "$@"
}

# Inside the mount nothing may take forever.
in_project() {
	(cd "$project" && timeout "$limit" "$@")
}

git_in() {
	in_project git -c user.name=Demo -c user.email=demo@example.org \
		-c core.fsmonitor=false -c gc.auto=0 -c advice.detachedHead=false \
		-c commit.gpgsign=false "$@"
}

wrong=0

# Git's own files come last, as a number.
show() {
	sed '/^.  "*\.git\//d' "$work/answer" >"$work/lines"
	sed "${shown}q" "$work/lines"
	lines=$(wc -l <"$work/lines")
	all=$(wc -l <"$work/answer")
	if [ "$all" -eq 0 ]; then
		echo "(nothing)"
	fi
	if [ "$lines" -gt "$shown" ]; then
		echo "... and $((lines - shown)) more"
	fi
	if [ "$all" -gt "$lines" ]; then
		echo "... and $((all - lines)) in .git"
	fi
}

# step TITLE COMMAND...: run it, ask what changed, hold that against the truth.
step() {
	printf '\n-- %s\n' "$1"
	shift
	token=$(timeout "$limit" "$SINCEFS" token "$project")
	"$@"
	timeout "$limit" "$SINCEFS" since "$project" "$token" >"$work/answer"
	timeout "$limit" "$SINCEFS" since --json "$project" "$token" \
		>"$work/answer.json"
	show
	truth snapshot "$project" "$work/after"
	truth compare "$work/before" "$work/after" <"$work/answer.json" ||
		wrong=$((wrong + 1))
	mv "$work/after" "$work/before"
}

save_as_editors_do() {
	# A new file beside the old one, and renamed over it.
	{
		echo "# Edited."
		cat "$project/json/decoder.py"
	} >"$project/json/.decoder.py.swp"
	mv "$project/json/.decoder.py.swp" "$project/json/decoder.py"
}

append() {
	echo "# The end." >>"$project/textwrap.py"
}

add_package() {
	mkdir "$project/shiny"
	echo "from .thing import Thing" >"$project/shiny/__init__.py"
	echo "class Thing: pass" >"$project/shiny/thing.py"
}

rename_package() {
	mv "$project/email" "$project/letters"
}

delete() {
	rm "$project/this.py"
	rm -r "$project/wsgiref"
}

make_executable() {
	chmod +x "$project/timeit.py"
}

check_out_edits() {
	git_in stash -q --include-untracked
	git_in checkout -q edits
}

nothing() {
	grep -rl "class Thing" "$project" >/dev/null || :
}

# -- The play ----------------------------------------------------------------

mkdir "$project"
echo "A project in $project:"
truth copy "$project" || die "python3 has no sources of its standard library"
git_in init -q -b main .
git_in add .
git_in commit -q -m "As it was"
git_in checkout -q -b edits
for file in argparse.py ast.py json/encoder.py http/client.py; do
	echo "# On a branch." >>"$project/$file"
done
git_in rm -q cmd.py
git_in mv code.py codes.py
git_in add .
git_in commit -q -m "Edits"
git_in checkout -q main
truth snapshot "$project" "$work/before"

echo
echo "\$ sincefs mount project"
timeout "$limit" "$SINCEFS" mount "$project" || die "it could not be mounted"
is_mounted || die "sincefs mount returned, but $project is not mounted"
truth snapshot "$project" "$work/after"
truth same "$work/before" "$work/after" ||
	die "the mount shows something else than the directory"
mv "$work/after" "$work/before"

step "read everything, change nothing" nothing
step "save json/decoder.py as an editor does" save_as_editors_do
step "append a line to textwrap.py" append
step "add a package" add_package
step "chmod +x timeit.py" make_executable
step "rename the package email to letters" rename_package
step "delete this.py and the package wsgiref" delete
step "git stash, and git checkout of another branch" check_out_edits

printf '\n%s\n' "\$ sincefs umount project"
timeout "$limit" "$SINCEFS" umount "$project" || die "it could not be unmounted"
! is_mounted || die "sincefs umount returned, but $project is still mounted"
truth snapshot "$project" "$work/after"
truth same "$work/before" "$work/after" ||
	die "the directory is not what the mount showed"
echo "The directory holds what the mount showed."

echo
[ "$wrong" -eq 0 ] || die "$wrong answers were wrong"
echo "Every answer was right."
