// SPDX-License-Identifier: Apache-2.0
// assent-order serve: one service, until it is told to stop.
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kit/command.h"
#include "kit/local.h"
#include "kit/serve.h"
#include "kit/stop.h"
#include "order.h"

static const char usage[] = "Usage: assent-order serve SERVICE DIR\n"
                            "Runs the service orders, payment or stock, whose database is in "
                            "DIR/SERVICE, until SIGTERM or\n"
                            "SIGINT. Prints 'ready' when the coordinator has welcomed it.\n"
                            "\n"
                            "      --tidy N    seconds after which orders looks for rows of the "
                            "barrier that were left over\n"
                            "                  (default 60)\n"
                            "  -h, --help      show this help\n";

#define RECEIVED_SETUP                                                                             \
    "CREATE TABLE IF NOT EXISTS received (gtid TEXT, item INTEGER, quantity INTEGER);"             \
    "CREATE TABLE IF NOT EXISTS totals (item INTEGER PRIMARY KEY, quantity INTEGER NOT NULL)"

const char *const order_services[] = {
    [ORDERS] = "orders", [PAYMENT] = "payment", [STOCK] = "stock"};

const char *const order_setups[] = {
    [ORDERS] =
        "CREATE TABLE IF NOT EXISTS orders (gtid TEXT PRIMARY KEY, customer INTEGER NOT NULL,"
        " amount INTEGER NOT NULL, article INTEGER NOT NULL, pieces INTEGER NOT NULL)",
    [PAYMENT] = RECEIVED_SETUP,
    [STOCK] = RECEIVED_SETUP,
};

static const assent_handlers *const handlers[] = {
    [ORDERS] = &sender_handlers, [PAYMENT] = &payment_handlers, [STOCK] = &stock_handlers};

size_t order_print(const struct order *o, char text[ORDER_TEXT_MAX])
{
    return (size_t)snprintf(text, ORDER_TEXT_MAX, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
                            o->customer, o->amount, o->article, o->pieces);
}

void order_path(const char *root, const char *service, char path[512])
{
    snprintf(path, 512, "%s/%s/order.db", root, service);
}

int command_serve(int argc, char **argv)
{
    static const struct option options[] = {
        {"tidy", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'h'}, {0}};
    int64_t tidy_s = 60;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h')
            return fputs(usage, stdout), EXIT_GOOD;
        if (c == '?' || !number_parse("tidy", optarg, 1, 86400, &tidy_s))
            return EXIT_USAGE;
    }
    unsigned service = 0;
    while (optind + 2 == argc && service < SERVICE_COUNT &&
           strcmp(argv[optind], order_services[service]) != 0)
        service++;
    if (optind + 2 != argc || service == SERVICE_COUNT)
        return complain(EXIT_USAGE, "serve needs orders, payment or stock, and a directory");
    if (!stop_signals())
        return complain(EXIT_TROUBLE, "signals: %s", strerror(errno));
    char dir[400], path[512];
    struct local *db;
    assent_error error;
    snprintf(dir, sizeof dir, "%s/%s", argv[optind + 1], order_services[service]);
    order_path(argv[optind + 1], order_services[service], path);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return complain(EXIT_TROUBLE, "%s: %s", dir, strerror(errno));
    if (local_open(path, order_setups[service], &db, &error) != ASSENT_OK)
        return complain(EXIT_TROUBLE, "%s", error.message);
    struct serve serve = {.resource = order_services[service],
                          .dir = dir,
                          .handlers = handlers[service],
                          .context = db,
                          .tidy = service == ORDERS ? sender_tidy : NULL,
                          .tidy_s = tidy_s};
    int status = serve_run(&serve);
    local_close(&db);
    return status;
}
