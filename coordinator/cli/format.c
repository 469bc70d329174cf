// SPDX-License-Identifier: Apache-2.0
#include "format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *format_age(uint64_t ms, char ret[AGE_TEXT_BYTES])
{
    uint64_t s = ms / 1000, m = s / 60, h = m / 60, d = h / 24;
    if (s == 0)
        snprintf(ret, AGE_TEXT_BYTES, "%" PRIu64 "ms", ms);
    else if (m == 0)
        snprintf(ret, AGE_TEXT_BYTES, "%" PRIu64 ".%" PRIu64 "s", s, ms % 1000 / 100);
    else if (h == 0)
        snprintf(ret, AGE_TEXT_BYTES, "%" PRIu64 "m %02" PRIu64 "s", m, s % 60);
    else if (d == 0)
        snprintf(ret, AGE_TEXT_BYTES, "%" PRIu64 "h %02" PRIu64 "m", h, m % 60);
    else
        snprintf(ret, AGE_TEXT_BYTES, "%" PRIu64 "d %02" PRIu64 "h", d, h % 24);
    return ret;
}

const char *format_time(uint64_t ms, char ret[TIME_TEXT_BYTES])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm local;
    char text[24];
    if (!localtime_r(&seconds, &local) ||
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(ret, TIME_TEXT_BYTES, "%" PRIu64 "ms", ms);
    else
        snprintf(ret, TIME_TEXT_BYTES, "%s.%03u", text, (unsigned)(ms % 1000));
    return ret;
}

static uint64_t unit_ms(const char **at)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t length = strlen(units[i].name);
        if (strncmp(*at, units[i].name, length) == 0) {
            *at += length;
            return units[i].ms;
        }
    }
    return 0;
}

bool parse_age(const char *text, uint64_t *ret_ms)
{
    const uint64_t most_ms = UINT64_C(10000) * 86400000;
    uint64_t sum_ms = 0;
    int parts = 0;
    do {
        uint64_t number = 0;
        const char *start = text;
        for (; *text >= '0' && *text <= '9'; text++) {
            number = number * 10 + (uint64_t)(*text - '0');
            if (number > most_ms)
                return false;
        }
        if (text == start)
            return false;
        uint64_t ms = *text == '\0' && parts == 0 ? 1000 : unit_ms(&text);
        if (ms == 0 || number > most_ms / ms)
            return false;
        sum_ms += number * ms;
    } while (*text != '\0' && ++parts < 2);
    if (*text != '\0' || sum_ms > most_ms)
        return false;
    *ret_ms = sum_ms;
    return true;
}

// Length of the UTF-8 character at `at` and its code point; 0 when there is none.
static size_t utf8_decode(const unsigned char *at, uint32_t *ret)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t n = 0; n < 4; n++) {
        if ((at[0] & forms[n].mask) != forms[n].lead)
            continue;
        uint32_t code = at[0] & (unsigned char)~forms[n].mask;
        for (size_t i = 1; i <= n; i++) {
            if ((at[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (at[i] & 0x3fu);
        }
        if (code < forms[n].least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return 0;
        *ret = code;
        return n + 1;
    }
    return 0;
}

static bool harmless(uint32_t code)
{
    bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    bool direction = (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                     (code >= 0x2066 && code <= 0x2069) || code == 0x061c;
    return !control && !direction;
}

const char *format_clean(const char *text, char *ret, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t used = 0;
    while (*at) {
        uint32_t code;
        size_t length = utf8_decode(at, &code);
        bool keep = length > 0 && harmless(code);
        size_t needed = keep ? length : 1;
        if (used + needed >= size)
            break;
        if (keep)
            memcpy(ret + used, at, length);
        else
            ret[used] = '?';
        used += needed;
        at += length > 0 ? length : 1;
    }
    ret[used] = '\0';
    return ret;
}
