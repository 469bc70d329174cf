// SPDX-License-Identifier: Apache-2.0
//
// The TX interface between an application program and a transaction manager, as the X/Open CAE
// specification "Distributed Transaction Processing: The TX (Transaction Demarcation)
// Specification" (C504, 1995) has it: names and values are the specification's. docs/tx.md says
// what libassent-tx makes of it. With pkg-config's flags for assent-tx: #include <tx.h>
//
// Everything here is per thread of control, which is a thread.
#ifndef TX_H
#define TX_H

#include "xa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TX_H_VERSION 0

// What functions return. After *_NO_BEGIN no chained transaction could be begun.
#define TX_NOT_SUPPORTED      1
#define TX_OK                 0
#define TX_OUTSIDE            (-1)
#define TX_ROLLBACK           (-2)
#define TX_MIXED              (-3)
#define TX_HAZARD             (-4)
#define TX_PROTOCOL_ERROR     (-5)
#define TX_ERROR              (-6)
#define TX_FAIL               (-7)
#define TX_EINVAL             (-8)
#define TX_COMMITTED          (-9)
#define TX_NO_BEGIN           (-100)
#define TX_ROLLBACK_NO_BEGIN  (TX_ROLLBACK + TX_NO_BEGIN)
#define TX_MIXED_NO_BEGIN     (TX_MIXED + TX_NO_BEGIN)
#define TX_HAZARD_NO_BEGIN    (TX_HAZARD + TX_NO_BEGIN)
#define TX_COMMITTED_NO_BEGIN (TX_COMMITTED + TX_NO_BEGIN)

// When tx_commit returns: after the second phase, or once the decision is durable.
typedef long COMMIT_RETURN;
#define TX_COMMIT_COMPLETED       0
#define TX_COMMIT_DECISION_LOGGED 1

// Whether the end of a transaction begins the next one.
typedef long TRANSACTION_CONTROL;
#define TX_UNCHAINED 0
#define TX_CHAINED   1

typedef long TRANSACTION_TIMEOUT; // seconds; 0: none

typedef long TRANSACTION_STATE;
#define TX_ACTIVE                0
#define TX_TIMEOUT_ROLLBACK_ONLY 1
#define TX_ROLLBACK_ONLY         2

struct tx_info_t {
    XID xid; // the null XID outside of a transaction
    COMMIT_RETURN when_return;
    TRANSACTION_CONTROL transaction_control;
    TRANSACTION_TIMEOUT transaction_timeout;
    TRANSACTION_STATE transaction_state;
};
typedef struct tx_info_t TXINFO;

extern int tx_open(void);
extern int tx_close(void);
extern int tx_begin(void);
extern int tx_commit(void);
extern int tx_rollback(void);
extern int tx_info(TXINFO *info); // 1: in a transaction, 0: not. `info` may be NULL
extern int tx_set_commit_return(COMMIT_RETURN when_return);
extern int tx_set_transaction_control(TRANSACTION_CONTROL control);
extern int tx_set_transaction_timeout(TRANSACTION_TIMEOUT timeout);

#ifdef __cplusplus
}
#endif
#endif
