// SPDX-License-Identifier: Apache-2.0
// What the threads of a TX program share: the configuration, its switches, and the connection to
// the coordinator. It is there while any thread has its resource managers open.
#ifndef TX_PROCESS_H
#define TX_PROCESS_H

#include "assent/client.h"
#include "assent/xopen/xa.h"
#include "tx_config.h"

struct tx_process {
    struct tx_config config;
    assent_client *client;
    const struct xa_switch_t *switches[TX_RESOURCES_MAX];
    unsigned users;
};

// Makes it, or takes a share in the one that is there. To be given back. ASSENT_CONFIG and what
// assent_client_open returns. Thread-safe.
int tx_process_take(struct tx_process **ret, assent_error *error);
void tx_process_give(struct tx_process **process_p);

#endif
