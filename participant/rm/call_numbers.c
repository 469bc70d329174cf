// SPDX-License-Identifier: Apache-2.0
#include "call_numbers.h"

#include "assent/error.h"
#include "base/limits.h"

static size_t digits(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && text[i] >= '0' && text[i] <= '9')
        i++;
    return i;
}

// Bytes of the number, as RFC 8259 has it, at the beginning of the text; 0: none.
static size_t number_size(const char *text, size_t size)
{
    size_t at = size > 0 && text[0] == '-' ? 1 : 0;
    size_t whole = digits(text + at, size - at);
    if (whole == 0 || (whole > 1 && text[at] == '0'))
        return 0;
    at += whole;
    if (at < size && text[at] == '.') {
        size_t fraction = digits(text + at + 1, size - at - 1);
        if (fraction == 0)
            return 0;
        at += 1 + fraction;
    }
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < size && (text[at] == '+' || text[at] == '-'))
            at++;
        size_t exponent = digits(text + at, size - at);
        if (exponent == 0)
            return 0;
        at += exponent;
    }
    return at;
}

// Bytes of the JSON text that begins with the quote there, both quotes included; all that is left,
// if it does not end.
static size_t text_size(const char *text, size_t size)
{
    size_t at = 1;
    while (at < size && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    return at < size ? at + 1 : size;
}

int numbers_to_texts(const void *json, size_t size, struct buf *ret)
{
    const char *text = json;
    buf_init(ret, (size_t)LIMIT_PAYLOAD_BYTES * 3 + 3); // "[1,1]" has most: two quotes for a digit
    for (size_t at = 0; at < size;) {
        bool number = text[at] == '-' || (text[at] >= '0' && text[at] <= '9');
        size_t part = 1;
        if (number)
            part = number_size(text + at, size - at);
        else if (text[at] == '"')
            part = text_size(text + at, size - at);
        if (part == 0)
            return ASSENT_INVALID;
        if (number)
            buf_append(ret, "\"", 1);
        buf_append(ret, text + at, part);
        if (number)
            buf_append(ret, "\"", 1);
        at += part;
    }
    if (size == 0 || size > LIMIT_PAYLOAD_BYTES)
        return ASSENT_INVALID;
    return ret->failed ? ASSENT_NOMEM : ASSENT_OK;
}
