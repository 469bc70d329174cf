// SPDX-License-Identifier: Apache-2.0
// What the client's and the participant's I/O threads have in common: where the coordinator is, a
// clock, a way to wake, and the frames of a connection.
#ifndef PARTICIPANT_SHELL_H
#define PARTICIPANT_SHELL_H

#include <limits.h>
#include <pthread.h>

#include "net/net.h"
#include "wire/wire.h"

// Where the coordinator is, and who we are there.
struct shell_place {
    char endpoint[PATH_MAX + 64];
    char certificate[PATH_MAX];        // empty: none
    char server_certificate[PATH_MAX]; // empty: none
};

// What the application says, else the environment, else "". ASSENT_INVALID: `size` bytes do not
// hold it.
int shell_setting(const char *told, const char *variable, char *ret, size_t size,
                  assent_error *error);
// Each from the argument, else from the environment, else the default. ASSENT_INVALID: too long.
int shell_place(const char *endpoint, const char *certificate, const char *server_certificate,
                struct shell_place *ret, assent_error *error);
int shell_dial(const struct shell_place *place, struct net_peer **ret, assent_error *error);

// Arms the crash point that the environment names, once in a process. ASSENT_INVALID: a mistyped
// one.
int shell_crash_points(assent_error *error);

struct now shell_now(void);
uint64_t shell_seed(void);
// How long to wait from now until a deadline, for poll(2): -1 for ever.
int shell_wait_ms(uint64_t deadline_ms);
// A condition variable that waits on the monotonic clock.
bool shell_cond_init(pthread_cond_t *cond);
// False when the deadline (monotonic ms, UINT64_MAX: none) has passed.
bool shell_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms);

// A thread to which no signal of the application is delivered.
int shell_thread(pthread_t *ret, void *(*run)(void *), void *arg, assent_error *error);

// An eventfd, or -1.
int shell_bell(assent_error *error);
void shell_ring(int bell);    // makes it readable
void shell_silence(int bell); // no longer readable

// ---- frames ----

struct shell_inbox {
    struct wire_reader reader;
};

typedef void shell_message(void *arg, const struct frame_header *header, const struct msg *msg);
// Hands over the messages of at most `frames_max` frames; what cannot be read is passed over. True
// when there may be more.
bool shell_receive(struct shell_inbox *inbox, struct net_peer *net, unsigned frames_max,
                   shell_message *message, void *arg);

#endif
