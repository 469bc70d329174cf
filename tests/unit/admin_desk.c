// SPDX-License-Identifier: Apache-2.0
#include "admin_desk.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/record_codec.h"

static void host_reply(void *arg, peer_t peer, uint64_t id, int code, struct slice json)
{
    struct admin_desk *a = arg;
    assert_true(json.size <= LIMIT_ADMIN_BYTES);
    json_decref(a->reply);
    a->reply = json_loadb(json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
    a->reply_bytes = json.size;
    a->code = code;
    a->id = id;
    a->peer = peer;
    a->replies++;
}

// The core's answer to an order, which may be one of several effects.
static void take_answer(struct admin_desk *a)
{
    a->answered = false;
    for (size_t i = 0; i < a->d.fx.count; i++) {
        const struct effect *effect = &a->d.fx.items[i];
        if (effect->type != EFFECT_ANSWER)
            continue;
        a->answered = true;
        admin_answered(a->admin, effect->u.answer.token, effect->u.answer.code,
                       effect->u.answer.text);
    }
}

static void host_order(void *arg, const struct event_operator *order)
{
    struct admin_desk *a = arg;
    a->order = *order;
    snprintf(a->who, sizeof a->who, "%.*s", (int)order->who.size, (const char *)order->who.data);
    snprintf(a->why, sizeof a->why, "%.*s", (int)order->why.size, (const char *)order->why.data);
    if (a->hold_orders)
        return;
    desk_step(&a->d, &(struct event){.type = EVENT_OPERATOR, .u.op = *order});
    take_answer(a);
}

static bool host_lookup(void *arg, uint64_t token, const struct gtid *gtid)
{
    struct admin_desk *a = arg;
    assert_true(token & ADMIN_TOKEN);
    a->lookup_token = token;
    a->lookup_gtid = *gtid;
    return !a->no_memory;
}

static bool host_scan(void *arg, uint64_t token, uint64_t from_seq, store_visit *visit,
                      void *visit_arg)
{
    struct admin_desk *a = arg;
    assert_true(token & ADMIN_TOKEN);
    a->scan_token = token;
    a->scan_from = from_seq;
    a->visit = visit;
    a->visit_arg = visit_arg;
    return !a->no_memory;
}

static struct now host_now(void *arg)
{
    return ((struct admin_desk *)arg)->d.now;
}

static void host_daemon(void *arg, struct admin_daemon *ret)
{
    (void)arg;
    *ret = (struct admin_daemon){
        .data_dir = "/srv/assent",
        .endpoints = {"ipc:///srv/assent/assentd.sock", "tcp://10.0.0.1:7000"},
        .store = "leveldb",
        .pid = 77,
        .started_ms = 1699999990000,
        .garbage = 3,
        .info = {.incarnation = 5, .head_seq = 1234, .horizon = 1690000000000},
    };
}

static bool host_config(void *arg, unsigned index, struct admin_config *ret)
{
    static const struct admin_config rows[] = {
        {"data-dir", "/srv/assent", "command line", "Where everything is.", false},
        {"timeouts/max-ms", "1000", "file /etc/assentd.conf:3", "The longest.", true},
    };
    (void)arg;
    if (index >= 2)
        return false;
    *ret = rows[index];
    return true;
}

static void admin_begins(struct admin_desk *a)
{
    const struct admin_host host = {
        .arg = a,
        .core = a->d.c,
        .reply = host_reply,
        .order = host_order,
        .lookup = host_lookup,
        .scan = host_scan,
        .now = host_now,
        .daemon = host_daemon,
        .config = host_config,
    };
    a->admin = admin_new(&host);
    assert_non_null(a->admin);
}

int admin_desk_setup(void **state)
{
    static struct admin_desk a;
    admin_desk_open(&a);
    *state = &a;
    return 0;
}

int admin_desk_teardown(void **state)
{
    admin_desk_close(*state);
    return 0;
}

void admin_desk_restart(struct admin_desk *a, const struct tx_record *records, size_t count)
{
    admin_destroy(&a->admin);
    desk_restart(&a->d, records, count);
    admin_begins(a);
}

void admin_desk_open(struct admin_desk *a)
{
    *a = (struct admin_desk){.grant = {.operator_ = true}};
    desk_open(&a->d);
    admin_begins(a);
    desk_hello(&a->d, CLIENT, ROLE_CLIENT, "shop");
    desk_hello(&a->d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_hello(&a->d, PEER_B, ROLE_PARTICIPANT, "bank-b");
}

void admin_desk_close(struct admin_desk *a)
{
    admin_destroy(&a->admin);
    assert_null(a->admin);
    desk_close(&a->d);
    json_decref(a->reply);
}

const json_t *admin_ask_as(struct admin_desk *a, const struct admin_caller *caller,
                           const char *verb, const char *json)
{
    static uint64_t id = 1000;
    const struct msg_admin request = {
        .id = ++id, .verb = slice_text(verb), .json = slice_text(json)};
    unsigned before = a->replies;
    json_decref(a->reply);
    a->reply = NULL;
    a->d.at = a->d.fx.count;
    admin_receive(a->admin, caller, &request);
    assert_true(a->replies <= before + 1);
    if (a->replies == before)
        return NULL;
    assert_int_equal(a->id, id);
    assert_int_equal(a->peer, caller->peer);
    return a->reply;
}

const json_t *admin_ask(struct admin_desk *a, const char *verb, const char *json)
{
    const struct admin_caller caller = {.peer = OPERATOR_PEER,
                                        .role = ROLE_OPERATOR,
                                        .grant = &a->grant,
                                        .principal = slice_text("local")};
    return admin_ask_as(a, &caller, verb, json);
}

const json_t *admin_expect(struct admin_desk *a, const char *verb, const char *json, int code)
{
    const json_t *reply = admin_ask(a, verb, json);
    assert_non_null(reply);
    assert_string_equal(assent_code_name(a->code), assent_code_name(code));
    assert_int_equal(number_at(reply, "schema"), 1);
    if (code != ASSENT_OK)
        assert_string_equal(text_at(reply, "error.code"), assent_code_name(code));
    return reply;
}

const json_t *at(const json_t *json, const char *path)
{
    char key[80];
    while (json && *path) {
        size_t length = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key))
                                   : json_object_get(json, key);
        path += length + (path[length] == '.');
    }
    if (!json)
        fail_msg("there is no such member");
    return json;
}

