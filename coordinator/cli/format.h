// SPDX-License-Identifier: Apache-2.0
// Times, sizes and texts, as people read them.
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AGE_TEXT_BYTES = 24, TIME_TEXT_BYTES = 32 };

// A duration in its two largest units: "0ms", "850ms", "12.3s", "3m 12s", "4h 05m", "6d 03h".
// Returns ret.
const char *format_age(uint64_t ms, char ret[AGE_TEXT_BYTES]);

// A moment in local time, to the millisecond: "2025-01-31 12:00:01.123". Returns ret.
const char *format_time(uint64_t ms, char ret[TIME_TEXT_BYTES]);

// The inverse of format_age, for options: "500ms", "90s", "10m", "2h", "3d", or two of them without
// a space ("1h30m"); a plain number is seconds. False for anything else, or more than 10,000 days.
bool parse_age(const char *text, uint64_t *ret_ms);

// Copies text for a terminal: control characters, bytes that are no UTF-8, and characters that
// change the direction of what follows become '?'. Cut after size - 1 bytes. Returns ret.
const char *format_clean(const char *text, char *ret, size_t size);

#endif
