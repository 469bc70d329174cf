// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    char **argv;
    int argc, at;
    char *name;        // of the option at hand, with its dashes; owned
    const char *value; // that came behind '='; NULL: none
};

typedef int option_apply(struct options *o, struct cursor *at, int argument, assent_error *error);

static int usage_error(assent_error *error, const char *name, const char *what)
{
    return error_set(error, ASSENT_INVALID, "%s: %s (see assentd --help)", name, what);
}

// The value of the option at hand: behind '=', or the next argument.
static int need_value(struct cursor *at, const char **ret, assent_error *error)
{
    const char *value = at->value;
    if (!value && at->at + 1 < at->argc)
        value = at->argv[++at->at];
    if (!value)
        return usage_error(error, at->name, "a value is missing");
    *ret = value;
    return ASSENT_OK;
}

static int add_setting(struct options *o, const char *path, size_t path_size, const char *value,
                       assent_error *error)
{
    struct options_setting *settings = realloc(o->settings, (o->count + 1) * sizeof *settings);
    if (!settings)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    o->settings = settings;
    char *copy = strndup(path, path_size);
    if (!copy)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    settings[o->count++] = (struct options_setting){.path = copy, .value = value};
    return ASSENT_OK;
}

static int apply_what(struct options *o, struct cursor *at, int argument, assent_error *error)
{
    if (at->value)
        return usage_error(error, at->name, "takes no value");
    o->what = (enum options_what)argument;
    return ASSENT_OK;
}

static int apply_print(struct options *o, struct cursor *at, int argument, assent_error *error)
{
    (void)argument;
    bool markdown = at->value && strcmp(at->value, "markdown") == 0;
    if (at->value && !markdown && strcmp(at->value, "zpl") != 0)
        return usage_error(error, at->name, "the form is zpl or markdown");
    o->what = markdown ? OPTIONS_PRINT_MARKDOWN : OPTIONS_PRINT_CONFIG;
    return ASSENT_OK;
}

static int apply_config(struct options *o, struct cursor *at, int argument, assent_error *error)
{
    (void)argument;
    return need_value(at, &o->config_file, error);
}

static int apply_ready_fd(struct options *o, struct cursor *at, int argument, assent_error *error)
{
    (void)argument;
    const char *value;
    int code = need_value(at, &value, error);
    if (code)
        return code;
    char *end;
    errno = 0;
    long fd = strtol(value, &end, 10);
    if (end == value || *end || errno || fd < 0 || fd > 1 << 20)
        return usage_error(error, at->name, "not a file descriptor");
    o->ready_fd = (int)fd;
    return ASSENT_OK;
}

static int apply_set(struct options *o, struct cursor *at, int argument, assent_error *error)
{
    (void)argument;
    const char *pair;
    int code = need_value(at, &pair, error);
    if (code)
        return code;
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return usage_error(error, at->name, "what follows must read section/key=value");
    return add_setting(o, pair, (size_t)(equals - pair), equals + 1, error);
}

static int set_key(struct options *o, struct cursor *at, const char *path, assent_error *error)
{
    const char *value;
    int code = need_value(at, &value, error);
    return code ? code : add_setting(o, path, strlen(path), value, error);
}

static int apply_listen(struct options *o, struct cursor *at, int argument, assent_error *error)
{
    (void)argument;
    return set_key(o, at, "listen/endpoint", error);
}

static int apply_level(struct options *o, struct cursor *at, int argument, assent_error *error)
{
    (void)argument;
    return set_key(o, at, "logging/level", error);
}

