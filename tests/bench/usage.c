// SPDX-License-Identifier: Apache-2.0
// What processes have used, by /proc; and what the coordinator counts, by `assent status`.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

// The number behind a name at the beginning of a line; 0: none.
static double field(const char *path, const char *name)
{
    char line[256];
    double value = 0;
    FILE *in = fopen(path, "r");
    while (in && fgets(line, sizeof line, in))
        if (strncmp(line, name, strlen(name)) == 0)
            value += strtod(line + strlen(name), NULL);
    if (in)
        fclose(in);
    return value;
}

struct usage usage_of(pid_t pid)
{
    struct usage usage = {0};
    char path[320];
    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    usage.written_bytes = field(path, "write_bytes:");
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        bench_die("a process has ended: %d", (int)pid);
    for (const struct dirent *task; (task = readdir(tasks));) {
        if (*task->d_name == '.')
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/schedstat", (int)pid, task->d_name);
        usage.cpu_us += field(path, "") / 1000; // its first number: nanoseconds
        snprintf(path, sizeof path, "/proc/%d/task/%.20s/status", (int)pid, task->d_name);
        usage.switches += field(path, "voluntary_ctxt_switches:");
        usage.switches += field(path, "nonvoluntary_ctxt_switches:");
    }
    closedir(tasks);
    return usage;
}

double usage_resident_bytes(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    return field(path, "VmRSS:") * 1024;
}

static double count(const json_t *status, const char *group, const char *name)
{
    const json_t *value = json_object_get(json_object_get(status, group), name);
    if (!json_is_integer(value))
        bench_die("assent status does not tell %s/%s", group, name);
    return (double)json_integer_value(value);
}

struct counters counters_of(const char *endpoint)
{
    char program[BENCH_PATH_MAX], command[2 * BENCH_PATH_MAX + 64];
    cluster_program("assent", program);
    snprintf(command, sizeof command, "'%s' status --json --endpoint '%s'", program, endpoint);
    FILE *in = popen(command, "r"); // NOLINT(cert-env33-c): a path of ours and one of the user's
    json_t *status = in ? json_loadf(in, 0, NULL) : NULL;
    if (!in || pclose(in) != 0 || !status)
        bench_die("assent status failed");
    struct counters counters = {
        .in_flight = count(status, "transactions", "now"),
        .messages = count(status, "net", "messages_in") + count(status, "net", "messages_out"),
        .frames = count(status, "net", "frames_in") + count(status, "net", "frames_out"),
        .net_bytes = count(status, "net", "bytes_in") + count(status, "net", "bytes_out"),
        .syncs = count(status, "log", "syncs"),
        .records = count(status, "log", "puts"),
        .log_bytes = count(status, "log", "bytes"),
    };
    json_decref(status);
    return counters;
}
