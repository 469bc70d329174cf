// SPDX-License-Identifier: Apache-2.0
// What is there: in memory, or ended; and in-doubt branches of other coordinators.
#include <inttypes.h>
#include <string.h>

#include "core/gtid.h"
#include "views.h"

static const char *const live_words[] = {"admitting",  "active",   "held",  "preparing", "deciding",
                                         "committing", "aborting", "ended", NULL};
static const char *const protocol_words[] = {"2pc", "3pc", "tcc", "saga", "message", NULL};
static const char *const finished_words[] = {"committed", "aborted", "mixed", NULL};

static bool one_of(const char *const *words, const char *word, size_t length)
{
    for (; *words; words++)
        if (strlen(*words) == length && memcmp(*words, word, length) == 0)
            return true;
    return false;
}

// Splits --state into words for either list. False, with the reason on standard error.
static bool split_states(const struct cli *cli, json_t *states, json_t *outcomes, bool *ret_mixed)
{
    for (const char *at = cli->states; at && *at;) {
        size_t length = strcspn(at, ",");
        bool live = one_of(live_words, at, length);
        if (!live && !one_of(finished_words, at, length)) {
            fprintf(stderr,
                    "assent: --state: '%.*s' is none of admitting, active, held, preparing, "
                    "deciding, committing, aborting, ended, committed, aborted, mixed\n",
                    (int)length, at);
            return false;
        }
        *ret_mixed = *ret_mixed || (length == 5 && memcmp(at, "mixed", length) == 0);
        json_array_append_new(live ? states : outcomes, json_stringn(at, length));
        at += length + (at[length] == ',');
    }
    return true;
}

static bool split_protocols(const struct cli *cli, json_t *protocols)
{
    for (const char *at = cli->protocols; at && *at;) {
        size_t length = strcspn(at, ",");
        if (!one_of(protocol_words, at, length)) {
            fprintf(stderr, "assent: --protocol: '%.*s' is none of 2pc, 3pc, tcc, saga, message\n",
                    (int)length, at);
            return false;
        }
        json_array_append_new(protocols, json_stringn(at, length));
        at += length + (at[length] == ',');
    }
    return true;
}

struct listing {
    struct cli *cli;
    struct session *session;
    json_t *arguments;
    struct rows live, ended, foreign;
    json_t *next;
    bool finished; // what has finished is asked for, else what is in flight
    bool mixed;    // what is mixed is asked for: in flight, too
};

// What the command line asks for, as arguments. False when that makes no sense.
static bool listing_arguments(struct listing *l)
{
    const struct cli *cli = l->cli;
    json_t *states = json_array(), *outcomes = json_array(), *protocols = json_array();
    l->arguments = json_object();
    bool ok = split_states(cli, states, outcomes, &l->mixed) && split_protocols(cli, protocols);
    l->finished = cli->finished || json_array_size(outcomes) > 0;
    if (ok && l->finished && (json_array_size(states) > 0 || cli->in_doubt)) {
        fprintf(stderr, "assent: what has finished and what has not are two lists: ask for one\n");
        ok = false;
    }
    if (ok && cli->after && !l->finished) {
        fprintf(stderr, "assent: --after goes with --finished\n");
        ok = false;
    }
    if (ok && cli->participant && !gtid_valid(slice_text(cli->participant))) {
        fprintf(stderr, "assent: --participant: that is no name of a participant\n");
        ok = false;
    }
    if (json_array_size(states) > 0)
        json_object_set(l->arguments, "states", states);
    if (json_array_size(outcomes) > 0)
        json_object_set(l->arguments, "outcomes", outcomes);
    if (json_array_size(protocols) > 0)
        json_object_set(l->arguments, "protocols", protocols);
    json_decref(states);
    json_decref(outcomes);
    json_decref(protocols);
    if (cli->participant)
        json_object_set_new(l->arguments, "participant", json_string(cli->participant));
    if (cli->older_ms)
        json_object_set_new(l->arguments, "older_ms", json_integer((json_int_t)cli->older_ms));
    if (cli->younger_ms)
        json_object_set_new(l->arguments, "younger_ms", json_integer((json_int_t)cli->younger_ms));
    if (cli->in_doubt)
        json_object_set_new(l->arguments, "in_doubt", json_true());
    if (cli->after)
        json_object_set_new(l->arguments, "cursor", json_string(cli->after));
    return ok;
}

// Foreign branches belong into the list when it is not narrowed down to what they are not.
static bool listing_foreign(const struct listing *l)
{
    return !l->finished && !l->cli->states && !l->cli->protocols && !l->cli->older_ms &&
           !l->cli->younger_ms;
}

