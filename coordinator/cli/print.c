// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <string.h>

#include "cli.h"

enum exit_code exit_code_of(int code)
{
    switch ((enum assent_code)code) {
    case ASSENT_OK: return EXIT_OK;
    case ASSENT_UNAVAILABLE:
    case ASSENT_TIMEOUT: return EXIT_UNREACHABLE;
    case ASSENT_UNKNOWN: return EXIT_NOT_FOUND;
    case ASSENT_INVALID: return EXIT_USAGE;
    case ASSENT_CORRUPT:
    case ASSENT_BEHIND: return EXIT_DAMAGED;
    case ASSENT_LIMIT:
    case ASSENT_BUSY:
    case ASSENT_DENIED:
    case ASSENT_CONFLICT:
    case ASSENT_STATE:
    case ASSENT_FENCED:
    case ASSENT_VERSION:
    case ASSENT_CLOSED: return EXIT_REFUSED;
    case ASSENT_NOMEM:
    case ASSENT_IO:
    case ASSENT_LOCKED:
    case ASSENT_CONFIG:
    case ASSENT_INTERNAL: return EXIT_FAILED;
    }
    return EXIT_FAILED;
}

enum exit_code print_json(const struct cli *cli, json_t *result)
{
    json_t *whole = json_pack("{s:i, s:s}", "schema", CLI_SCHEMA, "verb", cli->verb->name);
    bool ok = whole && result && json_object_update_missing(whole, result) == 0 &&
              json_dumpf(whole, stdout, JSON_COMPACT) == 0;
    json_decref(whole);
    json_decref(result);
    if (ok) {
        putchar('\n');
        return EXIT_OK;
    }
    fprintf(stderr, "assent: the result could not be printed: out of memory, or output closed\n");
    return EXIT_FAILED;
}

static enum exit_code failed(const struct cli *cli, enum exit_code exit, const char *code,
                             const char *message)
{
    fflush(stdout);
    fprintf(stderr, "assent: %s\n", clean(message));
    if (cli->json)
        print_json(cli,
                   json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", clean(message)));
    return exit;
}

enum exit_code print_failed(const struct cli *cli, const assent_error *error)
{
    return failed(cli, exit_code_of(error->code), assent_code_name(error->code), error->message);
}

enum exit_code print_failed_as(const struct cli *cli, enum exit_code exit, const char *code,
                               const char *format, ...)
{
    char message[ASSENT_ERROR_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return failed(cli, exit, code, message);
}

const char *paint(const struct cli *cli, enum paint paint)
{
    static const char *const codes[] = {
        [PAINT_NONE] = "",         [PAINT_BOLD] = "\033[1m",   [PAINT_GOOD] = "\033[32m",
        [PAINT_WARN] = "\033[33m", [PAINT_BAD] = "\033[1;31m", [PAINT_DIM] = "\033[2m",
    };
    return cli->color ? codes[paint] : "";
}

const char *unpaint(const struct cli *cli)
{
    return cli->color ? "\033[0m" : "";
}

const char *clean(const char *text)
{
    static char rooms[4][CLEAN_BYTES];
    static unsigned next;
    return format_clean(text, rooms[next++ % 4], CLEAN_BYTES);
}

const char *member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

uint64_t member_count(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));
    return number > 0 ? (uint64_t)number : 0;
}

bool member_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool member_present(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value);
}

bool is(const json_t *object, const char *key, const char *value)
{
    return strcmp(member_text(object, key), value) == 0;
}
