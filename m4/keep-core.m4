# SPDX-License-Identifier: MIT
#
# Autoconf takes a file called "core" for what a crashed test program left
# behind, and the configure script that it writes runs `rm -f core ...` after
# every test and in the trap at its end. Here core/ is a folder of sources: each
# such command prints an error when configuring in the source tree, and the trap
# gives up before it has removed confdefs.h.
#
# KEEP_CORE takes that one word out of the macros which write the commands. As
# this happens inside of autoconf, it holds for whatever runs autoconf, make's
# own rules included. Call it before AC_INIT. A macro that does not exist, or
# that looks otherwise in another version of autoconf, is left alone; bootstrap
# checks the script that comes out.

m4_define([_KEEP_CORE_IN],
	[m4_ifdef([$1],
		[m4_define([$1],
			m4_bpatsubst(m4_dquote(m4_defn([$1])),
				     [\(rm -r?f\) core ], [\1 ]))])])

m4_define([KEEP_CORE],
	[_KEEP_CORE_IN([_AC_INIT_PREPARE])
	_KEEP_CORE_IN([_AC_PREPROC_IFELSE])
	_KEEP_CORE_IN([_AC_COMPILE_IFELSE])
	_KEEP_CORE_IN([_AC_LINK_IFELSE])
	_KEEP_CORE_IN([_AC_RUN_IFELSE])
	_KEEP_CORE_IN([AC_PROG_CC_C_O])
	_KEEP_CORE_IN([_AM_PROG_CC_C_O])
	_KEEP_CORE_IN([AM_PROG_CC_C_O])])
