// SPDX-License-Identifier: Apache-2.0
// saga submit: a saga from a file, as a client of libassent. Its being durable at the coordinator
// is what is waited for, and with --wait its end.
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "assent/client.h"
#include "core/gtid.h"
#include "saga_file.h"
#include "session.h"
#include "views.h"

enum { POLL_MS_MIN = 10, POLL_MS_MAX = 500 };

static void pause_ms(uint64_t ms)
{
    struct timespec pause = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static int read_file(const struct cli *cli, struct saga_file *ret, assent_error *error)
{
    const char *path = cli->words[0];
    if (strcmp(path, "-") == 0)
        return saga_file_read(ret, stdin, "standard input", error);
    FILE *in = fopen(path, "rb");
    if (!in)
        return error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
    int code = saga_file_read(ret, in, path, error);
    fclose(in);
    return code;
}

// An operator is no client: that is found out, and said, before anything is begun.
static int check_allowed(const struct cli *cli, assent_error *error)
{
    struct session *session = NULL;
    int code = session_open(cli, &session, error);
    if (code == ASSENT_OK)
        code = session_greet_as_client(session, error);
    session_close(&session);
    if (code == ASSENT_DENIED) {
        char why[ASSENT_ERROR_MESSAGE_MAX];
        snprintf(why, sizeof why, "%s", error->message);
        error_set(error, code,
                  "%.200s. A saga is submitted by a client: use a certificate made with --role "
                  "client, or client,operator",
                  why);
    }
    return code;
}

// ---- with libassent ----

static int open_client(const struct cli *cli, assent_client **ret, assent_error *error)
{
    uint32_t timeout_ms = cli->timeout_ms < UINT32_MAX ? (uint32_t)cli->timeout_ms : UINT32_MAX;
    const assent_client_options options = {
        .endpoint = cli->endpoint,
        .name = "assent",
        .certificate = cli->certificate,
        .server_certificate = cli->server_certificate,
        .connect_timeout_ms = timeout_ms ? timeout_ms : 1,
        .answer_timeout_ms = timeout_ms ? timeout_ms : 1,
    };
    return assent_client_open(&options, ret, error);
}

static int add_step(assent_tx *tx, const struct saga_step *step, assent_error *error)
{
    uint16_t after[LIMIT_BRANCHES];
    assent_step_options options = {
        .after = after,
        .anywhere = 1,
        .pivot = step->pivot,
        .kept = step->kept,
        .attempts = step->attempts,
        .timeout_ms = step->timeout_ms,
        .backoff_ms = step->backoff_ms,
        .backoff_max_ms = step->backoff_max_ms,
    };
    for (unsigned i = 0; i < LIMIT_BRANCHES; i++)
        if (step->after >> i & 1)
            after[options.after_count++] = (uint16_t)i;
    return assent_step(tx, step->resource, step->payload.data, step->payload.size, &options, NULL,
                       error);
}

static int submit(assent_tx *tx, const struct saga_file *f, assent_error *error)
{
    int code = ASSENT_OK;
    for (unsigned i = 0; i < f->count && code == ASSENT_OK; i++)
        code = add_step(tx, &f->steps[i], error);
    if (code == ASSENT_OK)
        code = assent_submit(tx, error);
    if (code == ASSENT_TIMEOUT || code == ASSENT_CLOSED) {
        char why[ASSENT_ERROR_MESSAGE_MAX];
        snprintf(why, sizeof why, "%s", error->message);
        error_set(
            error, code,
            "%.200s. Whether it was submitted is not known; the same again is safe: --gtid %s", why,
            assent_tx_gtid(tx));
    }
    return code;
}

// The outcome so far; with --wait, once it has ended or the time is up. A coordinator that is away
// may come back.
static int wait_end(const struct cli *cli, assent_client *client, assent_result *result,
                    assent_error *error)
{
    char gtid[ASSENT_GTID_MAX + 1];
    uint64_t due_ms = cli->patient ? mono_ms() + cli->timeout_ms : UINT64_MAX;
    snprintf(gtid, sizeof gtid, "%s", result->gtid);
    for (uint64_t pause = POLL_MS_MIN;; pause = pause * 2 < POLL_MS_MAX ? pause * 2 : POLL_MS_MAX) {
        int code = assent_status(client, gtid, result, error);
        bool away = code == ASSENT_UNAVAILABLE || code == ASSENT_TIMEOUT || code == ASSENT_BUSY;
        bool ended =
            code == ASSENT_OK && (result->finished || result->outcome == ASSENT_OUTCOME_UNKNOWN);
        if (!cli->wait || ended || (code != ASSENT_OK && !away) || mono_ms() + pause >= due_ms)
            return code;
        pause_ms(pause);
    }
}

// ---- what became of it ----

static json_t *steps_json(const struct saga_file *f)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < f->count; i++)
        json_array_append_new(array,
                              json_pack("{s:i, s:s, s:s}", "step", (int)i, "name", f->steps[i].name,
                                        "participant", f->steps[i].resource));
    return array;
}

