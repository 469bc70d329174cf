// SPDX-License-Identifier: Apache-2.0
#include "base/crash_point.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int crash_point_armed = -1;

static atomic_long passes_left;
static int deed = SIGKILL; // or SIGSTOP

static const struct {
    const char *name, *side, *about;
} points[] = {
#define X(name, side, about) {#name, side, about},
    CRASH_POINTS(X)
#undef X
};

static int point_of(const char *name, size_t size)
{
    for (int i = 0; i < CRASH_POINT_COUNT; i++)
        if (strlen(points[i].name) == size && memcmp(points[i].name, name, size) == 0)
            return i;
    return -1;
}

static const char stop_word[] = ":stop";

static bool ends_in_stop(const char *text)
{
    size_t size = strlen(text);
    return size >= strlen(stop_word) && strcmp(text + size - strlen(stop_word), stop_word) == 0;
}

int crash_point_arm(assent_error *error)
{
    const char *text = getenv("ASSENT_CRASH_POINT");
    if (!text || !*text)
        return ASSENT_OK;
    size_t size = strcspn(text, ":");
    const char *end_of_count = text + strlen(text);
    bool stops = ends_in_stop(text + size);
    if (stops)
        end_of_count -= strlen(stop_word);
    int point = point_of(text, size);
    if (point < 0)
        return error_set(error, ASSENT_INVALID, "ASSENT_CRASH_POINT: no crash point is named '%s'",
                         text);
    long passes = 1;
    if (text + size < end_of_count) {
        char *end;
        errno = 0;
        passes = strtol(text + size + 1, &end, 10);
        if (errno || end == text + size + 1 || end != end_of_count || passes < 1)
            return error_set(error, ASSENT_INVALID,
                             "ASSENT_CRASH_POINT: '%s' does not end in a count from 1", text);
    }
    atomic_store(&passes_left, passes);
    deed = stops ? SIGSTOP : SIGKILL;
    crash_point_armed = point;
    return ASSENT_OK;
}

const char *crash_point_name(enum crash_point point)
{
    return points[point].name;
}

void crash_point_list(FILE *out)
{
    for (int i = 0; i < CRASH_POINT_COUNT; i++)
        fprintf(out, "%-22s  %-11s  %s\n", points[i].name, points[i].side, points[i].about);
}

void crash_point_passed(enum crash_point point)
{
    if (atomic_fetch_sub(&passes_left, 1) != 1)
        return;
    dprintf(STDERR_FILENO, "crash point %s\n", points[point].name);
    // No handler, no flush, no destructor runs: what is in user space is lost, as in a real crash.
    // raise() ends this thread's way at this point: a signal to the process may reach another
    // first.
    raise(deed);
    while (deed == SIGKILL)
        pause();
}
