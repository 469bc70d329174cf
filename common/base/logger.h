// SPDX-License-Identifier: Apache-2.0
// Structured logs, one line an event: logfmt by default, JSON by option. Thread-safe.
#ifndef BASE_LOGGER_H
#define BASE_LOGGER_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

void logger_setup(enum log_level least, enum log_format format, int fd, const char *program);
bool logger_level_parse(const char *text, enum log_level *ret);
bool logger_on(enum log_level level);

// log_event(LOG_INFO, "recovered", "transactions", "%zu", n, "took_ms", "%u", ms, NULL): a name,
// then pairs of a key and a printf format that takes exactly one argument, which follows it, closed
// by NULL. Formats known: %s %d %u %zu %llu %" PRIu64 ". Values are quoted as the format needs.
void log_event(enum log_level level, const char *event, ...);

// A limiter for what hostile or broken peers can cause: at most `burst` lines in `per_ms`.
struct log_limit {
    uint32_t burst;
    uint32_t per_ms;
    uint64_t window_ms;
    uint32_t used;
    uint64_t suppressed;
};
// False when the line should be left out. *ret_suppressed: how many were since the last that
// passed.
bool log_limit_allow(struct log_limit *limit, uint64_t now_ms, uint64_t *ret_suppressed);

#endif
