# SPDX-License-Identifier: MIT
#
# SINCEFS_APPEND_COMPILE_FLAGS(VARIABLE, FLAGS)
#
# Append to VARIABLE those of FLAGS that the C compiler knows. Clang only warns
# of an unknown warning flag, so that the question is asked with -Werror.

AC_DEFUN([SINCEFS_APPEND_COMPILE_FLAGS],
[for sincefs_flag in $2
do
	AS_VAR_PUSHDEF([cache],
		[AS_TR_SH([sincefs_cv_cc_flag_]$sincefs_flag)])
	AC_CACHE_CHECK([whether $CC accepts $sincefs_flag], [cache],
		[sincefs_save_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror $sincefs_flag"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
			[AS_VAR_SET([cache], [yes])],
			[AS_VAR_SET([cache], [no])])
		CFLAGS=$sincefs_save_CFLAGS])
	AS_VAR_IF([cache], [yes], [$1="$$1 $sincefs_flag"])
	AS_VAR_POPDEF([cache])
done])
