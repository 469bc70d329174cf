// SPDX-License-Identifier: Apache-2.0
#ifndef POSTGRES_THREADS_H
#define POSTGRES_THREADS_H

#include "session.h"

// The calling thread's session of that rmid, opened or not; NULL: none. They are freed when the
// thread ends.
struct sql_session *thread_session(int rmid);
struct sql_session *thread_session_new(int rmid, const char *where); // NULL: out of memory

#endif
