// SPDX-License-Identifier: Apache-2.0
#include "sql_text.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { MARKS = 32 };

// Behind what begins at `at` and is no SQL of its own: a text, a name in quotes, a comment. NULL:
// it does not end. `at` itself: nothing of the kind begins there.
static const char *skip(const char *at)
{
    const char *end = at;
    if (*at == '\'' || *at == '"' || *at == '`')
        end = strchr(at + 1, *at); // a doubled quote is a text behind a text
    else if (at[0] == '-' && at[1] == '-')
        return at + strcspn(at, "\n");
    else if (at[0] == '/' && at[1] == '*')
        end = strstr(at + 2, "*/");
    else
        return at;
    if (!end)
        return NULL;
    return *at == '/' ? end + 2 : end + 1;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

// The number behind a '$'; 0: there is none that could be a mark.
static unsigned mark_at(const char *at)
{
    unsigned number = 0;
    for (int i = 0; i < 3 && isdigit((unsigned char)*at); i++)
        number = number * 10 + (unsigned)(*at++ - '0');
    return isdigit((unsigned char)*at) ? 0 : number;
}

bool sql_marks(const char *sql, uint32_t *ret)
{
    uint32_t marks = 0;
    for (const char *at = sql; *at;) {
        const char *next = skip(at);
        if (!next)
            return false;
        if (next != at) {
            at = next;
            continue;
        }
        if (*at == '$' && isdigit((unsigned char)at[1]) && (at == sql || !is_name(at[-1]))) {
            unsigned number = mark_at(at + 1);
            if (number < 1 || number > MARKS)
                return false;
            marks |= UINT32_C(1) << (number - 1);
        }
        at++;
    }
    *ret = marks;
    return true;
}

bool sql_is_work(const char *sql)
{
    static const char *const words[] = {"select",  "insert", "update", "delete",
                                        "replace", "merge",  "with",   "call"};
    sql += strspn(sql, " \t\r\n(");
    size_t size = 0;
    while (is_name(sql[size]))
        size++;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == size && strncasecmp(words[i], sql, size) == 0)
            return true;
    return false;
}
