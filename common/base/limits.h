// SPDX-License-Identifier: Apache-2.0
// Every hard cap in one place. Configuration may lower the ones that have a key; nothing raises
// them. Past a cap comes a refusal with ASSENT_LIMIT or ASSENT_BUSY, never silence.
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
    LIMIT_GTID_BYTES = 64,
    LIMIT_NAME_BYTES = 64,           // resources, principals, clients
    LIMIT_ADDRESS_BYTES = 192,       // where a participant's peers reach it, and with which key
    LIMIT_REASON_BYTES = 160,        // text that comes with an abort or a no
    LIMIT_WHO_BYTES = 128,           // the operator that forced a heuristic
    LIMIT_WHY_BYTES = 256,           // an operator's explanation of a heuristic
    LIMIT_BRANCHES = 64,             // per transaction
    LIMIT_WAITERS = 8,               // clients waiting for the outcome of one transaction
    LIMIT_PAYLOAD_BYTES = 65536,     // carried to one branch
    LIMIT_RESULT_BYTES = 512,        // of one action of a saga
    LIMIT_BARRIER_PREFIX_BYTES = 64, // in front of the keys of a barrier in LevelDB
    LIMIT_ADMITTED_BYTES = 96 << 10, // payloads of a transaction that is admitted durably, together
    LIMIT_FRAME_BYTES = 4 << 20,     // one ZeroMQ message, any number of protocol messages
    LIMIT_FRAME_MESSAGES = 4096,
    LIMIT_ADMIN_BYTES = 1 << 20,  // one administrative request or answer
    LIMIT_TRANSACTIONS = 1 << 20, // in flight at one coordinator
    LIMIT_PEERS = 16384,
    LIMIT_PEER_QUEUE_BYTES = 64 << 20,
    LIMIT_QUEUE_BYTES = 1 << 30, // for all peers together
    LIMIT_LEASE_GTIDS = 65536,
    LIMIT_RESEND_BATCH = 512, // retransmissions to one participant per turn
    LIMIT_RECORD_BYTES = 160 << 10,
    LIMIT_TOPICS = 64,     // of messages, that are subscribed to
    LIMIT_LIST_ROWS = 128, // a page of an operator's list: about a millisecond's work
    LIMIT_FOREIGN = 10000  // in-doubt branches of other coordinators kept for the operator
};

#endif
