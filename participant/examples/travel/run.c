// SPDX-License-Identifier: Apache-2.0
// assent-travel run: all of it in one command.
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
    "\n" SCENE_USAGE;

static int play(struct scene *s)
{
    static char told[300];
    int status = scene_open(s, "travel");
    for (unsigned i = 0; i < SERVICE_COUNT && status == EXIT_GOOD; i++) {
        const char *name = travel_services[i];
        const char *capacity = i == HOTEL ? "12" : "20";
        status = scene_serve(s, name,
                             (const char *[]){"serve", "--capacity", capacity, name, s->dir, NULL});
    }
    if (status != EXIT_GOOD)
        return status;
    snprintf(told, sizeof told, "%s/told", s->dir);
    status = scene_clients(
        s, (const char *[]){"book", "--count", s->count, "--days", "60", "--told", told, NULL},
        s->kills);
    if (status == EXIT_GOOD)
        status = scene_run(s, (const char *[]){"audit", "--wait", "90", "--rows", "--status",
                                               "--told", told, s->dir, NULL});
    return status;
}

int command_run(int argc, char **argv)
{
    struct scene scene = {.count = "1000", .kills = 1 + SERVICE_COUNT};
    int status = scene_options(&scene, argc, argv, usage);
    return status >= 0 ? status : scene_close(&scene, play(&scene));
}
