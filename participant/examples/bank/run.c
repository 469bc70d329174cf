// SPDX-License-Identifier: Apache-2.0
// assent-bank run: is the banks' clients.
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "fleet.h"
#include "kit/pause.h"
#include "view.h"

static const char usage[] =
    "Usage: assent-bank run [OPTION]... DIR...\n"
    "Runs transactions between the banks whose ledgers are in the directories. Accounts are "
    "numbered over\n"
    "all banks: account n is number n/k at bank n%k of k, in the order given.\n"
    "\n"
    "What to run:\n"
    "  -n, --count N            so many transactions in all\n"
    "  -s, --seconds N          for so long (default 10, when no count and no file is given)\n"
    "  -t, --transfers FILE     the lines from,to,amount of a CSV file (- is standard input)\n"
    "  -m, --mix KIND=W,...     weights of balance, deposit-checking, transact-savings, "
    "amalgamate,\n"
    "                           write-check, send-payment (default 15,15,15,15,15,25)\n"
    "      --hot PERCENT        so many of the accounts drawn are hot ones (default 0)\n"
    "      --hot-accounts N     how many are hot (default 10)\n"
    "      --seed N             another seed, another sequence (default 1)\n"
    "How:\n"
    "  -c, --clients N          clients at the same time (default 16)\n"
    "  -e, --endpoint ENDPOINT  the coordinator (default: $ASSENT_ENDPOINT, else assentd's "
    "default)\n"
    "      --certificate FILE, --server-certificate FILE\n"
    "      --protocol 2pc|3pc   two-phase commit (default), or three-phase commit\n"
    "      --timeout MS         of each transaction (default 30000)\n"
    "      --patience SECONDS   wait so long for a coordinator, or for a lost outcome (default "
    "60)\n"
    "  -j, --journal FILE       append what each transaction was told, for audit --journal\n"
    "  -q, --quiet              no progress\n"
    "      --json               print the report as one JSON object\n"
    "  -h, --help               show this help\n"
    "\n"
    "Exit status: 0 done; 1 a file had bad lines, or outcomes could not be learned; 2 usage; 3 "
    "trouble.\n";

struct run {
    struct fleet *fleet;
    assent_client_options client;
    int64_t clients;
    const char *transfers, *journal;
    bool quiet, json;
};

static atomic_bool interrupted; // any thread may be the one that takes the signal

static void on_signal(int number)
{
    (void)number;
    interrupted = true;
}

enum {
    OPT_HOT = 256,
    OPT_HOT_ACCOUNTS,
    OPT_SEED,
    OPT_CERTIFICATE,
    OPT_SERVER,
    OPT_TIMEOUT,
    OPT_PATIENCE,
    OPT_PROTOCOL,
    OPT_JSON
};

static const struct option options[] = {{"count", required_argument, NULL, 'n'},
                                        {"seconds", required_argument, NULL, 's'},
                                        {"transfers", required_argument, NULL, 't'},
                                        {"mix", required_argument, NULL, 'm'},
                                        {"hot", required_argument, NULL, OPT_HOT},
                                        {"hot-accounts", required_argument, NULL, OPT_HOT_ACCOUNTS},
                                        {"seed", required_argument, NULL, OPT_SEED},
                                        {"clients", required_argument, NULL, 'c'},
                                        {"endpoint", required_argument, NULL, 'e'},
                                        {"certificate", required_argument, NULL, OPT_CERTIFICATE},
                                        {"server-certificate", required_argument, NULL, OPT_SERVER},
                                        {"timeout", required_argument, NULL, OPT_TIMEOUT},
                                        {"patience", required_argument, NULL, OPT_PATIENCE},
                                        {"protocol", required_argument, NULL, OPT_PROTOCOL},
                                        {"journal", required_argument, NULL, 'j'},
                                        {"quiet", no_argument, NULL, 'q'},
                                        {"json", no_argument, NULL, OPT_JSON},
                                        {"help", no_argument, NULL, 'h'},
                                        {0}};

static bool run_number(struct run *r, int option)
{
    struct fleet *f = r->fleet;
    int64_t value;
    switch (option) {
    case 'n': return number_parse("count", optarg, 1, INT64_MAX, &f->count);
    case 's': return number_parse("seconds", optarg, 1, 31536000, &f->seconds);
    case 'c': return number_parse("clients", optarg, 1, FLEET_CLIENTS_MAX, &r->clients);
    case OPT_TIMEOUT: return number_parse("timeout", optarg, 1, 86400000, &f->timeout_ms);
    case OPT_PATIENCE: return number_parse("patience", optarg, 1, 86400, &f->patience_s);
    case OPT_HOT:
        if (!number_parse("hot", optarg, 0, 100, &value))
            return false;
        f->mix.hot_percent = (unsigned)value;
        return true;
    case OPT_HOT_ACCOUNTS:
        if (!number_parse("hot-accounts", optarg, 1, 1000000000, &value))
            return false;
        f->mix.hot_accounts = (uint64_t)value;
        return true;
    default:
        if (!number_parse("seed", optarg, 0, INT64_MAX, &value))
            return false;
        f->seed = (uint64_t)value;
        return true;
    }
}

