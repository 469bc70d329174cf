// SPDX-License-Identifier: Apache-2.0
// What every fuzz target defines. libFuzzer calls it with inputs of its own making; replay.c, in
// other builds, with the committed corpora. It returns 0 or, when the code under test is wrong,
// aborts.
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
