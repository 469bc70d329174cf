// SPDX-License-Identifier: Apache-2.0
// The bank's counter: what applications and auditors ask a running bank directly, one line of text
// each, over a ZeroMQ REP socket in its data directory.
//
//   totals                         "<name> <accounts> <checking> <savings> <cash> <loaded>
//                                   <reserved> <prepared>"
//   drain <gtid> <branch> <account>  sets everything in the account aside for that enlisted branch;
//                                  "<cents>"
//   applied <gtid> <branch>        "1" or "0" (banks that keep a history)
// Anything else is answered "error <why>".
#ifndef BANK_SERVICE_H
#define BANK_SERVICE_H

#include "assent/participant.h"
#include "store.h"

struct service;

// Answers on a thread of its own until it is stopped.
int service_start(const char *dir, const struct bank_store *store, assent_participant *participant,
                  struct service **ret, assent_error *error);
void service_stop(struct service **service_p);

// The asking side: one bank, by its data directory. Not thread-safe.
struct counter;

int counter_open(const char *dir, struct counter **ret, assent_error *error);
void counter_close(struct counter **counter_p);
// Sends a request and waits for the answer, at most timeout_ms. ASSENT_UNAVAILABLE when none came.
int counter_ask(struct counter *counter, int timeout_ms, char answer[256], assent_error *error,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
// The amount that was set aside at the bank for an enlisted branch, in cents.
int counter_drain(struct counter *counter, const char *gtid, unsigned branch, uint64_t account,
                  int64_t *ret_amount, assent_error *error);

#endif
