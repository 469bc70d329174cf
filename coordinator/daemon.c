// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/logger.h"
#include "base/notify.h"
#include "core/message.h"

struct daemon {
    const struct options *options;
    struct config *config;
    struct engine *engine;
    int signal_fd;
    int log_fd; // of logging/file; -1: standard error
    bool draining;
    uint64_t drain_due_ms; // monotonic
    enum exit_code exit_code;
};

enum exit_code daemon_exit_code(int code)
{
    switch ((enum assent_code)code) {
    case ASSENT_OK: return EXIT_CLEAN;
    case ASSENT_INVALID:
    case ASSENT_CONFIG: return EXIT_USAGE;
    case ASSENT_CORRUPT:
    case ASSENT_BEHIND:
    case ASSENT_VERSION: return EXIT_REFUSED;
    case ASSENT_LIMIT:
    case ASSENT_NOMEM:
    case ASSENT_IO:
    case ASSENT_LOCKED:
    case ASSENT_BUSY:
    case ASSENT_TIMEOUT:
    case ASSENT_UNAVAILABLE:
    case ASSENT_DENIED:
    case ASSENT_UNKNOWN:
    case ASSENT_CONFLICT:
    case ASSENT_STATE:
    case ASSENT_FENCED:
    case ASSENT_CLOSED:
    case ASSENT_INTERNAL: break;
    }
    return EXIT_ENVIRONMENT;
}

// *ret_fd: of logging/file, opened anew, so that a rotated one can be let go; -1: standard error.
static int open_log_file(const struct config *c, int *ret_fd, assent_error *error)
{
    int fd = -1;
    if (*c->log_file) {
        fd = open(c->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0)
            return error_set(error, ASSENT_IO, "logging/file: %s: %s", c->log_file,
                             strerror(errno));
    }
    *ret_fd = fd;
    return ASSENT_OK;
}

static void use_log_file(struct daemon *d, int fd)
{
    const struct config *c = d->config;
    logger_setup((enum log_level)c->log_level, (enum log_format)c->log_format,
                 fd < 0 ? STDERR_FILENO : fd, "assentd");
    if (d->log_fd >= 0)
        close(d->log_fd);
    d->log_fd = fd;
}

// Blocked in every thread, read from a descriptor: nothing runs inside a handler.
static int setup_signals(struct daemon *d, assent_error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    // A file that outgrows its limit is a failed write, to be told like a full disk.
    sigaction(SIGXFSZ, &ignore, NULL);
    int failed = pthread_sigmask(SIG_BLOCK, &set, NULL);
    d->signal_fd = failed ? -1 : signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (d->signal_fd < 0)
        return error_set(error, ASSENT_IO, "signals: %s", strerror(failed ? failed : errno));
    return ASSENT_OK;
}

// Each connection is a descriptor.
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int start(struct daemon *d, assent_error *error)
{
    uint64_t from_ms = monotonic_ms();
    umask(077);
    raise_descriptors();
    int log_fd;
    int code = open_log_file(d->config, &log_fd, error);
    if (code)
        return code;
    use_log_file(d, log_fd);
    code = setup_signals(d, error);
    if (code)
        return code;
    log_event(LOG_INFO, "starting", KV("version", ASSENT_VERSION_TEXT), KV("pid", getpid()),
              KV("data_dir", d->config->data_dir),
              KV("config", d->options->config_file ? d->options->config_file : ""));
    code = engine_open(&d->engine, d->config, error);
    if (code)
        return code;
    engine_log_listening(d->engine, monotonic_ms() - from_ms);
    notify_send("READY=1");
    notify_ready_fd(d->options->ready_fd);
    return ASSENT_OK;
}

static void apply_key(struct config *now, struct config *next, const struct config_key *key)
{
    struct buf text;
    buf_init(&text, 64 << 10);
    config_text(next, key, &text);
    log_event(key->reloadable ? LOG_INFO : LOG_WARN,
              key->reloadable ? "config_applied" : "config_needs_restart", KV("key", key->path),
              KV("value", buf_slice(&text)));
    buf_free(&text);
    if (key->reloadable)
        config_swap(now, next, key);
}

