// SPDX-License-Identifier: Apache-2.0
// assent-bank audit: is all money still there, nothing reserved, and every outcome kept?
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "kit/pause.h"
#include "view.h"

static const char usage[] =
    "Usage: assent-bank audit [OPTION]... DIR...\n"
    "Adds up all the banks whose ledgers are in the directories, running or not.\n"
    "\n"
    "  -j, --journal FILE   also check what clients were told (run --journal) against what the "
    "banks\n"
    "                       did (serve --history): committed in every branch, or aborted in all\n"
    "  -w, --wait SECONDS   wait so long for reservations to go (default 0)\n"
    "      --json           print one JSON object\n"
    "  -h, --help           show this help\n"
    "\n"
    "Exit status: 0 all is well; 1 money is missing or made, something is still reserved, or an "
    "outcome\n"
    "was not kept; 3 a bank could not be looked into.\n";

enum { BANKS_MAX = 64 };

struct audit {
    struct view *banks[BANKS_MAX];
    unsigned bank_count;
    struct totals sum;
    uint64_t told_committed, told_aborted, broken;
    const char *journal;
    int64_t wait_s;
    bool json;
};

static int audit_sum(struct audit *a)
{
    a->sum = (struct totals){0};
    for (unsigned i = 0; i < a->bank_count; i++) {
        struct totals t;
        assent_error error;
        if (view_totals(a->banks[i], &t, &error))
            return complain(EXIT_TROUBLE, "%s: %s", view_name(a->banks[i]), error.message);
        a->sum.accounts += t.accounts;
        a->sum.checking += t.checking;
        a->sum.savings += t.savings;
        a->sum.cash += t.cash;
        a->sum.loaded += t.loaded;
        a->sum.reserved += t.reserved;
        a->sum.prepared += t.prepared;
    }
    return EXIT_GOOD;
}

static bool at_rest(const struct audit *a)
{
    return a->sum.reserved == 0 && a->sum.prepared == 0;
}

static bool conserved(const struct audit *a)
{
    return a->sum.checking + a->sum.savings + a->sum.cash == a->sum.loaded;
}

static int audit_wait(struct audit *a)
{
    time_t until = time(NULL) + a->wait_s;
    int status = audit_sum(a);
    while (status == EXIT_GOOD && !at_rest(a) && time(NULL) < until) {
        pause_ms(100);
        status = audit_sum(a);
    }
    return status;
}

static struct view *bank_named(const struct audit *a, const char *name)
{
    for (unsigned i = 0; i < a->bank_count; i++) {
        if (strcmp(view_name(a->banks[i]), name) == 0)
            return a->banks[i];
    }
    return NULL;
}

// One line: "<gtid> <committed|aborted> <bank>:<branch>...". Returns an exit status.
static int journal_line(struct audit *a, char *line, unsigned number)
{
    char *rest;
    const char *gtid = strtok_r(line, " \n", &rest);
    const char *told = strtok_r(NULL, " \n", &rest);
    if (!gtid || !told)
        return complain(EXIT_TROUBLE, "%s:%u: not understood", a->journal, number);
    bool committed = strcmp(told, "committed") == 0;
    if (!committed && strcmp(told, "aborted") != 0)
        return EXIT_GOOD; // nothing was promised
    *(committed ? &a->told_committed : &a->told_aborted) += 1;
    for (char *where; (where = strtok_r(NULL, " \n", &rest));) {
        char *colon = strrchr(where, ':');
        if (colon)
            *colon = '\0';
        struct view *bank = colon ? bank_named(a, where) : NULL;
        if (!bank)
            return complain(EXIT_TROUBLE, "%s:%u: no bank '%s' was given", a->journal, number,
                            where);
        bool applied;
        assent_error error;
        if (view_applied(bank, gtid, (unsigned)strtoul(colon + 1, NULL, 10), &applied, &error))
            return complain(EXIT_TROUBLE, "%s: %s", where, error.message);
        if (applied != committed) {
            a->broken++;
            complain(EXIT_FOUND_WRONG, "%s was told %s, but branch %s at %s was %s", gtid, told,
                     colon + 1, where, applied ? "applied" : "not applied");
        }
    }
    return EXIT_GOOD;
}