static void drop_other_participants(struct rows *rows, const char *participant)
{
    size_t kept = 0;
    for (size_t i = 0; i < rows->count; i++) {
        if (strcmp(member_text(rows->items[i], "participant"), participant) == 0)
            rows->items[kept++] = rows->items[i];
        else
            json_decref(rows->items[i]);
    }
    rows->count = kept;
}

// What is in flight, and foreign branches.
static int listing_ask_live(struct listing *l, assent_error *error)
{
    json_t *arguments = json_copy(l->arguments);
    if (l->mixed) {
        json_object_del(arguments, "outcomes");
        json_object_set_new(arguments, "mixed", json_true());
    }
    int code =
        rows_ask(&l->live, l->session, "list", "transactions", arguments, false, NULL, error);
    json_decref(arguments);
    if (code == ASSENT_OK && listing_foreign(l))
        code = rows_ask(&l->foreign, l->session, "foreign", "foreign", NULL, false, NULL, error);
    if (code == ASSENT_OK && l->cli->participant)
        drop_other_participants(&l->foreign, l->cli->participant);
    return code;
}

static int listing_ask(struct listing *l, assent_error *error)
{
    int code = ASSENT_OK;
    if (!l->finished || (l->mixed && !l->cli->after))
        code = listing_ask_live(l, error);
    if (code == ASSENT_OK && l->finished)
        code = rows_ask(&l->ended, l->session, "finished", "transactions", l->arguments, true,
                        &l->next, error);
    return code;
}

static enum exit_code listing_json(const struct listing *l)
{
    json_t *transactions = rows_json(&l->live), *ended = rows_json(&l->ended);
    json_array_extend(transactions, ended);
    json_decref(ended);
    json_t *result = json_pack("{s:o, s:o, s:I}", "transactions", transactions, "foreign",
                               rows_json(&l->foreign), "matched",
                               (json_int_t)l->live.matched + (json_int_t)l->ended.matched);
    if (result && l->finished)
        json_object_set(result, "next", l->next ? l->next : json_null());
    return print_json(l->cli, result);
}

static bool print_live(const struct listing *l)
{
    bool narrowed = json_object_size(l->arguments) > 0;
    if (l->live.count == 0 && l->cli->in_doubt)
        printf("Nothing is in doubt.\n");
    else if (l->live.count == 0 && !l->finished)
        printf("No transactions%s are in flight.\n", narrowed ? " like that" : "");
    bool ok = view_live(l->cli, &l->live);
    if (l->live.matched > l->live.count)
        printf("And %" PRIu64 " younger ones: --limit 0 shows all.\n",
               l->live.matched - l->live.count);
    if (l->foreign.count > 0)
        printf("\nIn doubt at participants here, but begun by other coordinators:\n");
    return view_foreign(l->cli, &l->foreign) && ok;
}

static bool print_ended(const struct listing *l)
{
    bool narrowed = json_object_size(l->arguments) > 0;
    if (l->live.count > 0 && l->ended.count > 0)
        putchar('\n');
    if (l->ended.count == 0 && l->live.count == 0)
        printf("Nothing finished %s within the retention.\n", narrowed ? "like that" : "yet");
    bool ok = view_finished(l->cli, &l->ended);
    if (l->next)
        printf("More: --after %s, or --limit 0 for all.\n", clean(json_string_value(l->next)));
    return ok;
}

static enum exit_code listing_print(const struct listing *l)
{
    bool ok = print_live(l);
    if (l->finished)
        ok = print_ended(l) && ok;
    return ok ? EXIT_OK : EXIT_FAILED;
}

enum exit_code verb_list(struct cli *cli)
{
    struct listing l = {.cli = cli};
    assent_error error;
    enum exit_code exit = EXIT_USAGE;
    if (listing_arguments(&l)) {
        rows_init(&l.live, cli->limit, "started_at_ms");
        rows_init(&l.ended, cli->limit, NULL);
        rows_init(&l.foreign, 0, NULL);
        int code = session_open(cli, &l.session, &error);
        if (code == ASSENT_OK)
            code = listing_ask(&l, &error);
        exit = code != ASSENT_OK ? print_failed(cli, &error)
               : cli->json       ? listing_json(&l)
                                 : listing_print(&l);
        rows_free(&l.live);
        rows_free(&l.ended);
        rows_free(&l.foreign);
    }
    json_decref(l.next);
    json_decref(l.arguments);
    session_close(&l.session);
    return exit;
}
