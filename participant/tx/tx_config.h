// SPDX-License-Identifier: Apache-2.0
// The configuration of a TX program: the file that ASSENT_TX_CONFIG names.
#ifndef TX_CONFIG_H
#define TX_CONFIG_H

#include <stdint.h>

#include "assent/xopen/xa.h"
#include "base/error.h"
#include "base/limits.h"

enum { TX_RESOURCES_MAX = 32, TX_PATH_MAX = 1024 };

// A resource manager; its rmid is its place in the file, from 0.
struct tx_resource {
    char name[LIMIT_NAME_BYTES + 1];
    char library[TX_PATH_MAX]; // "": the program itself
    char symbol[128];
    char open[MAXINFOSIZE];
    char close[MAXINFOSIZE];
    unsigned line; // where its section begins
};

// Texts are "" where the file does not say.
struct tx_config {
    char path[TX_PATH_MAX]; // of the file
    char endpoint[TX_PATH_MAX];
    char certificate[TX_PATH_MAX];
    char server_certificate[TX_PATH_MAX];
    uint32_t connect_timeout_ms; // how long tx_begin waits for a coordinator
    uint32_t answer_timeout_ms;  // as in assent_client_options
    uint32_t outcome_timeout_ms; // how long tx_commit asks for what became of the transaction, and
                                 // then waits for its second phase
    unsigned resource_count;
    struct tx_resource resources[TX_RESOURCES_MAX];
};

// Reads a file. The message has its name and the line. ASSENT_CONFIG.
int tx_config_load(struct tx_config *ret, const char *path, assent_error *error);

#endif
