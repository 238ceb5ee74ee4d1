#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The daemon under valgrind's memcheck while the tests of its operations and a
# storm run: no wrong access, nothing definitely lost. SINCEFS_SOAK_SECONDS is
# how long the storm blows at most (a tenth of it; 360 of an hour).
set -eu

mount_tests=$SINCEFS_SRCDIR/tests/mount
if ! command -v valgrind >/dev/null; then
	echo "valgrind is missing" >&2
	exit 1
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/sincefs-valgrind-XXXXXX")
trap 'rm -rf "$dir"' EXIT

cat >"$dir/sincefs" <<END
#!/bin/sh
exec valgrind -q --leak-check=full --show-leak-kinds=definite \\
	--errors-for-leak-kinds=definite --trace-children=no \\
	--log-file="$dir/log.%p" "$SINCEFS" "\$@"
END
chmod +x "$dir/sincefs"

SINCEFS=$dir/sincefs
SINCEFS_TEST_REQUIRE_FUSE=1
SINCEFS_TEST_SANITIZED=1
SINCEFS_TEST_SLOW=30
SINCEFS_TEST_RACE_SECONDS=20
SINCEFS_TEST_PARITY_STEPS=20000
SINCEFS_TEST_STORM_SECONDS=$((${SINCEFS_SOAK_SECONDS:-3600} / 10))
export SINCEFS SINCEFS_TEST_REQUIRE_FUSE SINCEFS_TEST_SANITIZED \
	SINCEFS_TEST_SLOW SINCEFS_TEST_RACE_SECONDS \
	SINCEFS_TEST_PARITY_STEPS SINCEFS_TEST_STORM_SECONDS

status=0
for name in cases operations links mappings names control parity identity \
	storm random-ioctls; do
	"$PYTHON3" "$mount_tests/test-$name.py" || status=1
done
for log in "$dir"/log.*; do
	if [ -s "$log" ]; then
		echo "== valgrind says:"
		head -n 100 "$log"
		status=1
	fi
done
[ "$status" = 0 ] && echo "valgrind found nothing"
exit "$status"
