// SPDX-License-Identifier: Apache-2.0
#include "marks.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"

// Past the quotes that it begins with; a doubled quote is one more that begins.
static const char *skip_quotes(const char *at, bool backslashes)
{
    char quote = *at++;
    for (; *at && *at != quote; at++)
        if (*at == '\\' && backslashes && quote != '`' && at[1])
            at++;
    return *at ? at + 1 : at;
}

static const char *skip_line(const char *at)
{
    return at + strcspn(at, "\n");
}

static const char *skip_comment(const char *at)
{
    const char *end = strstr(at + 2, "*/");
    return end ? end + 2 : at + strlen(at);
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

// Past what cannot have a parameter within it; `at` itself where there is no such thing.
static const char *skip(const char *at, bool backslashes)
{
    if (*at == '\'' || *at == '"' || *at == '`')
        return skip_quotes(at, backslashes);
    if (*at == '#')
        return skip_line(at);
    // "--" begins a comment only with a blank after it: 5--1 is 6.
    if (at[0] == '-' && at[1] == '-' && (!at[2] || isspace((unsigned char)at[2])))
        return skip_line(at);
    if (at[0] == '/' && at[1] == '*')
        return skip_comment(at);
    if (is_name(*at) && *at != '$') { // a name may have a $ within it
        while (is_name(*at))
            at++;
    }
    return at;
}

static int take(const char **at, size_t values, struct marks *ret, assent_error *error)
{
    struct mark mark = {.from = *at, .to = *at + 1};
    while (isdigit((unsigned char)*mark.to) && mark.number <= MARKS_MAX)
        mark.number = mark.number * 10 + (unsigned)(*mark.to++ - '0');
    if (mark.number < 1 || mark.number > values || is_name(*mark.to))
        return error_set(error, ASSENT_INVALID,
                         "MariaDB: '%.*s' in a statement that is given %zu parameters",
                         (int)strcspn(*at, " \t\r\n,)"), *at, values);
    if (ret->count == MARKS_MAX)
        return error_set(error, ASSENT_INVALID, "MariaDB: more than %d parameters in a statement",
                         MARKS_MAX);
    ret->list[ret->count++] = mark;
    *at = mark.to;
    return ASSENT_OK;
}

int marks_find(const char *sql, size_t values, bool backslashes, struct marks *ret,
               assent_error *error)
{
    ret->count = 0;
    for (const char *at = sql; *at;) {
        const char *next = skip(at, backslashes);
        if (next != at) {
            at = next;
            continue;
        }
        if (*at == '?')
            return error_set(error, ASSENT_INVALID,
                             "MariaDB: a '?' in a statement: parameters are $1, $2, ...");
        if (*at != '$') {
            at++;
            continue;
        }
        int code = take(&at, values, ret, error);
        if (code)
            return code;
    }
    return ASSENT_OK;
}