// Everything that can be refused comes before the first change.
static int reload_config(struct daemon *d, assent_error *error)
{
    struct config next;
    int log_fd;
    int code = options_config(d->options, &next, error);
    if (code)
        return code;
    code = config_resolve(&next, error);
    if (!code)
        code = engine_check(&next, error);
    if (!code)
        code = open_log_file(&next, &log_fd, error);
    for (const struct config_key *key = config_keys(); key->path && !code; key++)
        if (!config_same(d->config, &next, key))
            apply_key(d->config, &next, key);
    if (!code)
        use_log_file(d, log_fd);
    config_free(&next);
    return code;
}

static void reload(struct daemon *d)
{
    assent_error error;
    notify_reloading();
    if (reload_config(d, &error))
        log_event(LOG_ERROR, "reload_refused", KV("reason", error.message));
    else if (engine_reload(d->engine, &error))
        log_event(LOG_ERROR, "reload_certificates", KV("reason", error.message));
    else
        log_event(LOG_INFO, "reloaded",
                  KV("config", d->options->config_file ? d->options->config_file : ""));
    notify_send("READY=1");
}

// Dies of it, as it would have without us: whoever waits for this process sees why it ended.
_Noreturn static void die_of(int number)
{
    sigset_t set;
    log_event(LOG_WARN, "killed", KV("signal", number));
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _exit(128 + number);
}

static void take_signal(struct daemon *d, int number)
{
    if (number == SIGHUP) {
        reload(d);
        return;
    }
    if (d->draining)
        die_of(number);
    log_event(LOG_INFO, "draining", KV("signal", number), KV("limit_ms", d->config->drain_ms));
    notify_send("STOPPING=1");
    d->draining = true;
    d->drain_due_ms = monotonic_ms() + d->config->drain_ms;
    engine_drain(d->engine);
}

static void take_signals(struct daemon *d)
{
    struct signalfd_siginfo info;
    while (read(d->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        take_signal(d, (int)info.ssi_signo);
}

// Nothing is flushed, closed or freed: after a failure of the log nothing more may be written.
_Noreturn static void stop_at_once(enum exit_code code)
{
    _exit(code);
}

static int drain_left_ms(const struct daemon *d)
{
    if (!d->draining)
        return -1;
    uint64_t now = monotonic_ms();
    return now >= d->drain_due_ms ? 0 : (int)(d->drain_due_ms - now);
}

static const char *serve(struct daemon *d)
{
    struct pollfd signals = {.fd = d->signal_fd, .events = POLLIN};
    for (;;) {
        if (!engine_turn(d->engine, &d->exit_code))
            stop_at_once(d->exit_code);
        if (d->draining && engine_drained(d->engine))
            return "drained";
        if (drain_left_ms(d) == 0)
            return "drain timeout";
        engine_wait(d->engine, &signals, drain_left_ms(d));
        if (signals.revents)
            take_signals(d);
    }
}

enum exit_code daemon_run(const struct options *options, struct config *config)
{
    struct daemon d = {.options = options, .config = config, .signal_fd = -1, .log_fd = -1};
    assent_error error;
    int code = start(&d, &error);
    if (code) {
        log_event(LOG_ERROR, "not_started", KV("code", assent_code_name(code)),
                  KV("reason", error.message), KV("exit", (int)daemon_exit_code(code)));
        if (d.log_fd >= 0) // whoever started it by hand looks here
            fprintf(stderr, "assentd: %s\n", error.message);
    } else {
        engine_log_stopped(d.engine, serve(&d));
        engine_close(&d.engine);
    }
    if (d.signal_fd >= 0)
        close(d.signal_fd);
    use_log_file(&d, -1);
    return daemon_exit_code(code);
}
