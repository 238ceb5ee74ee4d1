/* SPDX-License-Identifier: MIT */
/*
 * Give the files named on the command line to a fuzz target, one after the
 * other: the corpus as an ordinary test, with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SIZE_MAX_INPUT ((size_t)1 << 20)

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		uint8_t *data = malloc(SIZE_MAX_INPUT);
		uint8_t *exact;
		size_t size;

		if (file == NULL || data == NULL) {
			perror(argv[i]);
			return 1;
		}
		size = fread(data, 1, SIZE_MAX_INPUT, file);
		fclose(file);
		/* Nothing behind the input: a sanitizer sees a step too far. */
		exact = realloc(data, size > 0 ? size : 1);
		fprintf(stderr, "%s\n", argv[i]);
		LLVMFuzzerTestOneInput(exact != NULL ? exact : data, size);
		free(exact != NULL ? exact : data);
	}
	return 0;
}
