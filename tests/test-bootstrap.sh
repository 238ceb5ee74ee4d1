#!/bin/sh
# SPDX-License-Identifier: MIT
#
# ./bootstrap goes to where it lies, and says so when it cannot write there. It
# runs in a tree of stubs, with an apt-get and a make that only say what they do.
set -eu

scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
tree=$scratch/tree
stubs=$scratch/stubs
mkdir -p "$tree/core" "$tree/m4" "$stubs" "$scratch/elsewhere/tree"
cp "$SINCEFS_SRCDIR/bootstrap" "$tree/bootstrap"
chmod 755 "$tree/bootstrap"
cd "$tree"
touch configure.ac Makefile.am Makefile.in core/Makemodule.am m4/keep.m4
cat >configure <<'END'
#!/bin/sh
touch Makefile config.status
END
cat >"$stubs/make" <<'END'
#!/bin/sh
echo "make in $(pwd)"
END
cat >"$stubs/apt-get" <<'END'
#!/bin/sh
exit 1
END
cp "$stubs/apt-get" "$stubs/sudo"
chmod 755 configure "$stubs"/*
PATH=$stubs:$PATH
export PATH

fail() {
	printf '%s\n' "$*" >&2
	exit 1
}

# What a command says, and whether it ended well: said, status.
run() {
	status=0
	said=$("$@" 2>&1) || status=$?
	case $said in
	*"Missing are these packages"*)
		echo "some packages are missing"
		exit 77
		;;
	esac
}

# made_here COMMAND...: it is in the tree that it makes something.
made_here() {
	run "$@"
	[ "$status" -eq 0 ] || fail "$*: status $status: $said"
	case $said in
	*"make in $(readlink -f "$tree")
"*) ;;
	*) fail "$*: made elsewhere: $said" ;;
	esac
}

cd "$scratch"
made_here tree/bootstrap
# Were it searched for, the other tree would be found.
made_here env CDPATH="$scratch/elsewhere" tree/bootstrap
ln -s tree/bootstrap link
made_here ./link
made_here sh link

rm "$tree/Makefile" "$tree/config.status"
chmod a-w "$tree"
if [ "$(id -u)" -eq 0 ]; then
	command -v setpriv >/dev/null || exit 0
	run setpriv --reuid=65534 --regid=65534 --clear-groups tree/bootstrap
else
	run tree/bootstrap
fi
[ "$status" -eq 1 ] || fail "status $status: $said"
case $said in
*"
"*) fail "more than a line: $said" ;;
"bootstrap: cannot write to $tree: "*) ;;
*) fail "not clear: $said" ;;
esac
