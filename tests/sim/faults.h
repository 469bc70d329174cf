// SPDX-License-Identifier: Apache-2.0
// What may go wrong in a simulated run. Each kind has a rate and a stream of random numbers of its
// own, so that taking one fault away leaves the others where they were: that is how a failing run
// is made smaller.
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

// X(identifier, name, opportunity, about). A rate counts strikes in a million opportunities.
#define FAULTS(X)                                                                                  \
    X(LOSS, "loss", "frame", "a frame is lost")                                                    \
    X(TWICE, "twice", "frame", "a frame arrives twice")                                            \
    X(DISORDER, "disorder", "frame", "a frame arrives before those sent before it")                \
    X(STRAY, "stray", "late frame", "what came before a connection was lost is read after it")     \
    X(DELAY, "delay", "frame", "a frame is under way for up to ten seconds")                       \
    X(CUT, "cut", "disaster", "a connection is reset, and what travels on it is lost")             \
    X(PARTITION, "partition", "disaster", "nothing passes between two processes for a while")      \
    X(ONE_WAY, "one-way", "disaster", "nothing passes from one process to another for a while")    \
    X(CRASH, "crash", "crash point", "a process dies where its code has a named crash point")      \
    X(CRASH_EFFECT, "crash-effect", "effect", "a process dies between two effects of a step")      \
    X(CRASH_IDLE, "crash-idle", "disaster", "a process dies at any other moment")                  \
    X(POWER, "power", "crash", "what was not synced is lost with the process, or some of it")      \
    X(TORN, "torn", "power", "of the batch that was being written, a part is on disk")             \
    X(SLOW_DISK, "slow-disk", "batch", "a sync takes up to three seconds")                         \
    X(FAIL_WRITE, "fail-write", "batch", "writing to the log fails")                               \
    X(FAIL_SYNC, "fail-sync", "sync", "a sync fails")                                              \
    X(SHORTER, "shorter", "crash", "the log's last records are missing at the next start")         \
    X(FLIPPED, "flipped", "crash", "a bit of the log is flipped at the next start")                \
    X(OLDER, "older", "crash", "an older copy of the whole data directory is put back")            \
    X(CLOCK_JUMP, "clock-jump", "disaster", "a wall clock is set, up to an hour back or ahead")    \
    X(CLOCK_DRIFT, "clock-drift", "start",                                                         \
      "a machine's clock runs up to a tenth too fast, or slow")                                    \
    X(MOVED, "moved", "start", "a participant is started under another coordinator, for once")     \
    X(DRAIN, "drain", "disaster",                                                                  \
      "a coordinator is told to stop in good order, and started again")                            \
    X(VANISH, "vanish", "transaction", "its application dies before it has committed")             \
    X(REPEAT, "repeat", "transaction", "a request is made again, perhaps by another client")       \
    X(OTHER, "other-content", "transaction", "its gtid is brought again with another content")     \
    X(CANCEL, "cancel", "transaction", "somebody rolls it back, at any moment")                    \
    X(SLOW_RM, "slow-rm", "call", "a resource manager takes up to twenty seconds")                 \
    X(RM_RETRY, "rm-retry", "call", "a resource manager asks to be called again later")            \
    X(RM_UNSURE, "rm-unsure", "call", "it has done it, and asks to be called again all the same")  \
    X(RM_TWICE, "rm-twice", "call", "a resource manager answers twice")                            \
    X(RM_MIND, "rm-mind", "call", "asked to prepare again, it refuses what it had prepared")       \
    X(RM_LOSES, "rm-loses", "crash", "what a resource manager has ended is prepared again")        \
    X(OPERATOR, "operator", "transaction", "an operator interferes: commit, abort, forget, retry") \
    X(FORGED, "forged", "disaster",                                                                \
      "a peer speaks of another's branch, or of records that never were")                          \
    X(RM_HEURISTIC, "rm-heuristic", "call",                                                        \
      "a resource manager ends what is prepared by a decision of its own")

enum fault {
#define X(identifier, name, opportunity, about) FAULT_##identifier,
    FAULTS(X)
#undef X
        FAULT_COUNT
};

const char *fault_name(enum fault fault);
const char *fault_opportunity(enum fault fault);
const char *fault_about(enum fault fault);

// One strike: which kind, and the how manieth of its kind in the run, from 0.
struct strike {
    uint16_t fault;
    uint32_t number;
};

struct strikes {
    struct strike *items;
    size_t count, capacity;
};

struct faults {
    uint32_t rate[FAULT_COUNT]; // in a million
    struct rng rng[FAULT_COUNT];
    uint32_t drawn[FAULT_COUNT];    // strikes, with those that `only` leaves out
    uint32_t happened[FAULT_COUNT]; // without them
    uint64_t total;
    const struct strikes *only; // borrowed, may be NULL: no others happen
    struct strikes *log;        // borrowed, may be NULL: those that happened, up to its capacity
    bool over;                  // nothing strikes any more
};

void faults_init(struct faults *self, uint64_t seed);
bool faults_strike(struct faults *self, enum fault fault);
// For the details of a strike; below `bound`.
uint64_t faults_below(struct faults *self, enum fault fault, uint64_t bound);

#endif
