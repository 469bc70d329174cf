// SPDX-License-Identifier: Apache-2.0
// What the files of the operator's verbs share:
//   admin.c         requests: who may ask, which verb, replies
//   admin_json.c    what is known of transactions and participants, as JSON
//   admin_branch.c  and of branches
//   admin_list.c    lists in pages
//   admin_show.c    one transaction; what is said of a gtid that is nowhere
//   admin_order.c   orders to the core
//   admin_status.c  the daemon itself
#ifndef COORDINATOR_ADMIN_INTERNAL_H
#define COORDINATOR_ADMIN_INTERNAL_H

#include <jansson.h>

#include "admin.h"
#include "base/list.h"
#include "wire/record_codec.h"

enum { ADMIN_SCHEMA = 1, ADMIN_WAITING_NAMES = 8 };

// A JSON object that is being filled in. Once something does not fit into memory it is marked
// failed and takes no more, so that a run of additions needs one check at its end.
struct object {
    json_t *json; // owned until it is handed on; NULL when there was no memory for it
    bool failed;
};

struct object object_new(void);
void object_set(struct object *o, const char *key, json_t *value); // takes the value; NULL: failed
void object_text(struct object *o, const char *key, struct slice text);
void object_count(struct object *o, const char *key, uint64_t value);
void object_bool(struct object *o, const char *key, bool value);
void object_ms(struct object *o, const char *key, uint64_t ms); // 0: null
// The rest of a time on the monotonic clock; 0: null.
void object_until(struct object *o, const char *key, uint64_t due_ms, struct now now);
void object_hex(struct object *o, const char *key, uint64_t id); // 0: null
// The object, owned by the caller; NULL, and all of it released, when something had failed.
json_t *object_take(struct object *o);
// Text as a JSON string: bytes that are no UTF-8, and NUL, become '?'.
json_t *json_of(struct slice text);

enum admin_state {
    ADMIN_ADMITTING,
    ADMIN_ACTIVE,
    ADMIN_HELD,
    ADMIN_PREPARING,
    ADMIN_DECIDING,
    ADMIN_COMMITTING,
    ADMIN_ABORTING,
    ADMIN_ENDED,
    ADMIN_STATES
};

enum admin_outcome { ADMIN_COMMITTED, ADMIN_ABORTED, ADMIN_MIXED, ADMIN_OUTCOMES };

const char *admin_state_name(enum admin_state state);
bool admin_state_parse(const char *name, enum admin_state *ret);
const char *admin_outcome_name(enum admin_outcome outcome);
bool admin_outcome_parse(const char *name, enum admin_outcome *ret);
enum admin_state admin_state_of(const struct tx_view *view);
// Whether a resource manager ended a branch otherwise than was decided, or may have.
bool admin_manager_differs(const struct tx_record *record);
enum admin_outcome admin_outcome_of(const struct tx_record *record); // of one that is decided
bool admin_in_doubt(const struct tx_view *view);

// Rows; NULL: no memory. The first is for a transaction in memory, the second for one in the log.
json_t *admin_view_json(const struct tx_view *view, bool branches, struct now now);
json_t *admin_record_json(const struct tx_record *record, bool branches, struct now now);
json_t *admin_foreign_json(const struct foreign_view *view, struct now now);
json_t *admin_participant_json(const struct participant_view *view, struct now now);

json_t *outcome_json(uint8_t outcome); // null for OUTCOME_NONE
// admin_branch.c
json_t *admin_view_branch_json(const struct tx_view *view, const struct tx_view_branch *b,
                               struct now now);
json_t *admin_record_branch_json(const struct tx_record *r, const struct record_branch *b);
bool admin_branch_in_doubt(const struct tx_view *view, const struct tx_view_branch *b);
bool admin_branch_waiting(const struct tx_view *view, const struct tx_view_branch *b);

struct filter {
    unsigned states;          // bits of enum admin_state; 0: any
    unsigned outcomes;        // bits of enum admin_outcome; 0: any
    unsigned protocols;       // bits of enum protocol; 0: any
    struct slice participant; // size 0: any
    char participant_text[LIMIT_NAME_BYTES + 1];
    uint64_t older_ms, younger_ms; // 0: any
    bool in_doubt, mixed;          // only those
};

// Rows that are being collected. ADMIN_PAGE_ROWS of the largest that there can be, every byte of
// their texts escaped, fit into LIMIT_ADMIN_BYTES.
struct page {
    json_t *rows; // owned
    uint32_t limit;
    uint32_t visits;
    bool failed;
};

bool page_init(struct page *page, uint32_t limit);
void page_free(struct page *page);
// May another transaction be looked at?
bool page_open(struct page *page);
// Takes the row. False: out of memory, the page has failed.
bool page_add(struct page *page, json_t *row);

// A page of finished transactions, filled on the log thread between scan and admin_scanned.
struct finished {
    struct page page;
    struct filter filter;
    struct now now;
    uint64_t next_seq;  // 0: the scan came to the end
    assent_error error; // a record that cannot be read
};

struct admin {
    struct admin_host host;
    struct list waiting; // requests
    unsigned waiting_count;
    uint64_t token_next;
    uint64_t denied;
};

enum request_kind { REQUEST_ORDER, REQUEST_SHOW, REQUEST_FINISHED };

// A request that waits for the core or the log.
struct request {
    struct list link;
    enum request_kind kind;
    uint64_t token;
    peer_t peer;
    uint64_t id;
    const char *verb; // constant
    struct gtid gtid;
    struct finished *finished; // owned
};

// One that is being answered.
struct call {
    struct admin *admin;
    const struct admin_caller *caller;
    uint64_t id;
    const char *verb; // constant, or NULL for one that does not exist
    json_t *args;     // an object
};

// admin.c
// Answers with `reply`, to which schema, verb, coordinator and now_ms are added, and takes it.
void admin_reply(struct admin *self, peer_t peer, uint64_t id, const char *verb, int code,
                 json_t *reply);
void admin_fail(struct admin *self, peer_t peer, uint64_t id, const char *verb, int code,
                const char *format, ...) __attribute__((format(printf, 6, 7)));
void call_reply(const struct call *call, int code, json_t *reply);
void call_fail(const struct call *call, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Registers a request that will be answered later. NULL: the call was answered with why not.
struct request *call_wait(const struct call *call, enum request_kind kind);
void request_free(struct admin *self, struct request *request);
// Arguments: false when the call was answered, because the argument is not what it should be.
bool call_text(const struct call *call, const char *key, size_t max_bytes, struct slice *ret);
bool call_ms(const struct call *call, const char *key, uint64_t *ret);
bool call_bool(const struct call *call, const char *key, bool *ret);
bool call_gtid(const struct call *call, bool needed, struct gtid *ret); // size 0: absent

// admin_list.c
void admin_list(const struct call *call);
void admin_finished(const struct call *call);
void admin_finished_done(struct admin *self, struct request *request,
                         const struct log_answer *answer);
void admin_foreign(const struct call *call);
void admin_participants(const struct call *call);
void finished_free(struct finished **self_p);

// admin_show.c
void admin_show(const struct call *call);
void admin_show_looked_up(struct admin *self, struct request *request,
                          const struct log_answer *answer);

// admin_order.c
void admin_order(const struct call *call, enum operator_verb verb);
void admin_order_done(struct admin *self, struct request *request, int code, struct slice text);

// admin_status.c
void admin_status(const struct call *call);
void admin_config(const struct call *call);

#endif
