#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The long forms of tests on mounts, one after the other; "make soak" runs them.
# SINCEFS_SOAK_SECONDS is how long the storm blows (an hour), SINCEFS_SOAK_MANY
# how many files come and go (a million). Last, a short storm and the operations
# with the daemon under valgrind, if that is there: a leak or a wrong access
# fails it.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/../mount" && pwd)
seconds=${SINCEFS_SOAK_SECONDS:-3600}
many=${SINCEFS_SOAK_MANY:-1000000}
python=${PYTHON3:-python3}
: "${SINCEFS:?the command under test; make soak sets it}"

echo "-- $many files come and go"
SINCEFS_TEST_SLOW=$((many / 50000 + 1)) SINCEFS_TEST_MANY=$many \
	"$python" "$here/test-resources.py"

echo "-- a storm of $seconds s"
SINCEFS_TEST_STORM_SECONDS=$seconds "$python" "$here/test-storm.py"

if ! command -v valgrind >/dev/null 2>&1; then
	echo "-- no valgrind on this machine: that part is left out"
	exit 0
fi
echo "-- under valgrind"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
cat >"$logs/sincefs" <<EOF
#!/bin/sh
exec valgrind -q --leak-check=full --errors-for-leak-kinds=definite \\
	--log-file="$logs/log.%p" "$SINCEFS" "\$@"
EOF
chmod +x "$logs/sincefs"
for test in test-operations.py test-links.py test-mappings.py test-storm.py; do
	SINCEFS=$logs/sincefs SINCEFS_TEST_SLOW=10 \
		SINCEFS_TEST_STORM_SECONDS=30 "$python" "$here/$test"
done
found=$(find "$logs" -name 'log.*' -size +0)
if [ -n "$found" ]; then
	# shellcheck disable=SC2086 # a list
	cat $found
	exit 1
fi
echo "valgrind has nothing to say"
