// SPDX-License-Identifier: Apache-2.0
// The engine: one thread that takes what arrives, steps the coordinator's core and applies its
// effects. It never waits for a disk or a peer; it waits only when there is nothing to do.
#ifndef COORDINATOR_ENGINE_H
#define COORDINATOR_ENGINE_H

#include <poll.h>

#include "config.h"

struct engine;

// Exit codes of the daemon; assentd(8) lists them.
enum exit_code {
    EXIT_CLEAN = 0,
    EXIT_USAGE = 1,       // command line or configuration
    EXIT_ENVIRONMENT = 2, // lock, address in use, permission, memory
    EXIT_REFUSED = 3,     // the log is damaged, or older than what peers have seen of it
    EXIT_FAILED = 4,      // the log could not be written, or no memory: stopped while running
};

// Is the configuration fit to be started with? Opens nothing. ASSENT_CONFIG.
int engine_check(const struct config *config, assent_error *error);
// Opens and locks the log, recovers from it, and only then listens. `config` is borrowed; it must
// have been resolved and outlive the engine. Errors are those of the log and of the transport.
int engine_open(struct engine **ret, const struct config *config, assent_error *error);
// Writes and syncs what was submitted, sends what is queued, closes everything.
void engine_close(struct engine **self_p);

// One turn: takes a bounded amount of what has arrived and sends what comes of it. False: the
// engine has stopped for good (it was logged); nothing may be done with it any more, and the
// process must exit with *ret_exit.
bool engine_turn(struct engine *self, enum exit_code *ret_exit);
// Waits until there is something for a turn to do, `extra` is readable, or the time given has
// passed (-1: no limit).
void engine_wait(struct engine *self, struct pollfd *extra, int timeout_ms);

// Refuses new transactions from now on.
void engine_drain(struct engine *self);
bool engine_drained(const struct engine *self);
// Takes over what `config` now says, and the certificates of authorized-dir. ASSENT_CONFIG,
// ASSENT_IO: a certificate could not be read; everything else applies. ASSENT_NOMEM: topics stay as
// they were, and certificates.
int engine_reload(struct engine *self, assent_error *error);

// What was recovered, and where it listens, for the log.
void engine_log_listening(const struct engine *self, uint64_t took_ms);
// What happened in its life.
void engine_log_stopped(const struct engine *self, const char *why);

#endif
