// SPDX-License-Identifier: Apache-2.0
// Orders: commit, abort and forget, which explain themselves and ask before they do anything, and
// retry, which is always safe.
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "show.h"
#include "views.h"

enum { BY_BYTES = 61, REASON_BYTES = 256 };

static void say(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

// What the branches of the transaction have done or promised, a line each.
static void say_branches(const json_t *t)
{
    const json_t *b;
    size_t i;
    json_array_foreach(json_object_get(t, "branches"), i, b)
    {
        char words[PROGRESS_BYTES];
        if (member_present(b, "progress"))
            fprintf(stderr, "  %s %" PRIu64 " at %s: %s\n", clean(member_text(b, "kind")),
                    member_count(b, "branch"), clean(member_text(b, "participant")),
                    clean(view_progress_words(b, words)));
        else
            fprintf(stderr, "  branch %" PRIu64 " at %s: vote %s, %s%s%s\n",
                    member_count(b, "branch"), clean(member_text(b, "participant")),
                    clean(member_text(b, "vote")), clean(member_text(b, "state")),
                    member_present(b, "outcome") ? ", did: " : "",
                    clean(member_text(b, "outcome")));
    }
}

static void say_mixed(const json_t *t, const char *forced)
{
    fprintf(
        stderr,
        "It was DECIDED otherwise: %s. Branches that have not acknowledged will be told to %s;\n"
        "those that have followed the decision keep what they did. The transaction becomes\n"
        "MIXED: no longer all or nothing. Somebody will have to put the data right by hand.\n"
        "This is recorded for ever, with your name and reason, and cannot be taken back.\n",
        clean(member_text(t, "outcome")), forced);
}

// An abort of what is not decided is what the application could have had, too.
static void say_undecided(const json_t *t)
{
    const char *protocol = member_text(t, "protocol");
    if (strcmp(protocol, "saga") == 0)
        say("It is not decided yet: it is given up as if the application had cancelled it, and "
            "what "
            "its\nsteps did is compensated. Steps that have no compensation are kept. Nothing "
            "becomes mixed.");
    else if (strcmp(protocol, "message") == 0)
        say("It is not sent yet, and will not be. What it was to tell of may have happened all the "
            "same at\nits sender: nobody will hear of it.");
    else
        say("It is not decided yet: it aborts as if the application had rolled it back. All of "
            "its\nbranches roll back, nothing becomes mixed.");
}

static void explain_force(const json_t *reply, const char *verb)
{
    const json_t *t = json_object_get(reply, "transaction");
    const char *state = member_text(t, "state");
    bool commit = strcmp(verb, "commit") == 0;
    if (!json_is_object(t)) {
        say("Another coordinator began it, and whether that one decided to commit or to abort is "
            "not known\nhere. If the order disagrees with it, the transaction becomes MIXED: no "
            "longer all or nothing.\nIt is recorded as mixed, for ever, with your name and "
            "reason.");
        return;
    }
    say_branches(t);
    if (strcmp(state, "committing") == 0 || strcmp(state, "aborting") == 0) {
        if (strcmp(state, commit ? "committing" : "aborting") == 0)
            say("That is decided already. Its branches are told again; nothing else changes.");
        else
            say_mixed(t, commit ? "commit" : "roll back");
    } else if (strcmp(state, "ended") == 0) {
        say("It has ended: the order will be refused.");
    } else if (commit) {
        say("It is not decided, and votes may be missing: the order will be refused.");
    } else if (member_bool(t, "one_phase")) {
        say("Its one branch decides for itself: it is asked to roll back unless it has committed.");
    } else {
        say_undecided(t);
    }
}

static void explain_forget(const json_t *reply, bool lost)
{
    const json_t *t = json_object_get(reply, "transaction");
    if (!json_is_object(t) || member_bool(t, "finished")) {
        say("Its record stays for the retention and is then gone; the proof of a heuristic goes "
            "with it.");
        return;
    }
    say_branches(t);
    say("The coordinator will stop telling branches that have not acknowledged what was decided. "
        "What they\nwill have done is not known, so the transaction is recorded as MIXED.");
    if (lost)
        say("Its record goes after the retention. A branch that comes back after that is told to "
            "ROLL BACK,\nwhatever was decided. Do this only when their data is gone for good.");
    else
        say("Its record stays, so that a branch that comes back after all is told the decision "
            "when it asks.");
}

// EXIT_OK: go on.
static enum exit_code confirm(const struct cli *cli, const json_t *reply)
{
    const char *verb = cli->verb->name;
    char answer[16] = "";
    if (cli->yes)
        return EXIT_OK;
    fprintf(stderr, "assent %s %s\n", verb, clean(cli->words[0]));
    if (strcmp(verb, "forget") == 0)
        explain_forget(reply, cli->lost);
    else
        explain_force(reply, verb);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return print_failed_as(cli, EXIT_NOT_CONFIRMED, "NOT_CONFIRMED",
                               "not confirmed: nothing was done. Without a terminal to ask on, say "
                               "--yes");
    fprintf(stderr, "Type yes to do it: ");
    if (!fgets(answer, sizeof answer, stdin) || strcmp(answer, "yes\n") != 0)
        return print_failed_as(cli, EXIT_NOT_CONFIRMED, "NOT_CONFIRMED",
                               "not confirmed: nothing was done");
    return EXIT_OK;
}

static enum exit_code order_send(const struct cli *cli, struct session *session)
{
    char by[BY_BYTES];
    assent_error error;
    json_t *reply = NULL;
    session_by(by, sizeof by);
    json_t *arguments = json_pack("{s:s, s:s*}", "by", by, "why", cli->reason);
    if (arguments && cli->word_count > 0)
        json_object_set_new(arguments, "gtid", json_string(cli->words[0]));
    if (arguments && cli->lost)
        json_object_set_new(arguments, "lost", json_true());
    if (!arguments)
        return print_failed_as(cli, EXIT_USAGE, "INVALID", "the reason is not UTF-8 text");
    if (session_ask(session, cli->verb->name, arguments, &reply, &error) != ASSENT_OK)
        return print_failed(cli, &error);
    if (cli->json)
        return print_json(cli, reply);
    printf("%s%s%s\n", cli->word_count > 0 ? clean(cli->words[0]) : "",
           cli->word_count > 0 ? ": " : "", clean(member_text(reply, "text")));
    json_decref(reply);
    return EXIT_OK;
}

static enum exit_code order_run(const struct cli *cli, struct session *session)
{
    assent_error error;
    json_t *reply = NULL;
    if (show_ask(cli, session, &reply, &error) != ASSENT_OK)
        return print_failed(cli, &error);
    const json_t *verdict = json_object_get(reply, "verdict");
    enum exit_code exit;
    bool nowhere = !member_present(reply, "transaction") &&
                   json_array_size(json_object_get(reply, "foreign")) == 0;
    if (nowhere)
        exit = print_failed_as(cli, EXIT_NOT_FOUND, "UNKNOWN",
                               "there is nothing to order: %s: %s. %s", cli->words[0],
                               member_text(verdict, "outcome"), member_text(verdict, "text"));
    else
        exit = confirm(cli, reply);
    json_decref(reply);
    return exit == EXIT_OK ? order_send(cli, session) : exit;
}

static enum exit_code order(const struct cli *cli)
{
    struct session *session = NULL;
    assent_error error;
    if (session_open(cli, &session, &error) != ASSENT_OK)
        return print_failed(cli, &error);
    enum exit_code exit = order_run(cli, session);
    session_close(&session);
    return exit;
}

static enum exit_code forced(const struct cli *cli)
{
    if (!cli->reason || !*cli->reason)
        return print_failed_as(cli, EXIT_USAGE, "INVALID",
                               "say why, with --reason TEXT: it is recorded with the order");
    if (strlen(cli->reason) > REASON_BYTES)
        return print_failed_as(cli, EXIT_USAGE, "LIMIT", "the reason is longer than %d bytes",
                               REASON_BYTES);
    return order(cli);
}

enum exit_code verb_commit(struct cli *cli)
{
    return forced(cli);
}

enum exit_code verb_abort(struct cli *cli)
{
    return forced(cli);
}

enum exit_code verb_forget(struct cli *cli)
{
    return order(cli);
}

enum exit_code verb_retry(struct cli *cli)
{
    struct session *session = NULL;
    assent_error error;
    if (cli->all == (cli->word_count > 0))
        return print_failed_as(cli, EXIT_USAGE, "INVALID", "say which: a GTID, or --all");
    if (session_open(cli, &session, &error) != ASSENT_OK)
        return print_failed(cli, &error);
    enum exit_code exit = order_send(cli, session);
    session_close(&session);
    return exit;
}
