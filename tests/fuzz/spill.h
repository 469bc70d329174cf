// SPDX-License-Identifier: Apache-2.0
// The fuzzer's bytes as a file, for what reads files.
#ifndef FUZZ_SPILL_H
#define FUZZ_SPILL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SPILL_PATH_BYTES = 64 };

// A file without a name, of this content, that can be opened under `path` until it is closed.
FILE *spill(const uint8_t *data, size_t size, char path[SPILL_PATH_BYTES]);

#endif