// -1: go on; else the exit status.
static int run_options(int argc, char **argv, struct run *r)
{
    for (int c; (c = getopt_long(argc, argv, "n:s:t:m:c:e:j:qh", options, NULL)) != -1;) {
        switch (c) {
        case 't': r->transfers = optarg; break;
        case 'j': r->journal = optarg; break;
        case 'e': r->client.endpoint = optarg; break;
        case OPT_CERTIFICATE: r->client.certificate = optarg; break;
        case OPT_SERVER: r->client.server_certificate = optarg; break;
        case 'q': r->quiet = true; break;
        case OPT_JSON: r->json = true; break;
        case OPT_PROTOCOL:
            if (strcmp(optarg, "2pc") != 0 && strcmp(optarg, "3pc") != 0)
                return complain(EXIT_USAGE, "--protocol takes 2pc or 3pc, not '%s'", optarg);
            r->fleet->protocol = optarg[0] == '3' ? ASSENT_3PC : ASSENT_2PC;
            break;
        case 'm':
            if (!mix_parse(&r->fleet->mix, optarg))
                return complain(EXIT_USAGE, "--mix takes KIND=WEIGHT,..., not '%s'", optarg);
            break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        case '?': return EXIT_USAGE;
        default:
            if (!run_number(r, c))
                return EXIT_USAGE;
        }
    }
    int banks = argc - optind;
    if (banks < 1 || banks > FLEET_BANKS_MAX)
        return complain(EXIT_USAGE, "run needs 1 to %d directories; see assent-bank run --help",
                        FLEET_BANKS_MAX);
    if (!r->fleet->count && !r->fleet->seconds && !r->transfers)
        r->fleet->seconds = 10;
    return -1;
}

static int run_banks(struct run *r, char **dirs, int count)
{
    struct fleet *f = r->fleet;
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < count; i++) {
        struct view *view;
        struct totals totals;
        assent_error error;
        if (view_open(dirs[i], &view, &totals, &error))
            return complain(EXIT_TROUBLE, "%s", error.message);
        snprintf(f->banks[i].name, sizeof f->banks[i].name, "%s", view_name(view));
        f->banks[i].dir = dirs[i];
        view_close(&view);
        if (totals.accounts < least)
            least = totals.accounts;
    }
    f->bank_count = (unsigned)count;
    f->mix.accounts = least * (uint64_t)count;
    if (f->mix.accounts < 2)
        return complain(EXIT_TROUBLE, "transfers need at least two accounts");
    return EXIT_GOOD;
}

// ---- progress ----

static int run_percent(const struct run *r)
{
    const struct fleet *f = r->fleet;
    if (f->count)
        return (int)(100 * atomic_load(&f->done) / f->count);
    if (f->transfers)
        return transfers_progress(f->transfers);
    return (int)(100 * fleet_seconds(f) / (double)f->seconds);
}

static void run_progress(const struct run *r, int *last)
{
    static const char bar[] = "########################################";
    int percent = run_percent(r);
    percent = percent > 100 ? 100 : percent;
    double seconds = fleet_seconds(r->fleet);
    long long done = atomic_load(&r->fleet->done);
    double rate = seconds > 0 ? (double)done / seconds : 0;
    if (isatty(STDERR_FILENO)) {
        int shown = percent < 0 ? 0 : percent * 40 / 100;
        fprintf(stderr, "\r[%-40.*s] %3d %%  %lld transactions, %.0f/s ", shown, bar,
                percent < 0 ? 0 : percent, done, rate);
    } else if (percent / 10 != *last / 10) {
        fprintf(stderr, "%3d %%  %lld transactions, %.0f/s\n", percent, done, rate);
    }
    *last = percent;
}

static void run_watch(struct run *r)
{
    int last = 0;
    while (atomic_load(&r->fleet->running) > 0) {
        if (interrupted)
            atomic_store(&r->fleet->stop, true);
        if (!r->quiet)
            run_progress(r, &last);
        pause_ms(100);
    }
    if (!r->quiet) {
        run_progress(r, &last);
        if (isatty(STDERR_FILENO))
            fputc('\n', stderr);
    }
}

// ---- report ----

static void report_json(const struct fleet *f, double seconds, uint64_t bad)
{
    const struct tally *t = &f->tally;
    printf("{\"schema\":1,\"seconds\":%.3f,\"transactions\":%" PRIu64 ",\"per_s\":%.1f,"
           "\"committed\":%" PRIu64 ",\"aborted\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"unresolved\":%" PRIu64 ",\"resolved\":%" PRIu64 ",\"mixed\":%" PRIu64
           ",\"bad_lines\":%" PRIu64 ",\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
           ",\"p999_us\":%" PRIu64 ",\"aborts\":{",
           seconds, tally_total(t), seconds > 0 ? (double)tally_total(t) / seconds : 0.0,
           t->committed, t->aborted, t->refused, t->unresolved, t->resolved, t->mixed, bad,
           tally_percentile(t, 50), tally_percentile(t, 99), tally_percentile(t, 99.9));
    const char *comma = "";
    for (int i = 0; i < TALLY_REASONS; i++) {
        if (t->reasons[i]) {
            printf("%s\"%s\":%" PRIu64, comma, assent_reason_text((assent_reason)i), t->reasons[i]);
            comma = ",";
        }
    }
    printf("}}\n");
}

