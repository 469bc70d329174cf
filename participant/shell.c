// SPDX-License-Identifier: Apache-2.0
#include "shell.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash_point.h"
#include "net/defaults.h"

static pthread_once_t crash_once = PTHREAD_ONCE_INIT;
static assent_error crash_error;

static void crash_arm(void)
{
    crash_point_arm(&crash_error);
}

int shell_crash_points(assent_error *error)
{
    pthread_once(&crash_once, crash_arm);
    if (crash_error.code && error)
        *error = crash_error;
    return crash_error.code;
}

// ---- the place ----

int shell_setting(const char *told, const char *variable, char *ret, size_t size,
                  assent_error *error)
{
    const char *text = told ? told : getenv(variable);
    if (!text)
        text = "";
    if (strlen(text) >= size)
        return error_set(error, ASSENT_INVALID, "a path or endpoint of more than %zu bytes",
                         size - 1);
    memcpy(ret, text, strlen(text) + 1);
    return ASSENT_OK;
}

int shell_place(const char *endpoint, const char *certificate, const char *server_certificate,
                struct shell_place *ret, assent_error *error)
{
    int code =
        shell_setting(endpoint, "ASSENT_ENDPOINT", ret->endpoint, sizeof ret->endpoint, error);
    if (code == ASSENT_OK && !ret->endpoint[0])
        code = default_client_endpoint(ret->endpoint, sizeof ret->endpoint, error);
    if (code == ASSENT_OK)
        code = shell_setting(certificate, "ASSENT_CERTIFICATE", ret->certificate,
                             sizeof ret->certificate, error);
    if (code == ASSENT_OK)
        code = shell_setting(server_certificate, "ASSENT_SERVER_CERTIFICATE",
                             ret->server_certificate, sizeof ret->server_certificate, error);
    return code;
}

int shell_dial(const struct shell_place *place, struct net_peer **ret, assent_error *error)
{
    const struct net_peer_options options = {
        .endpoint = place->endpoint,
        .certificate = place->certificate[0] ? place->certificate : NULL,
        .server_certificate = place->server_certificate[0] ? place->server_certificate : NULL,
    };
    return net_peer_open(&options, ret, error);
}

// ---- time ----

struct now shell_now(void)
{
    return (struct now){.mono_ms = clock_ms(CLOCK_MONOTONIC), .wall_ms = clock_ms(CLOCK_REALTIME)};
}

int shell_wait_ms(uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX)
        return -1;
    uint64_t now_ms = clock_ms(CLOCK_MONOTONIC);
    uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

// For jitter, not for secrets: the clock will do where there is no randomness.
uint64_t shell_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        seed = (uint64_t)t.tv_nsec << 32 ^ (uint64_t)getpid();
    }
    return seed;
}

// ---- threads ----

bool shell_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    bool made = pthread_cond_init(cond, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return made;
}

bool shell_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms)
{
    if (deadline_ms == UINT64_MAX)
        return pthread_cond_wait(cond, lock) == 0;
    struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
                             .tv_nsec = (long)(deadline_ms % 1000) * 1000000};
    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

int shell_thread(pthread_t *ret, void *(*run)(void *), void *arg, assent_error *error)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(ret, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_set(error, ASSENT_NOMEM, "cannot start a thread: %s", strerror(failed));
    return ASSENT_OK;
}

int shell_bell(assent_error *error)
{
    int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0)
        error_set(error, ASSENT_IO, "eventfd: %s", strerror(errno));
    return bell;
}

void shell_ring(int bell)
{
    uint64_t one = 1;
    while (write(bell, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

void shell_silence(int bell)
{
    uint64_t count;
    while (read(bell, &count, sizeof count) < 0 && errno == EINTR)
        continue;
}

// ---- frames ----

bool shell_receive(struct shell_inbox *inbox, struct net_peer *net, unsigned frames_max,
                   shell_message *message, void *arg)
{
    struct slice frame;
    struct frame_header header;
    struct msg msg;
    for (unsigned i = 0; i < frames_max; i++) {
        if (!net_peer_receive(net, &frame))
            return false;
        int code = wire_open(&inbox->reader, frame, &header, NULL);
        while (code == ASSENT_OK && wire_next(&inbox->reader, &msg, &code, NULL))
            message(arg, &header, &msg);
    }
    return true;
}
