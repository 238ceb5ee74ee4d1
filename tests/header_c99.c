/* SPDX-License-Identifier: MIT */
/*
 * A strict C99 program that begins with one public header, and includes it
 * again. Compiled by test-public-headers.sh with HEADER defined.
 */
#include HEADER
#include HEADER

#include <stddef.h>

/* Some compilers look for padding only where a size is asked for. */
extern const size_t sizes[];
const size_t sizes[] = {
	sizeof(struct sincefs_token),
	sizeof(struct sincefs_info),
	sizeof(struct sincefs_tree),
	sizeof(struct sincefs_record),
	sizeof(struct sincefs_page),
	sizeof(struct sincefs_scan),
	sizeof(struct sincefs_clock_page_name),
	sizeof(struct sincefs_stats),
#ifdef SINCEFS_SINCEFS_H
	sizeof(struct sincefs_filter),
	sizeof(struct sincefs_change),
#endif
};
