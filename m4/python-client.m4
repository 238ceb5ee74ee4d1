# SPDX-License-Identifier: MIT

# SINCEFS_PYTHON_CLIENT: the Python that the client is installed for (PYTHON, or
# ":"), and where to: pythondir. Without Python nothing fails.
#
# What is installed must be found by "import sincefs". Automake takes
# PREFIX/lib/python3.N/site-packages; Debian's Python looks into dist-packages
# instead, which differ for /usr and /usr/local. So where the interpreter does
# not look into the first, a directory of that sort below PREFIX is taken that
# it does look into; for any other PREFIX, automake's.
AC_DEFUN([SINCEFS_PYTHON_CLIENT], [
	AS_IF([test "x$PYTHON" = x &&
		"$PYTHON3" -c 'import sys; sys.exit(sys.version_info < (3, 9))' \
		>&AS_MESSAGE_LOG_FD 2>&1],
		[PYTHON=$PYTHON3])
	AM_PATH_PYTHON([3.9], [], [PYTHON=:])
	AM_CONDITIONAL([HAVE_PYTHON], [test "x$PYTHON" != x:])
	AS_IF([test "x$PYTHON" != x:], [
		AC_MSG_CHECKING([where $PYTHON finds packages below the prefix])
		sincefs_prefix=$prefix
		AS_IF([test "x$sincefs_prefix" = xNONE],
			[sincefs_prefix=$ac_default_prefix])
		sincefs_tail=`"$PYTHON" -I -c '
import os, sys
prefix, automakes = sys.argv[[1]].rstrip("/") + "/", sys.argv[[2]]
ours = [[path[len(prefix):] for path in sys.path
         if path.startswith(prefix + "lib") and
         os.path.basename(path) in ("site-packages", "dist-packages")]]
if ours and automakes not in ours:
    print("/" + ours[[0]])
' "$sincefs_prefix" "lib/python$PYTHON_VERSION/site-packages"`
		AS_IF([test "x$sincefs_tail" != x],
			[pythondir='${PYTHON_PREFIX}'$sincefs_tail])
		AC_MSG_RESULT([$pythondir])])
])
