// SPDX-License-Identifier: Apache-2.0
// The barrier on a session: what both the driver and the application's functions do.
#ifndef BARRIER_MARIADB_H
#define BARRIER_MARIADB_H

#include "session.h"

int barrier_session_create(struct sql_session *session, assent_error *error);
int barrier_session_enter(struct sql_session *session, const char *gtid, uint16_t branch,
                          assent_barrier_operation operation, assent_barrier_entry *ret,
                          assent_error *error);
int barrier_session_answer(struct sql_session *session, const char *gtid, uint16_t branch,
                           assent_barrier_operation operation, const void *answer, size_t size,
                           assent_error *error);
int barrier_session_forget(struct sql_session *session, const char *gtid, uint16_t branch,
                           assent_error *error);
int barrier_session_seal(struct sql_session *session, const char *gtid, uint16_t branch,
                         assent_barrier_operation forward, assent_error *error);
int barrier_session_collect(struct sql_session *session, uint64_t horizon_ms, uint64_t rows_max,
                            uint64_t *ret_removed, assent_error *error);

#endif