static json_t *reason_json(const assent_result *r)
{
    if (r->outcome != ASSENT_ABORTED)
        return json_null();
    json_t *reason =
        json_pack("{s:s, s:s}", "text", assent_reason_text(r->reason), "detail", clean(r->text));
    json_object_set_new(reason, "branch", r->branch < 0 ? json_null() : json_integer(r->branch));
    return reason;
}

// Why it was given up, with the step's name, which only the file knows.
static void print_reason(const struct saga_file *f, const assent_result *r)
{
    printf(": %s", assent_reason_text(r->reason));
    if (r->branch >= 0 && (unsigned)r->branch < f->count)
        printf(", step %d (%s) at %s", r->branch, f->steps[r->branch].name,
               f->steps[r->branch].resource);
    if (*r->text)
        printf(": %s", clean(r->text));
}

static enum exit_code print_result(const struct cli *cli, const struct saga_file *f,
                                   const assent_result *r)
{
    enum exit_code exit = EXIT_OK;
    if (cli->json)
        exit = print_json(cli, json_pack("{s:s, s:s, s:b, s:b, s:o, s:o}", "gtid", r->gtid,
                                         "outcome", assent_outcome_text(r->outcome), "finished",
                                         r->finished, "mixed", r->mixed, "reason", reason_json(r),
                                         "steps", steps_json(f)));
    else {
        printf("%s: %s%s", r->gtid, assent_outcome_text(r->outcome), r->mixed ? ", mixed" : "");
        if (r->outcome == ASSENT_ABORTED)
            print_reason(f, r);
        putchar('\n');
    }
    if (exit != EXIT_OK || !cli->wait)
        return exit;
    if (r->outcome == ASSENT_OUTCOME_UNKNOWN)
        return EXIT_NOT_FOUND;
    if (!r->finished) {
        fprintf(stderr, "assent: it has not ended in that time, and goes on: assent saga show %s\n",
                r->gtid);
        return EXIT_UNREACHABLE;
    }
    return r->outcome == ASSENT_ABORTED ? EXIT_ABORTED : EXIT_OK;
}

static int run(const struct cli *cli, const struct saga_file *f, assent_result *result,
               assent_error *error)
{
    const assent_tx_options options = {.protocol = ASSENT_SAGA, .timeout_ms = f->timeout_ms};
    assent_client *client = NULL;
    assent_tx *tx = NULL;
    int code = open_client(cli, &client, error);
    if (code == ASSENT_OK)
        code = assent_begin(client, cli->gtid ? cli->gtid : f->gtid, &options, &tx, error);
    if (code == ASSENT_OK)
        code = submit(tx, f, error);
    if (code == ASSENT_OK) {
        snprintf(result->gtid, sizeof result->gtid, "%s", assent_tx_gtid(tx));
        code = wait_end(cli, client, result, error);
        // It is submitted, whatever is in the way of hearing more of it.
        if (code != ASSENT_OK)
            *result = (assent_result){.branch = -1};
        snprintf(result->gtid, sizeof result->gtid, "%s", assent_tx_gtid(tx));
        code = ASSENT_OK;
    }
    assent_tx_destroy(&tx);
    assent_client_close(&client);
    return code;
}

enum exit_code verb_saga_submit(struct cli *cli)
{
    struct saga_file file;
    assent_result result = {.branch = -1};
    assent_error error;
    if (cli->gtid && !gtid_valid(slice_text(cli->gtid)))
        return print_failed_as(cli, EXIT_USAGE, "INVALID",
                               "--gtid: a gtid has 1 to 64 letters, digits and . _ : -");
    if (read_file(cli, &file, &error) != ASSENT_OK)
        return print_failed(cli, &error);
    int code = check_allowed(cli, &error);
    if (code == ASSENT_OK)
        code = run(cli, &file, &result, &error);
    enum exit_code exit =
        code == ASSENT_OK ? print_result(cli, &file, &result) : print_failed(cli, &error);
    saga_file_free(&file);
    return exit;
}
