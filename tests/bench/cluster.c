// SPDX-License-Identifier: Apache-2.0
// assentd and participants as processes of their own, in a temporary directory.
#define _XOPEN_SOURCE 700 // nftw
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static struct cluster *running; // so that a failure ends what was started
static pid_t owner;

uint64_t bench_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void bench_pause_us(uint64_t us)
{
    struct timespec left = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

void bench_progress(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("assent-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void bench_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("assent-bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    struct cluster *c = running;
    running = NULL;
    if (c)
        cluster_stop(c);
    exit(3);
}

static int cluster_remove(const char *path, const struct stat *about, int type, struct FTW *ftw)
{
    (void)about;
    (void)type;
    (void)ftw;
    return remove(path);
}

// Whatever it interrupts is not gone on with, so what it may call is no matter.
static void on_signal(int number)
{
    struct cluster *c = running;
    signal(number, SIG_DFL);
    if (c && getpid() == owner) {
        running = NULL;
        if (c->coordinator > 0)
            kill(c->coordinator, SIGKILL);
        for (unsigned i = 0; i < c->participant_count; i++)
            kill(c->participants[i], SIGKILL);
        while (wait(NULL) > 0)
            ;
        nftw(c->dir, cluster_remove, 16, FTW_DEPTH | FTW_PHYS);
    }
    _exit(128 + number);
}

void cluster_dir(struct cluster *c)
{
    const char *base = getenv("TMPDIR");
    snprintf(c->dir, sizeof c->dir, "%s/assent-bench.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(c->dir))
        bench_die("%s: %s", c->dir, strerror(errno));
    running = c;
    owner = getpid();
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
}

void cluster_program(const char *name, char path[BENCH_PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", path, BENCH_PATH_MAX - 64);
    if (size < 0)
        bench_die("/proc/self/exe: %s", strerror(errno));
    path[size] = '\0';
    snprintf(strrchr(path, '/') + 1, 64, "%s", name);
}

static pid_t cluster_spawn(const char *const argv[], int ready_fd)
{
    pid_t child = fork();
    if (child < 0)
        bench_die("cannot start a process: %s", strerror(errno));
    if (child == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ready_fd >= 0 && ready_fd != 3)
            dup2(ready_fd, 3);
        execv(argv[0], (char *const *)argv);
        fprintf(stderr, "assent-bench: %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    return child;
}

static void cluster_await(int fd, const char *what)
{
    char byte;
    if (read(fd, &byte, 1) != 1)
        bench_die("%s did not start", what);
    close(fd);
}

void cluster_coordinator(struct cluster *c)
{
    enum { FIXED = 12 };
    char program[BENCH_PATH_MAX], data[BENCH_PATH_MAX + 32];
    int ready[2];
    cluster_program("assentd", program);
    snprintf(data, sizeof data, "%s/coordinator", c->dir);
    if (c->tcp) // the port is the one that is free just now
        snprintf(c->endpoint, sizeof c->endpoint, "tcp://127.0.0.1:%d", 20000 + getpid() % 20000);
    else
        snprintf(c->endpoint, sizeof c->endpoint, "ipc://%s/assentd.sock", c->dir);
    const char *argv[FIXED + 2 * BENCH_SETTINGS_MAX] = {program,
                                                        "--data-dir",
                                                        data,
                                                        "--listen",
                                                        c->endpoint,
                                                        "--ready-fd",
                                                        "3",
                                                        "--log-level",
                                                        "warn",
                                                        "--set",
                                                        "security/allow-loopback=1"};
    for (unsigned i = 0; c->settings[i]; i++) {
        argv[FIXED - 1 + 2 * i] = "--set";
        argv[FIXED + 2 * i] = c->settings[i];
    }
    if (pipe(ready) != 0)
        bench_die("cannot make a pipe");
    c->coordinator = cluster_spawn(argv, ready[1]);
    close(ready[1]);
    cluster_await(ready[0], "assentd");
}

void cluster_participants(struct cluster *c, unsigned count)
{
    char program[BENCH_PATH_MAX];
    cluster_program("assent-bench", program);
    while (c->participant_count < count) {
        unsigned i = c->participant_count;
        char resource[32], journal[BENCH_PATH_MAX + 32];
        int ready[2];
        snprintf(resource, sizeof resource, "bench-%u", i);
        snprintf(journal, sizeof journal, "%s/journal-%u", c->dir, i);
        const char *argv[] = {program, "participant", c->endpoint, resource, journal, NULL};
        if (pipe(ready) != 0)
            bench_die("cannot make a pipe");
        c->participants[c->participant_count++] = cluster_spawn(argv, ready[1]);
        close(ready[1]);
        cluster_await(ready[0], resource);
    }
}

void cluster_processes_stop(struct cluster *c)
{
    for (unsigned i = 0; i < c->participant_count; i++)
        kill(c->participants[i], SIGTERM);
    for (unsigned i = 0; i < c->participant_count; i++)
        waitpid(c->participants[i], NULL, 0);
    c->participant_count = 0;
    if (c->coordinator > 0) {
        kill(c->coordinator, SIGTERM);
        waitpid(c->coordinator, NULL, 0);
    }
    c->coordinator = 0;
}

void cluster_stop(struct cluster *c)
{
    running = NULL;
    cluster_processes_stop(c);
    nftw(c->dir, cluster_remove, 16, FTW_DEPTH | FTW_PHYS);
}
