// SPDX-License-Identifier: Apache-2.0
#include "options_file.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { LINE_BYTES_MAX = 4096, KEYS_MAX = 32 };

struct keys {
    char names[KEYS_MAX][32];
    unsigned count;
};

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

// Cuts the line into key and value. False: it is no such line; *key NULL: it says nothing.
static bool cut(char *line, const char **key, const char **value)
{
    char *at = (char *)skip_blanks(line);
    *key = NULL;
    if (!*at || *at == '#')
        return true;
    size_t size = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
    char *equals = (char *)skip_blanks(at + size);
    if (size == 0 || size >= sizeof((struct keys *)0)->names[0] || *equals != '=')
        return false;
    *key = at;
    char *begin = (char *)skip_blanks(equals + 1), *end;
    at[size] = '\0';
    if (*begin == '"' || *begin == '\'') {
        end = strchr(begin + 1, *begin);
        if (!end || (*skip_blanks(end + 1) && *skip_blanks(end + 1) != '#'))
            return false;
        begin++;
    } else {
        end = begin + strcspn(begin, "#");
        while (end > begin && strchr(" \t\r\n", end[-1]))
            end--;
    }
    *end = '\0';
    *value = begin;
    return true;
}

static bool seen(struct keys *keys, const char *key)
{
    for (unsigned i = 0; i < keys->count; i++)
        if (strcmp(keys->names[i], key) == 0)
            return true;
    if (keys->count < KEYS_MAX)
        snprintf(keys->names[keys->count++], sizeof keys->names[0], "%s", key);
    return false;
}

static int take_line(char *line, struct keys *keys, options_file_take *take, void *arg,
                     assent_error *error)
{
    const char *key, *value;
    if (strlen(line) == LINE_BYTES_MAX && line[LINE_BYTES_MAX - 1] != '\n')
        return error_set(error, ASSENT_CONFIG, "the line is longer than %d bytes", LINE_BYTES_MAX);
    if (!cut(line, &key, &value))
        return error_set(error, ASSENT_CONFIG, "not a line KEY = VALUE");
    if (!key)
        return ASSENT_OK;
    if (seen(keys, key))
        return error_set(error, ASSENT_CONFIG, "'%s' is given twice", key);
    return take(arg, key, value, error);
}

int options_file_read(const char *path, options_file_take *take, void *arg, assent_error *error)
{
    char line[LINE_BYTES_MAX + 1];
    struct keys keys = {.count = 0};
    FILE *in = fopen(path, "r");
    if (!in)
        return error_set(error, ASSENT_CONFIG, "%s: %s", path, strerror(errno));
    int code = ASSENT_OK;
    for (unsigned number = 1; !code && fgets(line, sizeof line, in); number++) {
        code = take_line(line, &keys, take, arg, error);
        if (code)
            error_prefix(error, "%s:%u", path, number);
    }
    if (!code && ferror(in))
        code = error_set(error, ASSENT_CONFIG, "%s: %s", path, strerror(errno));
    fclose(in);
    return code;
}
