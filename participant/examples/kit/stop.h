// SPDX-License-Identifier: Apache-2.0
// Being told to stop. SIGTERM and SIGINT interrupt nothing: they make a descriptor readable, so
// every wait that looks at it ends at once, whenever they came.
#ifndef KIT_STOP_H
#define KIT_STOP_H

#include <stdbool.h>

// From here on SIGTERM and SIGINT end the waits below, and nothing else. Before any thread is made.
// False: it cannot be done, as errno says.
bool stop_signals(void);

enum wake { WAKE_TIME, WAKE_STOP, WAKE_FAILED };

// Waits so long, or until the process is told to stop, or until `failed` (assent_participant_fd;
// -1: none) is readable: the participant cannot go on. Once told to stop it waits no more.
enum wake stop_wait(int failed, int milliseconds);

#endif
