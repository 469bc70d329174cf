// SPDX-License-Identifier: Apache-2.0
// Structured logs, one line an event: logfmt by default, JSON by option. Thread-safe; a line is one
// write(2), so lines of several threads or processes do not mix.
//
//     log_event(LOG_INFO, "recovered", KV("transactions", count), KV("log", path));
//
// writes
//
//     ts=2025-01-31T12:00:00.123Z level=info program=assentd event=recovered transactions=3 log=/x
#ifndef BASE_LOGGER_H
#define BASE_LOGGER_H

#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

// Until it is called: info and above, logfmt, standard error, program "assent". `program` is
// copied. May be called again, when a configuration is read anew.
void logger_setup(enum log_level least, enum log_format format, int fd, const char *program);
// "debug", "info", "warn", "error"; "logfmt", "json". False, and *ret untouched, for others.
bool logger_level_parse(const char *text, enum log_level *ret);
bool logger_format_parse(const char *text, enum log_format *ret);
bool logger_on(enum log_level level);

// A value under a key. Made by KV; keys are literals of lower-case letters, digits and '_'.
struct log_field {
    const char *key;
    enum { LOG_FIELD_INT, LOG_FIELD_UINT, LOG_FIELD_BOOL, LOG_FIELD_DOUBLE, LOG_FIELD_TEXT } type;
    union {
        int64_t i;
        uint64_t u;
        bool b;
        double d;
        struct slice text; // borrowed; any bytes: what is not UTF-8 is made safe
    } u;
};

// KV(key, value): any integer, bool (a variable: true itself is an int in C), double, C string
// (NULL is written as empty) or struct slice.
#define KV(key, value)                                                                             \
    _Generic((value),                                                                              \
        bool: log_field_bool,                                                                      \
        char: log_field_int,                                                                       \
        signed char: log_field_int,                                                                \
        short: log_field_int,                                                                      \
        int: log_field_int,                                                                        \
        long: log_field_int,                                                                       \
        long long: log_field_int,                                                                  \
        unsigned char: log_field_uint,                                                             \
        unsigned short: log_field_uint,                                                            \
        unsigned: log_field_uint,                                                                  \
        unsigned long: log_field_uint,                                                             \
        unsigned long long: log_field_uint,                                                        \
        float: log_field_double,                                                                   \
        double: log_field_double,                                                                  \
        char *: log_field_text,                                                                    \
        const char *: log_field_text,                                                              \
        struct slice: log_field_slice)(key, value)

// log_event(level, "event_name", KV(...), ...): the values are not evaluated when the level is off.
// Long values are cut; fields that no longer fit in the line are left out, and that is said.
#define log_event(level, ...)                                                                      \
    do {                                                                                           \
        if (logger_on(level))                                                                      \
            LOG_EVENT_WITH(level, __VA_ARGS__, {0});                                               \
    } while (0)
#define LOG_EVENT_WITH(level, event, ...)                                                          \
    logger_write(level, event, (const struct log_field[]){__VA_ARGS__})

// `fields` ends with one whose key is NULL.
void logger_write(enum log_level level, const char *event, const struct log_field *fields);

static inline struct log_field log_field_int(const char *key, int64_t i)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_INT, .u.i = i};
}

static inline struct log_field log_field_uint(const char *key, uint64_t u)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_UINT, .u.u = u};
}

static inline struct log_field log_field_bool(const char *key, bool b)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_BOOL, .u.b = b};
}

static inline struct log_field log_field_double(const char *key, double d)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_DOUBLE, .u.d = d};
}

static inline struct log_field log_field_slice(const char *key, struct slice text)
{
    return (struct log_field){.key = key, .type = LOG_FIELD_TEXT, .u.text = text};
}

static inline struct log_field log_field_text(const char *key, const char *text)
{
    return log_field_slice(key, slice_text(text));
}

// A limiter for what hostile or broken peers can cause: at most `burst` lines in `per_ms`.
// Not thread-safe.
struct log_limit {
    uint32_t burst;
    uint32_t per_ms;
    uint64_t window_ms; // when the present window began
    uint32_t used;
    uint64_t suppressed;
};
// False when the line should be left out. *ret_suppressed: how many were since the last that
// passed.
bool log_limit_allow(struct log_limit *limit, uint64_t now_ms, uint64_t *ret_suppressed);

#endif
