// SPDX-License-Identifier: Apache-2.0
// Compiled into the verifier with -DTRACE: the events that a run has to show, as tests/model/check
// has encoded them (numbers in a file that $MODEL_EVENTS names: what stands in struct trace_header,
// then one number an event). As soon as a run has shown them all the trace is accepted.
#include <stdio.h>
#include <stdlib.h>

static struct trace_header {
    int branches, own_gtid, rm_durable, enlisted, attempts;
} trace_header;

static int *trace_events;
static int trace_count, trace_best;

static void trace_rejected(void)
{
    printf("matched %d\n", trace_best);
}

static void trace_load(void)
{
    const char *path = getenv("MODEL_EVENTS");
    FILE *file = path ? fopen(path, "r") : NULL;
    struct trace_header *h = &trace_header;
    if (!file || fscanf(file, "%d %d %d %d %d %d", &h->branches, &h->own_gtid, &h->rm_durable,
                        &h->enlisted, &h->attempts, &trace_count) != 6)
        exit(2);
    trace_events = calloc(trace_count + 1, sizeof *trace_events);
    for (int i = 0; trace_events && i < trace_count; i++) {
        if (fscanf(file, "%d", &trace_events[i]) != 1)
            exit(2);
    }
    fclose(file);
    atexit(trace_rejected);
}

static int trace_at(int at)
{
    if (at > trace_best)
        trace_best = at;
    if (at < trace_count)
        return trace_events[at];
    printf("accepted\n");
    exit(0);
}
