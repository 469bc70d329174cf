// SPDX-License-Identifier: Apache-2.0
// The one command that shows an example: a coordinator, the example's services and clients as
// processes in a directory of their own, some of them killed on the way.
#ifndef KIT_SCENE_H
#define KIT_SCENE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { SCENE_PROCESSES_MAX = 8, SCENE_ARGUMENTS_MAX = 24 };

struct scene_process {
    const char *name;
    const char *ready; // what it prints when it is
    const char *argv[SCENE_ARGUMENTS_MAX];
    pid_t pid; // 0: it is not running
};

struct scene {
    char dir[256];
    char bin[256]; // where this program is, and assentd
    struct scene_process servers[SCENE_PROCESSES_MAX];
    unsigned server_count;
    struct scene_process clients;
    // As the options say.
    const char *count; // of transactions
    int64_t kills;
    bool keep; // the directory
};

#define SCENE_USAGE                                                                                \
    "      --count N  of transactions\n"                                                           \
    "      --kills N  how many processes are killed (default: each once)\n"                        \
    "      --keep     keep the directory\n"                                                        \
    "  -h, --help     show this help\n"
// Over the defaults that are set. -1: go on; else the exit status.
int scene_options(struct scene *scene, int argc, char **argv, const char *usage);

// Makes the directory, and starts assentd in it. Returns an exit status, as all of these do.
int scene_open(struct scene *scene, const char *example);
// Starts `<this program> <argument>...` and waits until it is ready. The arguments have to live as
// long as the scene, and end with NULL. Servers are started again when they were killed.
int scene_serve(struct scene *scene, const char *name, const char *const *arguments);
// Starts the clients, kills so many servers with SIGKILL while they run, one after the other, and
// waits for the clients' end.
int scene_clients(struct scene *scene, const char *const *arguments, int64_t kills);
// Runs `<this program> <argument>...` to its end.
int scene_run(struct scene *scene, const char *const *arguments);
// Stops everything. The directory goes when `status` is good, unless it is to be kept.
int scene_close(struct scene *scene, int status);

#endif