static void report_text(const struct fleet *f, double seconds, uint64_t bad)
{
    const struct tally *t = &f->tally;
    printf("%" PRIu64 " transactions in %.1f s, %.0f/s\n", tally_total(t), seconds,
           seconds > 0 ? (double)tally_total(t) / seconds : 0.0);
    printf("committed   %10" PRIu64 "   p50 %.2f ms, p99 %.2f ms, p99.9 %.2f ms\n", t->committed,
           (double)tally_percentile(t, 50) / 1e3, (double)tally_percentile(t, 99) / 1e3,
           (double)tally_percentile(t, 99.9) / 1e3);
    printf("aborted     %10" PRIu64 "\n", t->aborted);
    for (int i = 0; i < TALLY_REASONS; i++) {
        if (t->reasons[i])
            printf("            %10" PRIu64 "   %s\n", t->reasons[i],
                   assent_reason_text((assent_reason)i));
    }
    if (t->refused)
        printf("refused     %10" PRIu64 "   without effect\n", t->refused);
    if (t->resolved)
        printf("resolved    %10" PRIu64 "   answers were lost, and learned by asking again\n",
               t->resolved);
    if (t->unresolved)
        printf("unresolved  %10" PRIu64 "   ask `assent show` for them\n", t->unresolved);
    if (t->mixed)
        printf("mixed       %10" PRIu64 "   an operator forced another outcome\n", t->mixed);
    if (bad)
        printf("bad lines   %10" PRIu64 "\n", bad);
}

static int run_fleet(struct run *r)
{
    struct fleet *f = r->fleet;
    assent_error error;
    r->client.name = "assent-bank";
    r->client.connect_timeout_ms = 1000;
    if (assent_client_open(&r->client, &f->client, &error))
        return complain(EXIT_TROUBLE, "%s", error.message);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int status = EXIT_GOOD;
    if (fleet_start(f, r->clients)) {
        run_watch(r);
        double seconds = fleet_seconds(f);
        fleet_join(f);
        uint64_t bad = f->transfers ? transfers_bad(f->transfers) : 0;
        (r->json ? report_json : report_text)(f, seconds, bad);
        if (bad || f->tally.unresolved)
            status = EXIT_FOUND_WRONG;
        int failed = f->transfers ? transfers_failed(f->transfers) : 0;
        if (failed)
            status = complain(EXIT_TROUBLE, "%s: %s", r->transfers, strerror(failed));
        if (f->gave_up) {
            const char *why = assent_client_wait(f->client, 0, &error) ? error.message : "slow";
            status =
                complain(EXIT_TROUBLE, "gave up after %lld s: %s", (long long)f->patience_s, why);
        }
    } else {
        status = complain(EXIT_TROUBLE, "no thread could be started");
    }
    assent_client_close(&f->client);
    return status;
}

static int run_files(struct run *r)
{
    struct fleet *f = r->fleet;
    if (r->transfers && !(f->transfers = transfers_open(r->transfers, f->mix.accounts)))
        return complain(EXIT_TROUBLE, "%s: %s", r->transfers, strerror(errno));
    if (r->journal && !(f->journal = fopen(r->journal, "a")))
        return complain(EXIT_TROUBLE, "%s: %s", r->journal, strerror(errno));
    if (r->journal)
        setvbuf(f->journal, NULL, _IOLBF, 0); // what was told is there even if this is killed
    return EXIT_GOOD;
}

int command_run(int argc, char **argv)
{
    struct run r = {.clients = 16, .fleet = calloc(1, sizeof *r.fleet)};
    if (!r.fleet)
        return complain(EXIT_TROUBLE, "out of memory");
    mix_defaults(&r.fleet->mix);
    r.fleet->seed = 1;
    r.fleet->timeout_ms = 30000;
    r.fleet->patience_s = 60;
    int status = run_options(argc, argv, &r);
    if (status < 0)
        status = run_banks(&r, argv + optind, argc - optind);
    else
        goto free;
    if (status == EXIT_GOOD)
        status = run_files(&r);
    if (status == EXIT_GOOD)
        status = run_fleet(&r);
    transfers_close(&r.fleet->transfers);
    if (r.fleet->journal && fclose(r.fleet->journal) != 0)
        status = complain(EXIT_TROUBLE, "%s: %s", r.journal, strerror(errno));
free:
    free(r.fleet);
    return status;
}
