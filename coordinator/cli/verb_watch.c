// SPDX-License-Identifier: Apache-2.0
// watch: the status and what is not finished, again and again. On a terminal the picture is
// refreshed in place; elsewhere each look follows the one before.
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "views.h"

struct look {
    json_t *status;
    struct rows rows, foreign;
};

static void look_free(struct look *look)
{
    json_decref(look->status);
    rows_free(&look->rows);
    rows_free(&look->foreign);
}

static int look_ask(struct cli *cli, struct look *look, assent_error *error)
{
    struct session *session = NULL;
    look->status = NULL;
    rows_init(&look->rows, cli->limit, "started_at_ms");
    rows_init(&look->foreign, cli->limit, "first_at_ms");
    // A session for each look: between two of them the coordinator may have gone and come back.
    int code = session_open(cli, &session, error);
    json_t *arguments = cli->in_doubt ? json_pack("{s:b}", "in_doubt", 1) : NULL;
    if (code == ASSENT_OK)
        code = session_ask(session, "status", NULL, &look->status, error);
    if (code == ASSENT_OK)
        code =
            rows_ask(&look->rows, session, "list", "transactions", arguments, false, NULL, error);
    if (code == ASSENT_OK)
        code = rows_ask(&look->foreign, session, "foreign", "foreign", NULL, false, NULL, error);
    json_decref(arguments);
    session_close(&session);
    return code;
}

static enum exit_code look_print(const struct cli *cli, const struct look *look)
{
    char time[TIME_TEXT_BYTES];
    printf("%s%s%s\n", paint(cli, PAINT_BOLD),
           format_time(member_count(look->status, "now_ms"), time), unpaint(cli));
    view_status(cli, look->status);
    putchar('\n');
    bool ok = view_live(cli, &look->rows);
    if (look->rows.count == 0)
        printf(cli->in_doubt ? "Nothing is in doubt.\n" : "No transactions are in flight.\n");
    if (look->rows.matched > look->rows.count)
        printf("And %" PRIu64 " younger ones.\n", look->rows.matched - look->rows.count);
    if (look->foreign.count > 0)
        printf("\nIn doubt at participants here, but begun by other coordinators:\n");
    ok = view_foreign(cli, &look->foreign) && ok;
    return ok ? EXIT_OK : EXIT_FAILED;
}

static enum exit_code look_once(struct cli *cli, bool refresh)
{
    struct look look;
    assent_error error;
    enum exit_code exit = EXIT_OK;
    int code = look_ask(cli, &look, &error);
    if (refresh)
        printf("\033[H\033[J");
    if (code != ASSENT_OK)
        exit = print_failed(cli, &error);
    else if (cli->json)
        exit =
            print_json(cli, json_pack("{s:O, s:o, s:o}", "status", look.status, "transactions",
                                      rows_json(&look.rows), "foreign", rows_json(&look.foreign)));
    else
        exit = look_print(cli, &look);
    if (!refresh && !cli->json && code == ASSENT_OK)
        putchar('\n');
    look_free(&look);
    // Whoever reads is gone when nothing can be written any more.
    return fflush(stdout) == 0 ? exit : EXIT_FAILED;
}

enum exit_code verb_watch(struct cli *cli)
{
    bool refresh = !cli->json && isatty(STDOUT_FILENO);
    enum exit_code exit = EXIT_OK;
    if (cli->limit == 100 && refresh)
        cli->limit = 20;
    for (uint64_t i = 0; cli->count == 0 || i < cli->count; i++) {
        struct timespec pause = {.tv_sec = (time_t)(cli->interval_ms / 1000),
                                 .tv_nsec = (long)(cli->interval_ms % 1000) * 1000000};
        if (i > 0)
            nanosleep(&pause, NULL);
        exit = look_once(cli, refresh);
        // A coordinator that is away may come back; anything else will not get better.
        if (exit != EXIT_OK && exit != EXIT_UNREACHABLE)
            break;
    }
    return exit;
}
