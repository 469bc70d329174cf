// SPDX-License-Identifier: Apache-2.0
// assent-sim: plays clusters from seeds, and says what broke.
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "campaign.h"
#include "minimize.h"
#include "model.h"
#include "mutants.h"
#include "options.h"

enum { STORY_BYTES_MAX = 1 << 30 };

// ---- one run ----

static void draw(struct sim_setup *ret, uint64_t seed, const struct overrides *overrides,
                 const char *model_trace)
{
    setup_draw(ret, seed);
    overrides_apply(overrides, ret);
    if (model_trace)
        model_restrict(ret);
}

static int tell_run(uint64_t seed, const struct overrides *overrides, const char *model_trace)
{
    struct sim_setup setup;
    struct sim_result result;
    struct buf story;
    struct sim_extras extras = {.story = &story, .model = model_trace};
    buf_init(&story, STORY_BYTES_MAX);
    draw(&setup, seed, overrides, model_trace);
    sim_run(&setup, &extras, &result);
    fwrite(story.data, 1, story.size, stdout);
    printf("%s%s\n", result.failed ? "BROKEN: " : "all held", result.failed ? result.verdict : "");
    printf("trace hash %016llx, %.1f s of virtual time, %llu messages, %llu crashes, %llu faults\n",
           (unsigned long long)result.hash, (double)result.virtual_us / 1e6,
           (unsigned long long)result.messages, (unsigned long long)result.crashes,
           (unsigned long long)result.strikes);
    buf_free(&story);
    return result.failed ? 1 : 0;
}

// One after the other: each run's seed and hash, and its traces if they are wanted.
static int print_hashes(const struct options *options)
{
    int status = 0;
    for (uint64_t seed = options->first; seed <= options->last; seed++) {
        struct sim_setup setup;
        struct sim_result result;
        struct sim_extras extras = {.model = options->model_trace};
        draw(&setup, seed, &options->overrides, options->model_trace);
        sim_run(&setup, &extras, &result);
        if (result.failed)
            fprintf(stderr, "seed %llu: BROKEN: %s\n", (unsigned long long)seed, result.verdict);
        printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)result.hash);
        status |= result.failed;
    }
    return status;
}

static void print_count(const char *option, unsigned count)
{
    if (count)
        printf(" --%s %u", option, count);
}

static void print_protocol(unsigned protocols)
{
    const char *name = "mixed";
    for (unsigned i = 0; i < 8; i++) {
        if (protocols == 1u << i)
            name = protocol_name((enum protocol)i);
    }
    if (protocols)
        printf(" --protocol %s", name);
}

static void print_dropped(const bool *dropped)
{
    const char *before = " --without ";
    for (unsigned i = 0, next; i < SIM_TXS_MAX; i = next) {
        for (next = i + 1; next < SIM_TXS_MAX && dropped[next] == dropped[i];)
            next++;
        if (!dropped[i])
            continue;
        printf("%s%u", before, i);
        if (next > i + 1)
            printf("..%u", next - 1);
        before = ",";
    }
}

static void print_faults(const struct overrides *o)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (o->set[i])
            printf(" --fault %s=%u", fault_name((enum fault)i), o->rate[i]);
    }
    for (size_t i = 0; o->only && i < o->only->count; i++)
        printf("%s%s:%u", i ? "," : " --only ", fault_name((enum fault)o->only->items[i].fault),
               o->only->items[i].number);
    if (o->only && o->only->count == 0)
        printf(" --only ''");
}

// The command that plays that run again, but for what is to be done with it.
static void print_replay(uint64_t seed, const char *mutant, const struct overrides *o)
{
    printf("assent-sim --seed %llu", (unsigned long long)seed);
    if (mutant)
        printf(" --mutant %s", mutant);
    print_count("coordinators", o->coordinators);
    print_count("participants", o->participants);
    print_count("clients", o->clients);
    print_count("transactions", o->transactions);
    print_count("branches", o->branches);
    print_protocol(o->protocols);
    print_faults(o);
    if (o->dropped)
        print_dropped(o->dropped);
}

static int shrink_run(const struct options *options)
{
    static struct minimized run;
    bool progress = !options->quiet && isatty(STDERR_FILENO);
    if (!minimize(options->first, &options->overrides, progress, &run)) {
        printf("seed %llu breaks nothing\n", (unsigned long long)options->first);
        minimized_free(&run);
        return 0;
    }
    tell_run(options->first, &run.overrides, NULL);
    printf("\nafter %u trials: %zu faults and %u transactions are enough\n", run.trials,
           run.strikes.count, run.transactions_left);
    print_replay(options->first, options->mutant, &run.overrides);
    puts(" --trace");
    minimized_free(&run);
    return 1;
}