const char *text_at(const json_t *json, const char *path)
{
    const json_t *found = at(json, path);
    if (!json_is_string(found))
        fail_msg("%s is no text", path);
    return json_string_value(found);
}

long long number_at(const json_t *json, const char *path)
{
    const json_t *found = at(json, path);
    if (!json_is_integer(found))
        fail_msg("%s is no number", path);
    return json_integer_value(found);
}

void admin_begin(struct admin_desk *a, const char *gtid, ...)
{
    struct msg_branch branches[LIMIT_BRANCHES];
    uint16_t count = 0;
    va_list arguments;
    va_start(arguments, gtid);
    for (const char *name; (name = va_arg(arguments, const char *)); count++)
        branches[count] = (struct msg_branch){.branch = count,
                                              .kind = BRANCH_CALL,
                                              .resource = slice_text(name),
                                              .payload = slice_text("pay")};
    va_end(arguments);
    struct msg msg = {.type = MSG_SUBMIT,
                      .u.submit = {.gtid = desk_own(gtid),
                                   .protocol = PROTOCOL_2PC,
                                   .branch_count = count,
                                   .branches = branches}};
    a->d.at = a->d.fx.count;
    desk_receive(&a->d, CLIENT, "alice", &msg);
    desk_found(&a->d, NULL, 0);
    a->d.at = a->d.fx.count;
}

void admin_found(struct admin_desk *a, const struct tx_record *record, uint64_t horizon_ms)
{
    struct buf bytes;
    buf_init(&bytes, LIMIT_RECORD_BYTES);
    struct log_answer answer = {.op = LOG_LOOKUP,
                                .token = a->lookup_token,
                                .code = record ? ASSENT_OK : ASSENT_UNKNOWN,
                                .horizon = horizon_ms};
    if (record) {
        assert_int_equal(record_encode_tx(&bytes, record), ASSENT_OK);
        answer.value = bytes.data;
        answer.value_size = bytes.size;
    }
    admin_looked_up(a->admin, &answer);
    buf_free(&bytes);
}

void admin_scan_ends(struct admin_desk *a)
{
    const struct log_answer answer = {.op = LOG_SCAN, .token = a->scan_token, .code = ASSENT_OK};
    admin_scanned(a->admin, &answer);
}

int admin_visit(struct admin_desk *a, const struct tx_record *record, uint64_t seq)
{
    struct buf bytes;
    buf_init(&bytes, LIMIT_RECORD_BYTES);
    assert_int_equal(record_encode_tx(&bytes, record), ASSENT_OK);
    const struct store_record stored = {
        .key = gtid_slice(&record->gtid), .value = buf_slice(&bytes), .seq = seq};
    int stop = a->visit(a->visit_arg, &stored);
    buf_free(&bytes);
    return stop;
}

struct tx_record admin_record(const char *gtid, enum outcome outcome, uint64_t ended_ms)
{
    static struct record_branch branches[2];
    for (uint16_t i = 0; i < 2; i++)
        branches[i] = (struct record_branch){
            .branch = i,
            .kind = BRANCH_CALL,
            .vote = VOTE_YES,
            .outcome = (uint8_t)outcome,
            .journal = 100u + i,
            .resource = slice_text(i == 0 ? "bank-a" : "bank-b"),
        };
    return (struct tx_record){
        .gtid = desk_own(gtid),
        .attempt = UINT64_C(1) << ATTEMPT_COUNTER_BITS | 5,
        .protocol = PROTOCOL_2PC,
        .stage = STAGE_ENDED,
        .outcome = (uint8_t)outcome,
        .reason = outcome == OUTCOME_ABORTED ? REASON_VOTED_NO : REASON_NONE,
        .reason_branch = outcome == OUTCOME_ABORTED ? 1 : BRANCH_NONE,
        .reason_text = slice_text(outcome == OUTCOME_ABORTED ? "no money" : ""),
        .started_ms = ended_ms - 100,
        .decided_ms = ended_ms - 50,
        .ended_ms = ended_ms,
        .owner = slice_text("alice"),
        .branch_count = 2,
        .branches = branches,
    };
}
