#!/bin/sh
# SPDX-License-Identifier: MIT
#
# tally.sh BUILDDIR: what the last "make check" in BUILDDIR came to. Prints how
# many cases the unit tests have, the totals of automake's harness, and last a
# line "N passed, N failed", with ", N skipped" when some were. Exits 1 unless at
# least one test passed and none failed.
set -eu

builddir=${1:?usage: tally.sh BUILDDIR}
suite=$builddir/test-suite.log

if [ ! -e "$suite" ]; then
	echo "no test was run: there is no $suite" >&2
	echo "0 passed, 1 failed"
	exit 1
fi

# libcheck's line is "100%: Checks: 12, Failures: 0, Errors: 0".
find "$builddir/tests" -name 'check_*.log' -exec cat {} + |
	awk -F '[:,]' '
		/^[0-9]+%: Checks: / {
			cases += $3
			failures += $5
			errors += $7
			programs++
		}
		END {
			printf "unit tests: %d cases in %d programs, ", cases, programs
			printf "%d failures, %d errors\n", failures, errors
		}'

# The harness's log begins with a line for each result, "# PASS:  3"; the logs of
# what failed follow.
awk '
	/^# (TOTAL|PASS|SKIP|XFAIL|FAIL|XPASS|ERROR): / {
		kind = substr($2, 1, length($2) - 1)
		n[kind] = $3
		line = line " " kind " " $3
	}
	/^\.\. contents/ { exit }
	END {
		passed = n["PASS"] + n["XFAIL"]
		failed = n["FAIL"] + n["XPASS"] + n["ERROR"]
		print "harness:" line
		printf "%d passed, %d failed", passed, failed
		if (n["SKIP"] > 0)
			printf ", %d skipped", n["SKIP"]
		printf "\n"
		exit passed == 0 || failed > 0
	}' "$suite"
