// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mutants.h"

_Static_assert(SIM_COORDINATORS_MAX == 8 && SIM_PARTICIPANTS_MAX == 64 && SIM_CLIENTS_MAX == 64 &&
                   SIM_TRANSACTIONS_MAX == 3000 && SIM_BRANCHES_MAX == 4,
               "the usage says so");

static const char usage[] =
    "usage: assent-sim [option]...\n"
    "\n"
    "Plays whole clusters (the cores, codecs and records that ship) in virtual time, from seeds,\n"
    "with faults of every kind; then repairs everything, and checks that all was kept that is\n"
    "promised. One seed is always the same run.\n"
    "\n"
    "  --seeds A..B         the seeds to play (default 1..10000)\n"
    "  --seed S             this one alone\n"
    "  --seconds N          for so long, from the first seed on\n"
    "  --jobs N             processes (default: one a processor)\n"
    "  --failures N         stop after so many broken runs (default 8)\n"
    "  --json               results for programs\n"
    "  --doubt              tell how long branches were in doubt whose coordinator died\n"
    "  --coverage           tell all that was exercised, and fail where something was not\n"
    "  --quiet              no progress\n"
    "\n"
    "  --trace              with --seed: the story of the run\n"
    "  --hashes             of each run its seed and the hash of its trace, and nothing else\n"
    "  --minimize           with --seed: the smallest run that still breaks the same, and its "
    "story\n"
    "  --model-trace DIR    of each run a file a transaction, for tests/model/check; without the "
    "faults\n"
    "                       that the model does not have\n"
    "\n"
    "  --list-mutants       the ways in which the code can be broken on purpose\n"
    "  --mutant NAME        break it so; stops at the first run that finds out. Plays the "
    "protocol\n"
    "                       that the list says, unless --protocol says otherwise\n"
    "\n"
    "Otherwise than the seed has it:\n"
    "  --coordinators N     how many there are, up to 8\n"
    "  --participants N, --clients N\n"
    "                       of each coordinator, up to 64\n"
    "  --transactions N     of all together, up to 3000, and one of each client in the end\n"
    "  --branches N         at most, of a transaction, up to 4\n"
    "  --protocol NAME      of the transactions: 2pc (as it is without this), 3pc, tcc, saga, "
    "message, "
    "or\n"
    "                       mixed for all of them side by side\n"
    "  --fault NAME=RATE    how often it strikes, in a million opportunities\n"
    "  --list-faults        the kinds of faults\n"
    "  --only NAME:N,...    only these strikes, the N-th of their kind, counted from 0\n"
    "  --without N,N..M,... leave out these transactions, counted from 0\n"
    "\n"
    "  -h, --help; -V, --version\n"
    "\n"
    "Exit status: 0 when everything held, 1 when something broke (or a mutant was found out, or\n"
    "nothing could be written), 2 for a wrong option; 128 and its number after a signal, before\n"
    "which all held: it ends a campaign early, and what was seen by then is told.\n";

static int wrong(const char *what, const char *value)
{
    fprintf(stderr, "assent-sim: %s: '%s'; see assent-sim --help\n", what, value);
    return 2;
}

static bool number(const char *text, uint64_t max, uint64_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value > max)
        return false;
    *ret = value;
    return true;
}

static bool seeds(const char *text, struct options *ret)
{
    char first[32];
    const char *dots = strstr(text, "..");
    size_t size = dots ? (size_t)(dots - text) : strlen(text);
    if (size >= sizeof first)
        return false;
    memcpy(first, text, size);
    first[size] = '\0';
    ret->seeds_given = true;
    // No further, so that there is room to count above it, and JSON has a number for it.
    return number(first, INT64_MAX, &ret->first) &&
           number(dots ? dots + 2 : first, INT64_MAX, &ret->last) && ret->first <= ret->last;
}

static bool protocols(const char *text, unsigned *ret)
{
    static const enum protocol all[] = {PROTOCOL_2PC, PROTOCOL_TCC, PROTOCOL_SAGA, PROTOCOL_MESSAGE,
                                        PROTOCOL_3PC};
    *ret = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(text, "mixed") == 0 || strcmp(text, protocol_name(all[i])) == 0)
            *ret |= 1u << all[i];
    }
    return *ret != 0;
}

static int fault_of(const char *name, size_t size)
{
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (strlen(fault_name((enum fault)i)) == size &&
            memcmp(fault_name((enum fault)i), name, size) == 0)
            return i;
    }
    return -1;
}

