// SPDX-License-Identifier: Apache-2.0
// The fuzzer's bytes as a supply of small decisions. Past the end every answer is 0.
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *data;
    size_t size, at;
};

static inline bool input_left(const struct input *in)
{
    return in->at < in->size;
}

static inline uint8_t input_byte(struct input *in)
{
    return input_left(in) ? in->data[in->at++] : 0;
}

static inline unsigned input_below(struct input *in, unsigned bound)
{
    return bound > 1 ? input_byte(in) % bound : 0;
}

#endif
