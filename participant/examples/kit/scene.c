// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700 // nftw
#include "kit/scene.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kit/command.h"
#include "kit/pause.h"

enum { READY_MS = 60000, KILL_PAUSE_MS = 400 };

static char own_path[512];

static void log_path(const struct scene *s, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s.log", s->dir, name);
}

int scene_options(struct scene *s, int argc, char **argv, const char *usage)
{
    static const struct option options[] = {{"count", required_argument, NULL, 'n'},
                                            {"kills", required_argument, NULL, 'k'},
                                            {"keep", no_argument, NULL, 'K'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    int64_t count;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        switch (c) {
        case 'n':
            if (!number_parse("count", optarg, 1, 1000000, &count))
                return EXIT_USAGE;
            s->count = optarg;
            break;
        case 'k':
            if (!number_parse("kills", optarg, 0, 1000, &s->kills))
                return EXIT_USAGE;
            break;
        case 'K': s->keep = true; break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        default: return EXIT_USAGE;
        }
    }
    if (optind != argc)
        return complain(EXIT_USAGE, "run takes no arguments; see --help");
    return -1;
}

// ---- processes ----

// With its output in a file, or where ours goes.
static bool start(const struct scene *s, struct scene_process *p, bool logged)
{
    char path[512];
    log_path(s, p->name, path);
    fflush(NULL);
    p->pid = fork();
    if (p->pid < 0) {
        p->pid = 0;
        return false;
    }
    if (p->pid > 0)
        return true;
    if (logged) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        close(fd);
    }
    char *argv[SCENE_ARGUMENTS_MAX];
    memcpy(argv, p->argv, sizeof argv);
    execv(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(EXIT_TROUBLE);
}

// True when it has ended; *ret_status then, as waitpid has it.
static bool ended(struct scene_process *p, int *ret_status)
{
    if (p->pid == 0 || waitpid(p->pid, ret_status, WNOHANG) != p->pid)
        return false;
    p->pid = 0;
    return true;
}

static bool file_has(const char *path, const char *text)
{
    char content[8192];
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(content, 1, sizeof content - 1, file) : 0;
    if (file)
        fclose(file);
    content[size] = '\0';
    return strstr(content, text) != NULL;
}

static int start_ready(struct scene *s, struct scene_process *p)
{
    char path[512];
    int status;
    log_path(s, p->name, path);
    if (!start(s, p, true))
        return complain(EXIT_TROUBLE, "%s: %s", p->name, strerror(errno));
    for (int waited = 0; waited < READY_MS; waited += 20) {
        if (file_has(path, p->ready))
            return EXIT_GOOD;
        if (ended(p, &status))
            return complain(EXIT_TROUBLE, "%s has ended; see %s", p->name, path);
        pause_ms(20);
    }
    return complain(EXIT_TROUBLE, "%s did not get ready; see %s", p->name, path);
}

static void set_arguments(struct scene_process *p, const char *const *arguments)
{
    unsigned count = 0;
    p->argv[count++] = own_path;
    while (*arguments && count < SCENE_ARGUMENTS_MAX - 1)
        p->argv[count++] = *arguments++;
    p->argv[count] = NULL;
}

// ---- the scene ----

static int find_programs(struct scene *s)
{
    ssize_t size = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
    char *slash = size > 0 ? strrchr(own_path, '/') : NULL;
    if (!slash || (size_t)(slash - own_path) >= sizeof s->bin)
        return complain(EXIT_TROUBLE, "it is not known where this program is");
    memcpy(s->bin, own_path, (size_t)(slash - own_path));
    s->bin[slash - own_path] = '\0';
    return EXIT_GOOD;
}

int scene_open(struct scene *s, const char *example)
{
    static char daemon[300], data[300], endpoint[320];
    if (find_programs(s) != EXIT_GOOD)
        return EXIT_TROUBLE;
    const char *tmp = getenv("TMPDIR");
    snprintf(s->dir, sizeof s->dir, "%s/assent-%s.XXXXXX", tmp ? tmp : "/tmp", example);
    if (!mkdtemp(s->dir))
        return complain(EXIT_TROUBLE, "%s: %s", s->dir, strerror(errno));
    snprintf(daemon, sizeof daemon, "%s/assentd", s->bin);
    snprintf(data, sizeof data, "%s/coordinator", s->dir);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/assentd.sock", data);
    setenv("ASSENT_ENDPOINT", endpoint, 1);
    struct scene_process *p = &s->servers[s->server_count++];
    *p = (struct scene_process){.name = "assentd", .ready = "event=listening"};
    p->argv[0] = daemon;
    p->argv[1] = "--data-dir";
    p->argv[2] = data;
    printf("a coordinator and services, in %s\n", s->dir);
    return start_ready(s, p);
}

int scene_serve(struct scene *s, const char *name, const char *const *arguments)
{
    if (s->server_count == SCENE_PROCESSES_MAX)
        return complain(EXIT_TROUBLE, "too many services");
    struct scene_process *p = &s->servers[s->server_count++];
    *p = (struct scene_process){.name = name, .ready = "ready"};
    set_arguments(p, arguments);
    return start_ready(s, p);
}

static int kill_one(struct scene *s, int64_t number)
{
    struct scene_process *p = &s->servers[number % s->server_count];
    int status;
    if (ended(p, &status))
        return complain(EXIT_TROUBLE, "%s has ended by itself; see %s/%s.log", p->name, s->dir,
                        p->name);
    printf("SIGKILL to %s\n", p->name);
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    p->pid = 0;
    pause_ms(KILL_PAUSE_MS / 2);
    return start_ready(s, p);
}

int scene_clients(struct scene *s, const char *const *arguments, int64_t kills)
{
    struct scene_process *clients = &s->clients;
    *clients = (struct scene_process){.name = "clients"};
    set_arguments(clients, arguments);
    if (!start(s, clients, false))
        return complain(EXIT_TROUBLE, "clients: %s", strerror(errno));
    int status = 0, trouble = EXIT_GOOD;
    int64_t killed = 0;
    for (long waited = 0; !ended(clients, &status); waited += 20) {
        if (killed < kills && waited > KILL_PAUSE_MS && trouble == EXIT_GOOD) {
            trouble = kill_one(s, killed++);
            waited = 0;
        }
        if (trouble != EXIT_GOOD)
            kill(clients->pid, SIGTERM);
        pause_ms(20);
    }
    if (trouble != EXIT_GOOD)
        return trouble;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TROUBLE;
}

int scene_run(struct scene *s, const char *const *arguments)
{
    return scene_clients(s, arguments, 0);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *walk)
{
    (void)about, (void)type, (void)walk;
    return remove(path);
}

int scene_close(struct scene *s, int status)
{
    for (unsigned i = s->server_count; i-- > 0;) {
        if (s->servers[i].pid > 0)
            kill(s->servers[i].pid, SIGTERM);
    }
    for (unsigned i = 0; i < s->server_count; i++) {
        if (s->servers[i].pid > 0)
            waitpid(s->servers[i].pid, NULL, 0);
    }
    if (s->keep || status != EXIT_GOOD)
        printf("data and logs are in %s\n", s->dir);
    else if (s->dir[0])
        nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}