static int audit_journal(struct audit *a)
{
    FILE *file = fopen(a->journal, "r");
    if (!file)
        return complain(EXIT_TROUBLE, "%s: %s", a->journal, strerror(errno));
    char *line = NULL;
    size_t room = 0;
    int status = EXIT_GOOD;
    for (unsigned number = 1; status == EXIT_GOOD && getline(&line, &room, file) > 0; number++) {
        if (!strchr(line, '\n'))
            break; // clients that were killed while they wrote it promised nothing by it
        status = journal_line(a, line, number);
    }
    free(line);
    fclose(file);
    return status;
}

static void audit_print(const struct audit *a, bool good)
{
    const struct totals *t = &a->sum;
    int64_t there = t->checking + t->savings + t->cash;
    if (a->json) {
        printf("{\"schema\":1,\"ok\":%s,\"banks\":%u,\"accounts\":%" PRIu64 ",\"loaded\":%" PRId64
               ",\"checking\":%" PRId64 ",\"savings\":%" PRId64 ",\"cash\":%" PRId64
               ",\"total\":%" PRId64 ",\"reserved\":%" PRId64 ",\"prepared\":%" PRIu64
               ",\"told_committed\":%" PRIu64 ",\"told_aborted\":%" PRIu64 ",\"broken\":%" PRIu64
               "}\n",
               good ? "true" : "false", a->bank_count, t->accounts, t->loaded, t->checking,
               t->savings, t->cash, there, t->reserved, t->prepared, a->told_committed,
               a->told_aborted, a->broken);
        return;
    }
    printf("banks     %u\naccounts  %" PRIu64 "\n", a->bank_count, t->accounts);
    printf("loaded    %" PRId64 "\nthere     %" PRId64 " (checking %" PRId64 ", savings %" PRId64
           ", cash %" PRId64 ")%s\n",
           t->loaded, there, t->checking, t->savings, t->cash,
           conserved(a) ? "" : "  NOT WHAT WAS LOADED");
    printf("reserved  %" PRId64 " by %" PRIu64 " branches%s\n", t->reserved, t->prepared,
           at_rest(a) ? "" : "  NOT AT REST");
    if (a->journal)
        printf("told      %" PRIu64 " committed, %" PRIu64 " aborted, %" PRIu64
               " branches otherwise%s\n",
               a->told_committed, a->told_aborted, a->broken, a->broken ? "  BROKEN PROMISES" : "");
    printf("%s\n", good ? "all is well" : "SOMETHING IS WRONG");
}

static int audit_options(int argc, char **argv, struct audit *a)
{
    static const struct option options[] = {{"journal", required_argument, NULL, 'j'},
                                            {"wait", required_argument, NULL, 'w'},
                                            {"json", no_argument, NULL, 'J'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "j:w:h", options, NULL)) != -1;) {
        switch (c) {
        case 'j': a->journal = optarg; break;
        case 'w':
            if (!number_parse("wait", optarg, 0, 86400, &a->wait_s))
                return EXIT_USAGE;
            break;
        case 'J': a->json = true; break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        default: return EXIT_USAGE;
        }
    }
    if (optind == argc || argc - optind > BANKS_MAX)
        return complain(EXIT_USAGE, "audit needs 1 to %d directories; see assent-bank audit --help",
                        BANKS_MAX);
    return -1;
}

int command_audit(int argc, char **argv)
{
    struct audit a = {0};
    int status = audit_options(argc, argv, &a);
    if (status >= 0)
        return status;
    status = EXIT_GOOD;
    for (int i = optind; i < argc && status == EXIT_GOOD; i++) {
        struct totals totals;
        assent_error error;
        if (view_open(argv[i], &a.banks[a.bank_count], &totals, &error) == ASSENT_OK)
            a.bank_count++;
        else
            status = complain(EXIT_TROUBLE, "%s", error.message);
    }
    if (status == EXIT_GOOD)
        status = audit_wait(&a);
    if (status == EXIT_GOOD && a.journal)
        status = audit_journal(&a);
    if (status == EXIT_GOOD) {
        bool good = conserved(&a) && at_rest(&a) && a.broken == 0;
        audit_print(&a, good);
        status = good ? EXIT_GOOD : EXIT_FOUND_WRONG;
    }
    for (unsigned i = 0; i < a.bank_count; i++)
        view_close(&a.banks[i]);
    return status;
}
