// SPDX-License-Identifier: Apache-2.0
// assent-travel run: all of it in one command.
#include <getopt.h>
#include <stdio.h>

#include "kit/command.h"
#include "kit/scene.h"
#include "travel.h"

static const char usage[] =
    "Usage: assent-travel run [OPTION]...\n"
    "Starts a coordinator and the services flight, hotel, car and card in a directory of their "
    "own,\n"
    "books trips from clients at the same time, kills processes with SIGKILL on the way, and "
    "audits.\n"
    "There are fewer rooms than trips, so some have to be refused, and given back elsewhere.\n"
    "\n"
    "      --count N    trips (default 400)\n"
    "      --kills N    (default 5: each process once)\n"
    "      --keep       keep the directory\n"
    "  -h, --help       show this help\n";

static int play(struct scene *s, const char *count, int64_t kills)
{
    static char told[300];
    int status = scene_open(s, "travel");
    for (unsigned i = 0; i < SERVICE_COUNT && status == EXIT_GOOD; i++) {
        const char *name = travel_services[i];
        const char *capacity = i == HOTEL ? "8" : "20";
        status = scene_serve(s, name,
                             (const char *[]){"serve", "--items", "100", "--capacity", capacity,
                                              name, s->dir, NULL});
    }
    if (status != EXIT_GOOD)
        return status;
    snprintf(told, sizeof told, "%s/told", s->dir);
    status = scene_clients(
        s, (const char *[]){"book", "--count", count, "--days", "30", "--told", told, NULL}, kills);
    if (status == EXIT_GOOD)
        status = scene_run(
            s, (const char *[]){"audit", "--wait", "60", "--status", "--told", told, s->dir, NULL});
    return status;
}

int command_run(int argc, char **argv)
{
    static const struct option options[] = {{"count", required_argument, NULL, 'n'},
                                            {"kills", required_argument, NULL, 'k'},
                                            {"keep", no_argument, NULL, 'K'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *count = "400";
    int64_t number, kills = 1 + SERVICE_COUNT;
    bool keep = false;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'n':
            if (!number_parse("count", optarg, 1, 1000000, &number))
                return EXIT_USAGE;
            count = optarg;
            break;
        case 'k':
            if (!number_parse("kills", optarg, 0, 1000, &kills))
                return EXIT_USAGE;
            break;
        case 'K': keep = true; break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        default: return EXIT_USAGE;
        }
    }
    struct scene scene;
    return scene_close(&scene, play(&scene, count, kills), keep);
}
