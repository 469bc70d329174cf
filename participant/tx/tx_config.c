// SPDX-License-Identifier: Apache-2.0
// The part of ZPL (the language of assentd.conf) that is needed: keys with values, and sections
// whose keys are indented by four spaces. Read by hand, so that every message has its line.
#include "tx_config.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/gtid.h"

enum { LINE_BYTES_MAX = 2048, INDENT = 4, DEFAULT_WAIT_MS = 10000, DEFAULT_OUTCOME_MS = 60000 };

static const char section_name[] = "resource-manager";

struct key {
    const char *name;
    size_t offset;
    size_t size; // of a text; 0: a number of milliseconds
};

#define TEXT(type, name, field)                                                                    \
    {                                                                                              \
        name, offsetof(struct type, field), sizeof((struct type *)NULL)->field                     \
    }
#define NUMBER(name, field)                                                                        \
    {                                                                                              \
        name, offsetof(struct tx_config, field), 0                                                 \
    }

static const struct key file_keys[] = {
    TEXT(tx_config, "endpoint", endpoint),
    TEXT(tx_config, "certificate", certificate),
    TEXT(tx_config, "server-certificate", server_certificate),
    NUMBER("connect-timeout-ms", connect_timeout_ms),
    NUMBER("answer-timeout-ms", answer_timeout_ms),
    NUMBER("outcome-timeout-ms", outcome_timeout_ms),
    {0},
};

static const struct key resource_keys[] = {
    TEXT(tx_resource, "resource", name), TEXT(tx_resource, "library", library),
    TEXT(tx_resource, "symbol", symbol), TEXT(tx_resource, "open", open),
    TEXT(tx_resource, "close", close),   {0},
};

struct reader {
    struct tx_config *config;
    unsigned line;
    unsigned given; // bit n: key n of the present section was given
    unsigned given_at_top;
    bool in_resource;
    assent_error *error;
};

static int bad(const struct reader *r, const char *what, const char *about)
{
    return error_set(r->error, ASSENT_CONFIG, "%s:%u: %s%s", r->config->path, r->line, about, what);
}

// Cuts blanks, and a comment, off the end of an unquoted text.
static void trim(char *text)
{
    text[strcspn(text, "#\r\n")] = '\0';
    size_t size = strlen(text);
    while (size > 0 && isblank((unsigned char)text[size - 1]))
        text[--size] = '\0';
}

// What stands behind '=': NULL, and *wrong, when that is no value.
static char *value_of(char *text, const char **wrong)
{
    text += strspn(text, " \t");
    if (*text != '"' && *text != '\'') {
        trim(text);
        return text;
    }
    char *end = strchr(text + 1, *text);
    if (!end) {
        *wrong = "the quotes are not closed";
        return NULL;
    }
    *end = '\0';
    trim(end + 1);
    if (end[1 + strspn(end + 1, " \t")] != '\0') {
        *wrong = "there is more behind the quotes";
        return NULL;
    }
    return text + 1;
}

static int set_number(const struct reader *r, const char *name, const char *value, uint32_t *ret)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    if (!isdigit((unsigned char)value[0]) || *end || errno || number < 1 || number > 86400000)
        return bad(r, " is a number of milliseconds, 1 to 86400000", name);
    *ret = (uint32_t)number;
    return ASSENT_OK;
}

static int set_key(struct reader *r, const struct key *keys, void *target, const char *name,
                   const char *value)
{
    const struct key *key = keys;
    while (key->name && strcmp(key->name, name) != 0)
        key++;
    if (!key->name)
        return bad(r, ": no such key", name);
    if (r->given & 1U << (key - keys))
        return bad(r, ": given twice", name);
    r->given |= 1U << (key - keys);
    char *to = (char *)target + key->offset;
    if (key->size == 0)
        return set_number(r, name, value, (uint32_t *)(void *)to);
    if (strlen(value) >= key->size)
        return bad(r, ": the value is too long", name);
    memcpy(to, value, strlen(value) + 1);
    return ASSENT_OK;
}

