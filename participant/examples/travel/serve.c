// SPDX-License-Identifier: Apache-2.0
// assent-travel serve: one service, until it is told to stop.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kit/command.h"
#include "kit/local.h"
#include "kit/serve.h"
#include "kit/stop.h"
#include "travel.h"

static const char usage[] =
    "Usage: assent-travel serve [OPTION]... SERVICE DIR\n"
    "Runs the service flight, hotel, car or card, whose database is in DIR/SERVICE, until SIGTERM "
    "or\n"
    "SIGINT. Prints 'ready' when the coordinator has welcomed it.\n"
    "\n"
    "      --items N     days, or travellers at the card, that it starts with (default 100)\n"
    "      --capacity N  of each item (default 20)\n"
    "  -h, --help        show this help\n";

const char *const travel_services[] = {
    [FLIGHT] = "flight", [HOTEL] = "hotel", [CAR] = "car", [CARD] = "card"};

void travel_path(const char *root, const char *service, char path[512])
{
    snprintf(path, 512, "%s/%s/travel.db", root, service);
}

static int open_service(const char *root, const char *service, int64_t items, int64_t capacity,
                        struct local **ret)
{
    char path[512];
    assent_error error;
    travel_path(root, service, path);
    if (local_open(path, travel_setup, ret, &error) != ASSENT_OK)
        return complain(EXIT_TROUBLE, "%s", error.message);
    if (local_begin(*ret)) {
        if (local_run(*ret,
                      "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n"
                      " WHERE i < %lld) INSERT INTO offers SELECT i, %lld, %lld FROM n"
                      " WHERE NOT EXISTS (SELECT 1 FROM offers)",
                      (long long)items, (long long)capacity, (long long)capacity)) {
            local_commit(*ret);
            return EXIT_GOOD;
        }
        local_rollback(*ret);
    }
    local_close(ret);
    return EXIT_TROUBLE;
}

int command_serve(int argc, char **argv)
{
    static const struct option options[] = {{"items", required_argument, NULL, 'i'},
                                            {"capacity", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int64_t items = 100, capacity = 20;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h')
            return fputs(usage, stdout), EXIT_GOOD;
        if (c == '?' || !number_parse(c == 'i' ? "items" : "capacity", optarg, 0, 1000000,
                                      c == 'i' ? &items : &capacity))
            return EXIT_USAGE;
    }
    unsigned service = 0;
    while (optind + 2 == argc && service < SERVICE_COUNT &&
           strcmp(argv[optind], travel_services[service]) != 0)
        service++;
    if (optind + 2 != argc || service == SERVICE_COUNT)
        return complain(EXIT_USAGE, "serve needs flight, hotel, car or card, and a directory");
    if (!stop_signals())
        return complain(EXIT_TROUBLE, "signals: %s", strerror(errno));
    char dir[400];
    struct local *db;
    snprintf(dir, sizeof dir, "%s/%s", argv[optind + 1], travel_services[service]);
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return complain(EXIT_TROUBLE, "%s: %s", dir, strerror(errno));
    int status = open_service(argv[optind + 1], travel_services[service], items, capacity, &db);
    if (status != EXIT_GOOD)
        return status;
    struct serve serve = {.resource = travel_services[service],
                          .dir = dir,
                          .handlers = &travel_handlers,
                          .context = db};
    status = serve_run(&serve);
    local_close(&db);
    return status;
}
