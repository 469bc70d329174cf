// SPDX-License-Identifier: Apache-2.0
#include "campaign.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

enum { CHUNK = 8, LOOK_NS = 200000000 };

// What a worker process tells, in memory that it shares with the one that waits for it.
struct worker {
    _Atomic uint64_t seed; // that it plays
    pid_t pid;
    unsigned failure_count;
    struct failure failures[CAMPAIGN_FAILURES];
    struct totals totals;
};

struct shared {
    _Atomic uint64_t next;          // seed to hand out
    _Atomic uint64_t stop_after;    // no seed above it is begun any more
    _Atomic unsigned failure_count; // of all workers
    _Atomic uint64_t done;
    struct worker workers[CAMPAIGN_JOBS_MAX];
};

void overrides_apply(const struct overrides *self, struct sim_setup *setup)
{
    if (self->protocols)
        setup->protocols = self->protocols;
    if (setup->protocols != 1u << PROTOCOL_2PC)
        setup_business(setup);
    if (self->coordinators)
        setup->coordinators = self->coordinators;
    if (self->participants)
        setup->participants = self->participants;
    if (self->clients)
        setup->clients = self->clients;
    if (self->transactions)
        setup->transactions = self->transactions;
    if (self->branches)
        setup->branches_max = self->branches;
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (self->set[i])
            setup->rate[i] = self->rate[i];
    }
    setup->only = self->only;
    setup->dropped = self->dropped;
}

const char *verdict_invariant(const char *verdict)
{
    static char invariant[SIM_VERDICT_BYTES];
    size_t size = strcspn(verdict, ":");
    memcpy(invariant, verdict, size);
    invariant[size] = '\0';
    return invariant;
}

static void *share(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

// ---- a worker ----

static void count(struct totals *to, const struct sim_result *run)
{
    to->seeds++;
    to->transactions += run->transactions;
    to->committed += run->committed;
    to->aborted += run->aborted;
    to->messages += run->messages;
    to->steps += run->steps;
    to->crashes += run->crashes;
    to->strikes += run->strikes;
    to->virtual_us += run->virtual_us;
}

static void keep_failure(struct shared *shared, struct worker *worker, uint64_t seed,
                         const char *verdict, unsigned failures_max)
{
    if (worker->failure_count < CAMPAIGN_FAILURES) {
        struct failure *failure = &worker->failures[worker->failure_count++];
        failure->seed = seed;
        snprintf(failure->verdict, sizeof failure->verdict, "%s", verdict);
    }
    // Seeds below it are still played, so that what is reported does not depend on who was faster.
    if (atomic_fetch_add(&shared->failure_count, 1) + 1 >= failures_max) {
        uint64_t stop = atomic_load(&shared->stop_after);
        while (seed < stop && !atomic_compare_exchange_weak(&shared->stop_after, &stop, seed))
            continue;
    }
}

static void play_seed(struct shared *shared, struct worker *worker, uint64_t seed,
                      const struct campaign_options *options)
{
    struct sim_setup setup;
    struct sim_result run;
    struct sim_extras extras = {.coverage = &worker->totals.coverage};
    atomic_store(&worker->seed, seed);
    setup_draw(&setup, seed);
    overrides_apply(options->overrides, &setup);
    sim_run(&setup, &extras, &run);
    count(&worker->totals, &run);
    atomic_fetch_add(&shared->done, 1);
    if (run.failed)
        keep_failure(shared, worker, seed, run.verdict, options->failures_max);
}

static _Noreturn void work(struct shared *shared, struct worker *worker,
                           const struct campaign_options *options)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); // the one that waits says when to stop
    signal(SIGTERM, SIG_IGN);
    for (;;) {
        uint64_t first = atomic_fetch_add(&shared->next, CHUNK);
        for (uint64_t seed = first; seed < first + CHUNK; seed++) {
            if (seed > options->last || seed > atomic_load(&shared->stop_after))
                _exit(0);
            play_seed(shared, worker, seed, options);
        }
    }
}

// ---- the one that waits ----

static volatile sig_atomic_t caught;

static void catch (int number)
{
    caught = number;
}

