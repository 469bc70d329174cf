// SPDX-License-Identifier: Apache-2.0
// One load, and what it cost.
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

// Of this process, and of those of clients that have ended.
static struct usage usage_of_clients(void)
{
    struct usage sum = {0};
    static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (unsigned i = 0; i < 2; i++) {
        struct rusage r;
        getrusage(whose[i], &r);
        sum.cpu_us += (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
                      (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
        sum.switches += (double)(r.ru_nvcsw + r.ru_nivcsw);
    }
    return sum;
}

static struct usage usage_of_participants(const struct cluster *c)
{
    struct usage sum = {0};
    for (unsigned i = 0; i < c->participant_count; i++) {
        struct usage one = usage_of(c->participants[i]);
        sum.cpu_us += one.cpu_us;
        sum.switches += one.switches;
        sum.written_bytes += one.written_bytes;
    }
    return sum;
}

static struct usage usage_since(struct usage now, struct usage then)
{
    return (struct usage){now.cpu_us - then.cpu_us, now.switches - then.switches,
                          now.written_bytes - then.written_bytes};
}

static struct counters counters_since(struct counters now, struct counters then)
{
    return (struct counters){
        .messages = now.messages - then.messages,
        .frames = now.frames - then.frames,
        .syncs = now.syncs - then.syncs,
        .records = now.records - then.records,
        .log_bytes = now.log_bytes - then.log_bytes,
        .net_bytes = now.net_bytes - then.net_bytes,
    };
}

void measure(const struct cluster *c, const struct load_options *options, const char *label,
             struct measured *ret)
{
    bool own = c->coordinator > 0;
    struct usage coordinator = {0}, participants = {0};
    bench_progress("%s", label);
    *ret = (struct measured){.label = label, .options = *options};
    ret->options.endpoint = own ? c->endpoint : options->endpoint;
    struct counters counters = counters_of(ret->options.endpoint);
    if (own) {
        coordinator = usage_of(c->coordinator);
        participants = usage_of_participants(c);
    }
    struct usage client = usage_of_clients();
    load_run(&ret->options, &ret->load);
    ret->client = usage_since(usage_of_clients(), client);
    if (own) {
        ret->coordinator = usage_since(usage_of(c->coordinator), coordinator);
        ret->participants = usage_since(usage_of_participants(c), participants);
    }
    ret->counters = counters_since(counters_of(ret->options.endpoint), counters);
}

static double each(const struct measured *m, double all)
{
    return m->load.all ? all / (double)m->load.all : 0;
}

double measured_syncs(const struct measured *m)
{
    return each(m, m->counters.syncs);
}

// ---- as JSON ----

static json_t *usage_json(const struct measured *m, const struct usage *u)
{
    return json_pack("{s:f, s:f, s:f}", "cpu_us_per_tx", each(m, u->cpu_us), "switches_per_tx",
                     each(m, u->switches), "written_bytes_per_tx", each(m, u->written_bytes));
}

static const char *protocol_text(assent_protocol protocol)
{
    switch (protocol) {
    case ASSENT_2PC: return "2pc";
    case ASSENT_3PC: return "3pc";
    case ASSENT_TCC: return "tcc";
    case ASSENT_SAGA: return "saga";
    case ASSENT_MESSAGE: return "message";
    }
    return "";
}

json_t *measured_json(const struct measured *m)
{
    const struct load_result *r = &m->load;
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:f}", "label", m->label, "protocol",
                             protocol_text(m->options.protocol), "clients", (int)m->options.clients,
                             "in_flight", m->options.rate > 0 ? 0 : (int)m->options.in_flight,
                             "branches", (int)m->options.branches, "payload_bytes",
                             (int)m->options.payload_bytes, "rate", m->options.rate);
    json_t *load = json_pack("{s:f, s:I, s:I, s:I, s:I, s:f, s:i, s:i, s:i}", "tx_per_s",
                             r->tx_per_s, "committed", (json_int_t)r->committed, "aborted",
                             (json_int_t)r->aborted, "refused", (json_int_t)r->refused, "failed",
                             (json_int_t)r->failed, "seconds", r->seconds, "p50_us", (int)r->p50_us,
                             "p99_us", (int)r->p99_us, "p999_us", (int)r->p999_us);
    json_object_update_new(json, load);
    json_object_set_new(json, "client", usage_json(m, &m->client));
    json_object_set_new(json, "coordinator", usage_json(m, &m->coordinator));
    json_object_set_new(json, "participants", usage_json(m, &m->participants));
    json_t *counters = json_object_get(json, "coordinator");
    const struct counters *c = &m->counters;
    json_object_set_new(counters, "messages_per_tx", json_real(each(m, c->messages)));
    json_object_set_new(counters, "frames_per_tx", json_real(each(m, c->frames)));
    json_object_set_new(counters, "syncs_per_tx", json_real(each(m, c->syncs)));
    json_object_set_new(counters, "records_per_tx", json_real(each(m, c->records)));
    json_object_set_new(counters, "log_bytes_per_tx", json_real(each(m, c->log_bytes)));
    json_object_set_new(counters, "net_bytes_per_tx", json_real(each(m, c->net_bytes)));
    return json;
}

// ---- as text ----

void measured_head(void)
{
    printf("%-22s %9s %8s %8s %8s  %-23s %-17s %6s %6s %6s\n", "", "tx/s", "p50 ms", "p99 ms",
           "p99.9", "CPU us a transaction:", "switches:", "frames", "syncs", "bytes");
    printf("%-22s %9s %8s %8s %8s  %7s %7s %7s %5s %5s %5s\n", "", "", "", "", "", "clients",
           "assentd", "partic.", "cl.", "a'd", "pa.");
}

void measured_print(const struct measured *m)
{
    const struct load_result *r = &m->load;
    printf("%-22s %9.0f %8.2f %8.2f %8.2f  %7.1f %7.1f %7.1f %5.2f %5.2f %5.2f %6.2f %6.3f %6.0f\n",
           m->label, r->tx_per_s, r->p50_us / 1e3, r->p99_us / 1e3, r->p999_us / 1e3,
           each(m, m->client.cpu_us), each(m, m->coordinator.cpu_us),
           each(m, m->participants.cpu_us), each(m, m->client.switches),
           each(m, m->coordinator.switches), each(m, m->participants.switches),
           each(m, m->counters.frames), measured_syncs(m),
           each(m, m->coordinator.written_bytes + m->participants.written_bytes));
    if (r->failed || r->refused)
        printf("%22s %llu refused, %llu failed\n", "", (unsigned long long)r->refused,
               (unsigned long long)r->failed);
    fflush(stdout);
}
