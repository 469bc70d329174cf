// SPDX-License-Identifier: Apache-2.0
// The life of the daemon: signals, logs, reloading, draining.
#ifndef COORDINATOR_DAEMON_H
#define COORDINATOR_DAEMON_H

#include "engine.h"
#include "options.h"

// Runs until told to stop. Takes over `config`. Call it before any other thread exists.
enum exit_code daemon_run(const struct options *options, struct config *config);

// Which exit code an error at start comes to.
enum exit_code daemon_exit_code(int code);

#endif
