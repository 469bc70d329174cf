// SPDX-License-Identifier: Apache-2.0
// assent-order run: all of it in one command.
#include <stdio.h>

#include "kit/command.h"
#include "kit/scene.h"
#include "order.h"

static const char usage[] =
    "Usage: assent-order run [OPTION]...\n"
    "Starts a coordinator and the services orders, payment and stock in a directory of their own,\n"
    "takes orders from clients at the same time, kills processes with SIGKILL on the way, and "
    "audits.\n"
    "\n" SCENE_USAGE;

static int play(struct scene *s)
{
    static char told[300];
    int status = scene_open(s, "order");
    for (unsigned i = 0; i < SERVICE_COUNT && status == EXIT_GOOD; i++)
        status =
            scene_serve(s, order_services[i],
                        (const char *[]){"serve", "--tidy", "2", order_services[i], s->dir, NULL});
    if (status != EXIT_GOOD)
        return status;
    snprintf(told, sizeof told, "%s/told", s->dir);
    status = scene_clients(
        s, (const char *[]){"take", "--count", s->count, "--told", told, s->dir, NULL}, s->kills);
    if (status == EXIT_GOOD)
        status = scene_run(s, (const char *[]){"audit", "--wait", "90", "--rows", "--status",
                                               "--told", told, s->dir, NULL});
    return status;
}

int command_run(int argc, char **argv)
{
    struct scene scene = {.count = "4000", .kills = 1 + SERVICE_COUNT};
    int status = scene_options(&scene, argc, argv, usage);
    return status >= 0 ? status : scene_close(&scene, play(&scene));
}