// A second one ends it at once. What is ignored already, as behind nohup, stays so.
static void catch_signals(struct sigaction before[2])
{
    static const int numbers[] = {SIGINT, SIGTERM};
    const struct sigaction action = {.sa_handler = catch, .sa_flags = (int)SA_RESETHAND};
    caught = 0;
    for (unsigned i = 0; i < 2; i++) {
        sigaction(numbers[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
}

static void release_signals(const struct sigaction before[2])
{
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGTERM, &before[1], NULL);
}

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static bool start(struct shared *shared, unsigned index, const struct campaign_options *options)
{
    struct worker *worker = &shared->workers[index];
    fflush(NULL);
    worker->pid = fork();
    if (worker->pid == 0)
        work(shared, worker, options);
    return worker->pid > 0;
}

// A worker ended: well, or by a signal that the run brought upon it. Then another goes on.
static bool ended(struct shared *shared, pid_t pid, int status,
                  const struct campaign_options *options)
{
    char verdict[SIM_VERDICT_BYTES];
    for (unsigned i = 0; i < options->jobs; i++) {
        struct worker *worker = &shared->workers[i];
        if (worker->pid != pid)
            continue;
        worker->pid = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return false;
        snprintf(verdict, sizeof verdict, "the process lives: it died of %s %d",
                 WIFSIGNALED(status) ? "signal" : "exit status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        keep_failure(shared, worker, atomic_load(&worker->seed), verdict, options->failures_max);
        return start(shared, i, options);
    }
    return false;
}

static void show_progress(const struct shared *shared, const struct campaign_options *options,
                          double seconds)
{
    uint64_t done = atomic_load(&shared->done), all = options->last - options->first + 1;
    double rate = seconds > 0 ? (double)done / seconds : 0;
    fprintf(stderr, "\r%llu seeds", (unsigned long long)done);
    if (options->last != INT64_MAX)
        fprintf(stderr, " of %llu", (unsigned long long)all);
    fprintf(stderr, ", %.0f a second, %u broken ", rate, atomic_load(&shared->failure_count));
    fflush(stderr);
}

static void wait_for_all(struct shared *shared, const struct campaign_options *options,
                         const struct timespec *began)
{
    unsigned alive = options->jobs;
    const struct timespec pause = {0, LOOK_NS / 20};
    double shown = 0;
    while (alive > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0 && !ended(shared, pid, status, options))
            alive--;
        if (pid > 0)
            continue;
        double seconds = seconds_since(began);
        if (caught || (options->seconds && seconds >= (double)options->seconds))
            atomic_store(&shared->stop_after, 0);
        if (options->progress && seconds - shown >= LOOK_NS / 1e9) {
            show_progress(shared, options, seconds);
            shown = seconds;
        }
        nanosleep(&pause, NULL);
    }
    if (options->progress)
        fprintf(stderr, "\r%60s\r", "");
}

static void add_failure(struct campaign_result *ret, const struct failure *failure)
{
    unsigned at = ret->failure_count;
    if (at == CAMPAIGN_FAILURES && failure->seed >= ret->failures[at - 1].seed)
        return;
    if (at == CAMPAIGN_FAILURES)
        at--;
    else
        ret->failure_count++;
    for (; at > 0 && ret->failures[at - 1].seed > failure->seed; at--)
        ret->failures[at] = ret->failures[at - 1];
    ret->failures[at] = *failure;
}

static void add_up(const struct shared *shared, unsigned jobs, struct campaign_result *ret)
{
    for (unsigned i = 0; i < jobs; i++) {
        const struct worker *worker = &shared->workers[i];
        struct totals *to = &ret->totals;
        const struct totals *from = &worker->totals;
        to->seeds += from->seeds;
        to->transactions += from->transactions;
        to->committed += from->committed;
        to->aborted += from->aborted;
        to->messages += from->messages;
        to->steps += from->steps;
        to->crashes += from->crashes;
        to->strikes += from->strikes;
        to->virtual_us += from->virtual_us;
        coverage_add(&to->coverage, &from->coverage);
        for (unsigned n = 0; n < worker->failure_count; n++)
            add_failure(ret, &worker->failures[n]);
    }
}

bool campaign_run(const struct campaign_options *options, struct campaign_result *ret)
{
    struct timespec began;
    struct shared *shared = share(sizeof *shared);
    unsigned started = 0;
    memset(ret, 0, sizeof *ret);
    if (!shared)
        return false;
    clock_gettime(CLOCK_MONOTONIC, &began);
    atomic_store(&shared->next, options->first);
    atomic_store(&shared->stop_after, UINT64_MAX);
    struct campaign_options own = *options;
    struct sigaction before[2];
    catch_signals(before);
    while (started < options->jobs && start(shared, started, options))
        started++;
    own.jobs = started;
    wait_for_all(shared, &own, &began);
    release_signals(before);
    ret->signal = caught;
    add_up(shared, started, ret);
    ret->seconds = seconds_since(&began);
    munmap(shared, sizeof *shared);
    return started > 0;
}

// ---- one run ----

struct shared_run {
    struct sim_result result;
    size_t count;
    struct strike log[];
};

static _Noreturn void play_alone(const struct sim_setup *setup, struct shared_run *shared,
                                 size_t capacity)
{
    struct strikes log = {.items = shared->log, .capacity = capacity};
    struct sim_extras extras = {.log = capacity ? &log : NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sim_run(setup, &extras, &shared->result);
    shared->count = log.count;
    _exit(0);
}

void campaign_one(const struct sim_setup *setup, struct sim_result *ret, struct strikes *log)
{
    size_t capacity = log ? log->capacity : 0;
    size_t size = sizeof(struct shared_run) + capacity * sizeof(struct strike);
    struct shared_run *shared = share(size);
    CHECK(shared);
    fflush(NULL);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        play_alone(setup, shared, capacity);
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    *ret = shared->result;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        ret->failed = true;
        snprintf(ret->verdict, sizeof ret->verdict, "the process lives: it died");
    }
    if (log) {
        log->count = shared->count;
        memcpy(log->items, shared->log, shared->count * sizeof log->items[0]);
    }
    munmap(shared, size);
}