// What a section must have said, once it has ended.
static int resource_check(struct reader *r)
{
    if (!r->in_resource)
        return ASSENT_OK;
    struct tx_config *config = r->config;
    const struct tx_resource *resource = &config->resources[config->resource_count - 1];
    r->in_resource = false;
    r->line = resource->line;
    if (!gtid_valid(slice_text(resource->name)))
        return bad(r, ": 'resource' is 1 to 64 of [A-Za-z0-9._:-], as its participant is called",
                   section_name);
    if (!*resource->symbol)
        return bad(r, ": 'symbol' is missing, the name of the XA switch in its library",
                   section_name);
    for (unsigned i = 0; i + 1 < config->resource_count; i++) {
        if (strcmp(config->resources[i].name, resource->name) == 0)
            return bad(r, ": there is another one of that name", resource->name);
    }
    return ASSENT_OK;
}

static int section_begin(struct reader *r)
{
    unsigned line = r->line;
    int code = resource_check(r);
    if (code)
        return code;
    r->line = line;
    if (r->config->resource_count == TX_RESOURCES_MAX)
        return bad(r, ": too many of them", section_name);
    struct tx_resource *resource = &r->config->resources[r->config->resource_count++];
    memset(resource, 0, sizeof *resource);
    resource->line = line;
    r->in_resource = true;
    r->given = 0;
    return ASSENT_OK;
}

static int top_line(struct reader *r, const char *name, const char *value)
{
    if (strcmp(name, section_name) == 0)
        return *value ? bad(r, ": a section, it has no value", name) : section_begin(r);
    unsigned line = r->line;
    int code = resource_check(r);
    if (code)
        return code;
    r->line = line;
    r->given = r->given_at_top;
    code = set_key(r, file_keys, r->config, name, value);
    r->given_at_top = r->given;
    return code;
}

static int take_line(struct reader *r, char *text)
{
    size_t indent = strspn(text, " ");
    char *name = text + indent;
    if (strchr("#\r\n", *name)) // the NUL too
        return ASSENT_OK;
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    char *rest = name + size + strspn(name + size, " \t");
    if (size == 0 || (indent != 0 && indent != INDENT))
        return bad(r,
                   "a key or a section was expected; keys of a section are indented by four "
                   "spaces",
                   "");
    const char *wrong = NULL;
    const char *value = "";
    if (*rest == '=')
        value = value_of(rest + 1, &wrong);
    else if (!strchr("#\r\n", *rest))
        wrong = "'=' was expected behind the key";
    if (wrong)
        return bad(r, wrong, "");
    name[size] = '\0';
    if (indent == 0)
        return top_line(r, name, value);
    if (!r->in_resource)
        return bad(r, ": an indented key, but there is no section", name);
    return set_key(r, resource_keys, &r->config->resources[r->config->resource_count - 1], name,
                   value);
}

static int read_lines(struct reader *r, FILE *in)
{
    char text[LINE_BYTES_MAX];
    int code = ASSENT_OK;
    while (!code && fgets(text, sizeof text, in)) {
        r->line++;
        if (!strchr(text, '\n') && strlen(text) + 1 == sizeof text)
            code = bad(r, "the line is too long", "");
        else
            code = take_line(r, text);
    }
    if (!code && ferror(in))
        code = error_set(r->error, ASSENT_CONFIG, "%s: %s", r->config->path, strerror(errno));
    if (!code)
        code = resource_check(r);
    if (!code && r->config->resource_count == 0)
        code = error_set(r->error, ASSENT_CONFIG, "%s: there is no section %s", r->config->path,
                         section_name);
    return code;
}

int tx_config_load(struct tx_config *ret, const char *path, assent_error *error)
{
    memset(ret, 0, sizeof *ret);
    ret->connect_timeout_ms = DEFAULT_WAIT_MS;
    ret->answer_timeout_ms = DEFAULT_WAIT_MS;
    ret->outcome_timeout_ms = DEFAULT_OUTCOME_MS;
    if (strlen(path) >= sizeof ret->path)
        return error_set(error, ASSENT_CONFIG, "the name of the configuration is too long");
    memcpy(ret->path, path, strlen(path) + 1);
    FILE *in = fopen(path, "re");
    if (!in)
        return error_set(error, ASSENT_CONFIG, "%s: %s", path, strerror(errno));
    struct reader r = {.config = ret, .error = error};
    int code = read_lines(&r, in);
    fclose(in);
    return code;
}