static bool fault_rate(const char *text, struct overrides *ret)
{
    uint64_t rate;
    const char *equals = strchr(text, '=');
    int fault = equals ? fault_of(text, (size_t)(equals - text)) : -1;
    if (fault < 0 || !number(equals + 1, 1000000, &rate))
        return false;
    ret->set[fault] = true;
    ret->rate[fault] = (uint32_t)rate;
    return true;
}

static bool add_strike(const char *part, struct strikes *to)
{
    uint64_t count;
    const char *colon = strchr(part, ':');
    int fault = colon ? fault_of(part, (size_t)(colon - part)) : -1;
    if (fault < 0 || !number(colon + 1, UINT32_MAX, &count))
        return false;
    struct strike *items = realloc(to->items, (to->count + 1) * sizeof *items);
    if (!items)
        return false;
    to->items = items;
    items[to->count++] = (struct strike){(uint16_t)fault, (uint32_t)count};
    to->capacity = to->count;
    return true;
}

// N, or N..M
static bool drop(char *part, bool *dropped)
{
    uint64_t first, last;
    char *dots = strstr(part, "..");
    if (dots)
        *dots = '\0';
    if (!number(part, SIM_TXS_MAX - 1, &first) ||
        !number(dots ? dots + 2 : part, SIM_TXS_MAX - 1, &last) || first > last)
        return false;
    for (; first <= last; first++)
        dropped[first] = true;
    return true;
}

// Takes a list apart.
static bool each(const char *list, struct options *ret, bool strikes)
{
    char *text = strdup(list); // the list itself is handed on to the program with the mutants
    bool good = text;
    char *rest;
    for (char *part = text ? strtok_r(text, ",", &rest) : NULL; part && good;
         part = strtok_r(NULL, ",", &rest))
        good = strikes ? add_strike(part, &ret->only) : drop(part, ret->dropped);
    free(text);
    if (strikes)
        ret->overrides.only = &ret->only;
    else
        ret->overrides.dropped = ret->dropped;
    return good;
}

static int list_faults(void)
{
    for (int i = 0; i < FAULT_COUNT; i++)
        printf("%-14s a %-12s %s\n", fault_name((enum fault)i), fault_opportunity((enum fault)i),
               fault_about((enum fault)i));
    return 0;
}

enum {
    O_SEEDS = 256,
    O_SEED,
    O_SECONDS,
    O_JOBS,
    O_FAILURES,
    O_JSON,
    O_COVERAGE,
    O_DOUBT,
    O_QUIET,
    O_TRACE,
    O_HASHES,
    O_MODEL_TRACE,
    O_MINIMIZE,
    O_LIST_MUTANTS,
    O_MUTANT,
    O_COORDINATORS,
    O_PARTICIPANTS,
    O_CLIENTS,
    O_TRANSACTIONS,
    O_BRANCHES,
    O_PROTOCOL,
    O_FAULT,
    O_LIST_FAULTS,
    O_ONLY,
    O_WITHOUT,
};

