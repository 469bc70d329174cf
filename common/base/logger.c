// SPDX-License-Identifier: Apache-2.0
#include "base/logger.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_BYTES = 16384,
    LINE_TAIL_BYTES = 32, // kept free for the end of the line
    VALUE_BYTES = 2048,   // longer texts are cut
    PROGRAM_BYTES = 64
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"logfmt", "json"};

static struct {
    _Atomic int least;
    pthread_mutex_t lock; // guards the rest
    enum log_format format;
    int fd;
    char program[PROGRAM_BYTES];
} logger = {LOG_INFO, PTHREAD_MUTEX_INITIALIZER, LOG_LOGFMT, STDERR_FILENO, "assent"};

struct line {
    enum log_format format;
    bool full; // something did not fit
    size_t size;
    char text[LINE_BYTES];
};

void logger_setup(enum log_level least, enum log_format format, int fd, const char *program)
{
    pthread_mutex_lock(&logger.lock);
    logger.format = format;
    logger.fd = fd;
    snprintf(logger.program, sizeof logger.program, "%s", program);
    pthread_mutex_unlock(&logger.lock);
    atomic_store(&logger.least, (int)least);
}

static int name_find(const char *const *names, int count, const char *text)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

bool logger_level_parse(const char *text, enum log_level *ret)
{
    int found = name_find(level_names, 4, text);
    if (found >= 0)
        *ret = (enum log_level)found;
    return found >= 0;
}

bool logger_format_parse(const char *text, enum log_format *ret)
{
    int found = name_find(format_names, 2, text);
    if (found >= 0)
        *ret = (enum log_format)found;
    return found >= 0;
}

bool logger_on(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&logger.least, memory_order_relaxed);
}

static void put(struct line *line, const void *data, size_t size)
{
    if (line->full || size > LINE_BYTES - LINE_TAIL_BYTES - line->size) {
        line->full = true;
        return;
    }
    memcpy(line->text + line->size, data, size);
    line->size += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

// Length of the well-formed UTF-8 sequence at p (Unicode 15, table 3-7); 0 when there is none.
static size_t utf8_length(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < length)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool beyond = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || beyond ? 0 : length;
}

// Controls, also those of Latin-1, could play tricks on a terminal.
static void put_control(struct line *line, unsigned code)
{
    static const char short_form[] = "\b\f\n\r\t";
    const char *at = code ? strchr(short_form, (int)code) : NULL;
    char text[8];
    if (at)
        snprintf(text, sizeof text, "\\%c", "bfnrt"[at - short_form]);
    else
        snprintf(text, sizeof text, "\\u%04x", code);
    put_text(line, text);
}

static size_t put_character(struct line *line, const uint8_t *p, size_t left)
{
    size_t length = utf8_length(p, left);
    if (length == 0) {
        put_text(line, "\\ufffd");
        return 1;
    }
    if (p[0] == '"' || p[0] == '\\') {
        put(line, "\\", 1);
        put(line, p, 1);
    } else if (p[0] < 0x20 || p[0] == 0x7f)
        put_control(line, p[0]);
    else if (p[0] == 0xc2 && p[1] < 0xa0)
        put_control(line, p[1]);
    else
        put(line, p, length);
    return length;
}

static void put_quoted(struct line *line, struct slice text)
{
    const uint8_t *p = text.data;
    size_t shown = text.size > VALUE_BYTES ? VALUE_BYTES : text.size;
    // A cut must not fall into a character.
    while (shown < text.size && shown > 0 && (p[shown] & 0xc0) == 0x80 && VALUE_BYTES - shown < 3)
        shown--;
    put(line, "\"", 1);
    for (size_t i = 0; i < shown;)
        i += put_character(line, p + i, text.size - i);
    put_text(line, shown < text.size ? "...\"" : "\"");
}

static bool is_plain(struct slice text)
{
    const char *p = text.data;
    for (size_t i = 0; i < text.size; i++)
        if (p[i] <= ' ' || p[i] > '~' || p[i] == '"' || p[i] == '\\' || p[i] == '=')
            return false;
    return text.size > 0 && text.size <= VALUE_BYTES;
}

static void put_string(struct line *line, struct slice text)
{
    if (line->format == LOG_LOGFMT && is_plain(text))
        put(line, text.data, text.size);
    else
        put_quoted(line, text);
}

static void put_key(struct line *line, const char *key)
{
    bool json = line->format == LOG_JSON;
    bool first = line->size == 0;
    put_text(line, json ? (first ? "{\"" : ",\"") : (first ? "" : " "));
    put_text(line, key);
    put_text(line, json ? "\":" : "=");
}

static void put_value(struct line *line, const struct log_field *field)
{
    char number[48] = "";
    switch (field->type) {
    case LOG_FIELD_INT: snprintf(number, sizeof number, "%" PRId64, field->u.i); break;
    case LOG_FIELD_UINT: snprintf(number, sizeof number, "%" PRIu64, field->u.u); break;
    case LOG_FIELD_BOOL:
        snprintf(number, sizeof number, "%s", field->u.b ? "true" : "false");
        break;
    case LOG_FIELD_DOUBLE:
        // JSON has no infinities and no NaN.
        if (isfinite(field->u.d))
            snprintf(number, sizeof number, "%.6g", field->u.d);
        else
            snprintf(number, sizeof number, "null");
        break;
    case LOG_FIELD_TEXT: put_string(line, field->u.text); return;
    }
    put_text(line, number);
}

static void put_field(struct line *line, const struct log_field *field)
{
    size_t before = line->size;
    put_key(line, field->key);
    put_value(line, field);
    if (line->full)
        line->size = before;
}

static void put_time(struct line *line)
{
    struct timespec now;
    struct tm parts;
    char day[32], text[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%s.%03ldZ", day, now.tv_nsec / 1000000);
    struct log_field field = log_field_text("ts", text);
    put_field(line, &field);
}

static void put_end(struct line *line)
{
    bool full = line->full;
    line->full = false;
    const char *end = line->format == LOG_JSON ? (full ? ",\"truncated\":true}\n" : "}\n")
                                               : (full ? " truncated=true\n" : "\n");
    memcpy(line->text + line->size, end, strlen(end)); // LINE_TAIL_BYTES were kept for it
    line->size += strlen(end);
}

// A line that cannot be written (full disk, closed pipe) is lost: nothing better can be done here.
static void write_line(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

void logger_write(enum log_level level, const char *event, const struct log_field *fields)
{
    int saved_errno = errno;
    struct line line;
    char program[PROGRAM_BYTES];
    pthread_mutex_lock(&logger.lock);
    int fd = logger.fd;
    line.format = logger.format;
    memcpy(program, logger.program, sizeof program);
    pthread_mutex_unlock(&logger.lock);
    line.full = false;
    line.size = 0;
    put_time(&line);
    const struct log_field head[] = {KV("level", level_names[level]), KV("program", program),
                                     KV("event", event)};
    for (int i = 0; i < 3; i++)
        put_field(&line, &head[i]);
    for (; fields->key; fields++)
        put_field(&line, fields);
    put_end(&line);
    write_line(fd, line.text, line.size);
    errno = saved_errno;
}

bool log_limit_allow(struct log_limit *limit, uint64_t now_ms, uint64_t *ret_suppressed)
{
    if (now_ms - limit->window_ms >= limit->per_ms) {
        limit->window_ms = now_ms;
        limit->used = 0;
    }
    if (limit->used >= limit->burst) {
        limit->suppressed++;
        return false;
    }
    limit->used++;
    *ret_suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}
