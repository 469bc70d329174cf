// SPDX-License-Identifier: Apache-2.0
#include "core/gtid.h"

#include "base/check.h"

enum { COORDINATOR_CHARACTERS = COORDINATOR_TEXT_BYTES - 1 };

static const char crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char base36[] = "0123456789abcdefghijklmnopqrstuvwxyz";

static bool is_gtid_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == ':' || c == '-';
}

bool gtid_valid(struct slice text)
{
    const char *p = text.data;
    if (text.size < 1 || text.size > LIMIT_GTID_BYTES)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (!is_gtid_character(p[i]))
            return false;
    return true;
}

bool gtid_from(struct slice text, struct gtid *ret)
{
    if (!gtid_valid(text))
        return false;
    // Zeroes behind the text: equal gtids are equal bytes.
    struct gtid g = {.size = (uint8_t)text.size};
    memcpy(g.text, text.data, text.size);
    *ret = g;
    return true;
}

void coordinator_text(uint64_t coordinator, char ret[COORDINATOR_TEXT_BYTES])
{
    CHECK(coordinator >> COORDINATOR_BITS == 0);
    for (int i = COORDINATOR_CHARACTERS - 1; i >= 0; i--, coordinator >>= 5)
        ret[i] = crockford[coordinator & 31];
    ret[COORDINATOR_CHARACTERS] = '\0';
}

static void append_number(struct gtid *g, uint64_t number)
{
    char digits[13]; // 36^13 > 2^64
    int count = 0;
    do
        digits[count++] = base36[number % 36];
    while ((number /= 36) > 0);
    g->text[g->size++] = '.';
    while (count > 0)
        g->text[g->size++] = digits[--count];
}

void gtid_make(const struct gtid_parts *parts, struct gtid *ret)
{
    struct gtid g = {.size = COORDINATOR_CHARACTERS};
    coordinator_text(parts->coordinator, g.text);
    append_number(&g, parts->incarnation);
    append_number(&g, parts->lease_ms);
    append_number(&g, parts->number);
    memset(g.text + g.size, 0, sizeof g.text - g.size);
    *ret = g;
}

static int base36_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : -1;
}

static int crockford_digit(char c)
{
    static const int8_t letters[] = {10, 11, 12, 13, 14, 15, 16, 17, -1, 18, 19, -1, 20,
                                     21, -1, 22, 23, 24, 25, 26, -1, 27, 28, 29, 30, 31};
    int digit = base36_digit(c);
    return digit < 10 ? digit : letters[digit - 10];
}

// ".<number>" at *at. Only the form that gtid_make writes is taken, so that a gtid has one reading.
static bool read_number(const struct gtid *g, size_t *at, uint64_t *ret)
{
    size_t i = *at;
    if (i >= g->size || g->text[i] != '.')
        return false;
    size_t first = ++i;
    uint64_t number = 0;
    for (; i < g->size && g->text[i] != '.'; i++) {
        int digit = base36_digit(g->text[i]);
        if (digit < 0 || number > UINT64_MAX / 36 || number * 36 > UINT64_MAX - (uint64_t)digit)
            return false;
        number = number * 36 + (uint64_t)digit;
    }
    bool padded = g->text[first] == '0' && i > first + 1;
    if (i == first || padded)
        return false;
    *at = i;
    *ret = number;
    return true;
}

bool gtid_parse(const struct gtid *g, struct gtid_parts *ret)
{
    struct gtid_parts parts = {0};
    if (g->size < COORDINATOR_CHARACTERS)
        return false;
    for (int i = 0; i < COORDINATOR_CHARACTERS; i++) {
        int digit = crockford_digit(g->text[i]);
        if (digit < 0)
            return false;
        parts.coordinator = parts.coordinator << 5 | (uint64_t)digit;
    }
    size_t at = COORDINATOR_CHARACTERS;
    if (!read_number(g, &at, &parts.incarnation) || !read_number(g, &at, &parts.lease_ms) ||
        !read_number(g, &at, &parts.number) || at != g->size)
        return false;
    *ret = parts;
    return true;
}