static const struct option table[] = {
    // in the order of the numbers
    {"seeds", required_argument, NULL, O_SEEDS},
    {"seed", required_argument, NULL, O_SEED},
    {"seconds", required_argument, NULL, O_SECONDS},
    {"jobs", required_argument, NULL, O_JOBS},
    {"failures", required_argument, NULL, O_FAILURES},
    {"json", no_argument, NULL, O_JSON},
    {"coverage", no_argument, NULL, O_COVERAGE},
    {"doubt", no_argument, NULL, O_DOUBT},
    {"quiet", no_argument, NULL, O_QUIET},
    {"trace", no_argument, NULL, O_TRACE},
    {"hashes", no_argument, NULL, O_HASHES},
    {"model-trace", required_argument, NULL, O_MODEL_TRACE},
    {"minimize", no_argument, NULL, O_MINIMIZE},
    {"list-mutants", no_argument, NULL, O_LIST_MUTANTS},
    {"mutant", required_argument, NULL, O_MUTANT},
    {"coordinators", required_argument, NULL, O_COORDINATORS},
    {"participants", required_argument, NULL, O_PARTICIPANTS},
    {"clients", required_argument, NULL, O_CLIENTS},
    {"transactions", required_argument, NULL, O_TRANSACTIONS},
    {"branches", required_argument, NULL, O_BRANCHES},
    {"protocol", required_argument, NULL, O_PROTOCOL},
    {"fault", required_argument, NULL, O_FAULT},
    {"list-faults", no_argument, NULL, O_LIST_FAULTS},
    {"only", required_argument, NULL, O_ONLY},
    {"without", required_argument, NULL, O_WITHOUT},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

// An option that is a number from 1. The exit status, or -1.
static int count_option(int option, struct options *ret)
{
    uint64_t value;
    struct overrides *o = &ret->overrides;
    static const uint64_t max[] = {
        [O_JOBS - O_SEEDS] = CAMPAIGN_JOBS_MAX,
        [O_FAILURES - O_SEEDS] = CAMPAIGN_FAILURES,
        [O_COORDINATORS - O_SEEDS] = SIM_COORDINATORS_MAX,
        [O_PARTICIPANTS - O_SEEDS] = SIM_PARTICIPANTS_MAX,
        [O_CLIENTS - O_SEEDS] = SIM_CLIENTS_MAX,
        [O_TRANSACTIONS - O_SEEDS] = SIM_TRANSACTIONS_MAX,
        [O_BRANCHES - O_SEEDS] = SIM_BRANCHES_MAX,
    };
    if (!number(optarg, max[option - O_SEEDS], &value) || value < 1) {
        fprintf(stderr,
                "assent-sim: --%s: '%s' is not a number from 1 to %llu; see assent-sim --help\n",
                table[option - O_SEEDS].name, optarg, (unsigned long long)max[option - O_SEEDS]);
        return 2;
    }
    unsigned count = (unsigned)value;
    switch (option) {
    case O_JOBS: ret->jobs = count; break;
    case O_FAILURES: ret->failures_max = count; break;
    case O_COORDINATORS: o->coordinators = count; break;
    case O_PARTICIPANTS: o->participants = count; break;
    case O_CLIENTS: o->clients = count; break;
    case O_TRANSACTIONS: o->transactions = count; break;
    case O_BRANCHES: o->branches = count; break;
    }
    return -1;
}

static int read_one(int option, struct options *ret)
{
    switch (option) {
    case O_SEEDS:
    case O_SEED: return seeds(optarg, ret) ? -1 : wrong("not a range of seeds", optarg);
    case O_SECONDS:
        return number(optarg, 1u << 30, &ret->seconds) ? -1 : wrong("not a number", optarg);
    case O_JSON: ret->json = true; return -1;
    case O_COVERAGE: ret->coverage = true; return -1;
    case O_DOUBT: ret->doubt = true; return -1;
    case O_QUIET: ret->quiet = true; return -1;
    case O_TRACE: ret->trace = true; return -1;
    case O_MODEL_TRACE: ret->model_trace = optarg; return -1;
    case O_HASHES: ret->hashes = true; return -1;
    case O_MINIMIZE: ret->minimize = true; return -1;
    case O_LIST_MUTANTS: mutant_list(stdout); return 0;
    case O_MUTANT: ret->mutant = optarg; return -1;
    case O_PROTOCOL:
        return protocols(optarg, &ret->overrides.protocols) ? -1 : wrong("not a protocol", optarg);
    case O_FAULT:
        return fault_rate(optarg, &ret->overrides) ? -1 : wrong("not NAME=RATE of a fault", optarg);
    case O_LIST_FAULTS: return list_faults();
    case O_ONLY: return each(optarg, ret, true) ? -1 : wrong("not NAME:N of a fault", optarg);
    case O_WITHOUT: return each(optarg, ret, false) ? -1 : wrong("not a transaction", optarg);
    case 'h': fputs(usage, stdout); return 0;
    case 'V': puts("assent-sim " ASSENT_VERSION_TEXT); return 0;
    case '?': fputs("see assent-sim --help\n", stderr); return 2;
    }
    return count_option(option, ret);
}

int options_read(int argc, char **argv, struct options *ret)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *ret = (struct options){.first = 1, .last = 10000, .failures_max = 8};
    ret->jobs = processors > 0 && processors < CAMPAIGN_JOBS_MAX ? (unsigned)processors : 2;
    for (int option; (option = getopt_long(argc, argv, "hV", table, NULL)) != -1;) {
        int status = read_one(option, ret);
        if (status >= 0)
            return status;
    }
    if (optind < argc)
        return wrong("not an option", argv[optind]);
    if (ret->seconds && !ret->seeds_given)
        ret->last = INT64_MAX;
    const char *protocol = ret->mutant ? mutant_protocol(ret->mutant) : NULL;
    if (ret->mutant && !protocol)
        return 2;
    if (protocol && !ret->overrides.protocols)
        protocols(protocol, &ret->overrides.protocols);
    if ((ret->trace || ret->minimize) && ret->first != ret->last)
        return wrong("only with the --seed of one run", ret->minimize ? "--minimize" : "--trace");
    return -1;
}

void options_free(struct options *self)
{
    free(self->only.items);
}