static const struct option_row {
    const char *name, *value, *about;
    option_apply *apply;
    int argument;
} rows[] = {
    {"--config", "FILE", "read the configuration from FILE", apply_config, 0},
    {"--data-dir", "DIR", "the one directory that holds everything", NULL, 0},
    {"--listen", "ENDPOINT", "ipc://PATH or tcp://ADDRESS:PORT; may be repeated", apply_listen, 0},
    {"--log-level", "LEVEL", "debug, info, warn or error", apply_level, 0},
    {"--set", "KEY=VALUE", "set any key of the configuration, as in --set limits/branches=8",
     apply_set, 0},
    {"--ready-fd", "N", "write a byte to descriptor N, and close it, once listening",
     apply_ready_fd, 0},
    {"--print-config", "", "print the configuration that applies, with comments", apply_print, 0},
    {"--check", "", "check the configuration and exit", apply_what, OPTIONS_CHECK},
    {"--list-crash-points", "", "list what ASSENT_CRASH_POINT can name", apply_what,
     OPTIONS_LIST_CRASH_POINTS},
    {"--version", "", "print the version", apply_what, OPTIONS_VERSION},
    {"--help", "", "print this", apply_what, OPTIONS_HELP},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

void options_usage(FILE *out)
{
    fputs("usage: assentd [OPTION]...\n\n"
          "The transaction coordinator. It needs no options and no configuration.\n\n",
          out);
    for (int i = 0; i < ROWS; i++) {
        char left[32];
        snprintf(left, sizeof left, "%s %s", rows[i].name, rows[i].value);
        fprintf(out, "  %-22s %s\n", left, rows[i].about);
    }
    fputs("\nEvery key of the configuration is an option too: --timeouts-phase-one-ms=5000 is\n"
          "--set timeouts/phase-one-ms=5000. See assentd(8) and assentd.conf(5).\n",
          out);
}

// "--section-key" is the key "section/key".
static bool names_key(const char *name, const char *path)
{
    if (strncmp(name, "--", 2) != 0)
        return false;
    for (name += 2; *name && *path; name++, path++)
        if (*name != (*path == '/' ? '-' : *path))
            return false;
    return !*name && !*path;
}

static int apply_option(struct options *o, struct cursor *at, assent_error *error)
{
    for (int i = 0; i < ROWS; i++)
        if (rows[i].apply && strcmp(rows[i].name, at->name) == 0)
            return rows[i].apply(o, at, rows[i].argument, error);
    for (const struct config_key *key = config_keys(); key->path; key++)
        if (names_key(at->name, key->path))
            return set_key(o, at, key->path, error);
    return usage_error(error, at->name, "there is no such option");
}

int options_parse(struct options *ret, int argc, char **argv, assent_error *error)
{
    *ret = (struct options){.ready_fd = -1};
    struct cursor at = {.argv = argv, .argc = argc};
    int code = ASSENT_OK;
    for (at.at = 1; at.at < argc && !code; at.at++) {
        const char *argument = argv[at.at];
        size_t size = strcspn(argument, "=");
        if (strncmp(argument, "-", 1) != 0)
            return usage_error(error, argument, "an option was expected");
        at.value = argument[size] ? argument + size + 1 : NULL;
        at.name = strcmp(argument, "-h") == 0 ? strdup("--help") : strndup(argument, size);
        if (!at.name)
            return error_set(error, ASSENT_NOMEM, "out of memory");
        code = apply_option(ret, &at, error);
        free(at.name);
        if (ret->what == OPTIONS_HELP)
            break;
    }
    return code;
}

void options_free(struct options *o)
{
    for (size_t i = 0; i < o->count; i++)
        free(o->settings[i].path);
    free(o->settings);
    *o = (struct options){.ready_fd = -1};
}

static int apply_settings(const struct options *o, struct config *c, assent_error *error)
{
    unsigned long long seen = 0;
    int code = ASSENT_OK;
    for (size_t i = 0; i < o->count && !code; i++) {
        const struct options_setting *setting = &o->settings[i];
        const struct config_key *key = config_find(setting->path);
        unsigned long long bit = key ? 1ULL << (key - config_keys()) : 0;
        // A list on the command line stands for the whole list.
        if (key && !(seen & bit))
            config_clear_list(c, key);
        seen |= bit;
        code = config_set(c, setting->path, setting->value, error);
        if (code == ASSENT_CONFIG)
            error_prefix(error, "command line");
        if (!code)
            code = config_note(c, key, "command line", error);
    }
    return code;
}

int options_config(const struct options *o, struct config *ret, assent_error *error)
{
    struct config c;
    if (!config_init(&c))
        return error_set(error, ASSENT_NOMEM, "out of memory");
    int code = o->config_file ? config_load(&c, o->config_file, error) : ASSENT_OK;
    if (!code)
        code = apply_settings(o, &c, error);
    if (!code)
        code = config_check(&c, error);
    if (code)
        config_free(&c);
    else
        *ret = c;
    return code;
}