// ---- campaigns ----

static json_t *json_of(const struct options *options, const struct campaign_result *result,
                       bool covered)
{
    const struct totals *t = &result->totals;
    json_t *failures = json_array();
    for (unsigned i = 0; i < result->failure_count; i++)
        json_array_append_new(failures,
                              json_pack("{sI ss ss}", "seed", (json_int_t)result->failures[i].seed,
                                        "invariant", verdict_invariant(result->failures[i].verdict),
                                        "details", result->failures[i].verdict));
    json_t *all = json_pack(
        "{ss so sI sI sI sI sI sI sI sI sf sf sf sf so sb}", "program", "assent-sim", "mutant",
        options->mutant ? json_string(options->mutant) : json_null(), "seeds", (json_int_t)t->seeds,
        "transactions", (json_int_t)t->transactions, "committed", (json_int_t)t->committed,
        "aborted", (json_int_t)t->aborted, "messages", (json_int_t)t->messages, "steps",
        (json_int_t)t->steps, "crashes", (json_int_t)t->crashes, "faults", (json_int_t)t->strikes,
        "simulated_s", (double)t->virtual_us / 1e6, "seconds", result->seconds, "seeds_per_s",
        (double)t->seeds / result->seconds, "transactions_per_s",
        (double)t->transactions / result->seconds, "failures", failures, "covered", covered);
    return all;
}

static void print_totals(const struct campaign_result *result)
{
    const struct totals *t = &result->totals;
    double seconds = result->seconds > 0 ? result->seconds : 1e-9;
    printf("%llu seeds, %llu transactions (%llu committed, %llu aborted), %llu messages,\n"
           "%llu crashes, %llu faults, %.0f s of virtual time in %.1f s:\n"
           "%.0f seeds, %.0f transactions, %.0f simulated seconds a second\n",
           (unsigned long long)t->seeds, (unsigned long long)t->transactions,
           (unsigned long long)t->committed, (unsigned long long)t->aborted,
           (unsigned long long)t->messages, (unsigned long long)t->crashes,
           (unsigned long long)t->strikes, (double)t->virtual_us / 1e6, result->seconds,
           (double)t->seeds / seconds, (double)t->transactions / seconds,
           (double)t->virtual_us / 1e6 / seconds);
}

static void print_failures(const struct options *options, const struct campaign_result *result)
{
    for (unsigned i = 0; i < result->failure_count; i++) {
        const struct failure *failure = &result->failures[i];
        printf("seed %llu: BROKEN: %s\n", (unsigned long long)failure->seed, failure->verdict);
    }
    if (result->failure_count == 0)
        return;
    printf("to read it: ");
    print_replay(result->failures[0].seed, options->mutant, &options->overrides);
    puts(" --minimize");
}

static int run_campaign(const struct options *options)
{
    static struct campaign_result result;
    struct campaign_options campaign = {
        .first = options->first,
        .last = options->last,
        .jobs = options->jobs,
        .failures_max = options->mutant ? 1 : options->failures_max,
        .seconds = options->seconds,
        .progress = !options->quiet && isatty(STDERR_FILENO),
        .overrides = &options->overrides,
    };
    if (!campaign_run(&campaign, &result)) {
        fputs("assent-sim: no process could be started\n", stderr);
        return 1;
    }
    bool covered = true;
    if (options->doubt)
        coverage_doubts(&result.totals.coverage, options->json ? stderr : stdout);
    if (options->coverage && !result.signal)
        covered = coverage_report(&result.totals.coverage,
                                  options->overrides.protocols ? options->overrides.protocols
                                                               : 1u << PROTOCOL_2PC,
                                  options->json ? stderr : stdout, true);
    if (options->json) {
        json_t *json = json_of(options, &result, covered);
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        print_totals(&result);
        print_failures(options, &result);
    }
    if (result.signal)
        fprintf(stderr, "assent-sim: stopped by a signal (%s)\n", strsignal(result.signal));
    if (result.failure_count > 0)
        return 1;
    return result.signal ? 128 + result.signal : !covered;
}

int main(int argc, char **argv)
{
    static struct options options;
    int status = options_read(argc, argv, &options);
    if (status < 0 && options.mutant)
        status = mutant_choose(options.mutant, argv);
    if (status >= 0)
        goto done;
    if (options.minimize)
        status = shrink_run(&options);
    else if (options.trace)
        status = tell_run(options.first, &options.overrides, options.model_trace);
    else if (options.hashes || options.model_trace)
        status = print_hashes(&options);
    else
        status = run_campaign(&options);
done:
    options_free(&options);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("assent-sim: standard output");
        return 1;
    }
    return status;
}
