// SPDX-License-Identifier: Apache-2.0
// Requests of operators, of any content: one a line, a verb and its JSON, "!" before it where no
// operator asks. Each gets one reply, JSON of the promised form, however long the log and the core
// take; who is no operator is denied, and neither of them is asked.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin.h"
#include "base/check.h"
#include "base/logger.h"
#include "coordinator_world.h"
#include "fuzz.h"
#include "wire/record_codec.h"

enum { LINES_MAX = 200, OPERATOR = 6 };

struct scan {
    uint64_t token;
    store_visit *visit;
    void *arg;
};

static struct desk {
    struct world world; // a core, and what it waits for
    struct admin *admin;
    uint64_t lookups[ADMIN_REQUESTS];
    struct scan scans[ADMIN_REQUESTS];
    unsigned lookup_count, scan_count;
    bool allowed;            // whoever asks now
    bool replied[LINES_MAX]; // by id
} desk;

// ---- what the verbs see of the daemon ----

static void host_reply(void *arg, peer_t peer, uint64_t id, int code, struct slice text)
{
    struct desk *d = arg;
    CHECK(peer == OPERATOR && id < LINES_MAX && !d->replied[id]);
    d->replied[id] = true;
    CHECK(text.size > 0 && text.size <= LIMIT_ADMIN_BYTES);
    json_t *json = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    CHECK(json_is_object(json));
    CHECK(json_integer_value(json_object_get(json, "schema")) == 1);
    CHECK(json_is_string(json_object_get(json, "verb")));
    const json_t *error = json_object_get(json, "error");
    CHECK((code == ASSENT_OK) == !error);
    if (error) {
        const char *name = json_string_value(json_object_get(error, "code"));
        CHECK(name && slice_equal(slice_text(name), slice_text(assent_code_name(code))));
        CHECK(json_string_length(json_object_get(error, "message")) > 0);
    }
    json_decref(json);
}

// Everything that an effect refers to is gone after the next step, so it is answered by then.
static void answer_orders(struct desk *d)
{
    for (size_t i = 0; i < d->world.fx.count; i++) {
        const struct effect *effect = &d->world.fx.items[i];
        if (effect->type == EFFECT_ANSWER && effect->u.answer.token & ADMIN_TOKEN)
            admin_answered(d->admin, effect->u.answer.token, effect->u.answer.code,
                           effect->u.answer.text);
    }
}

static void host_order(void *arg, const struct event_operator *order)
{
    struct desk *d = arg;
    CHECK(d->allowed && order->token & ADMIN_TOKEN);
    CHECK(order->who.size > 0 && order->who.size <= 2 * LIMIT_NAME_BYTES);
    CHECK(order->why.size <= LIMIT_WHY_BYTES);
    CHECK(order->gtid.size > 0 || order->verb == OPERATOR_RETRY);
    d->world.orders_open++;
    world_step(&d->world, &(struct event){.type = EVENT_OPERATOR, .u.op = *order});
    answer_orders(d);
}

static bool host_lookup(void *arg, uint64_t token, const struct gtid *gtid)
{
    struct desk *d = arg;
    CHECK(d->allowed && gtid->size > 0 && d->lookup_count < ADMIN_REQUESTS);
    d->lookups[d->lookup_count++] = token;
    return true;
}

static bool host_scan(void *arg, uint64_t token, uint64_t from_seq, store_visit *visit,
                      void *visit_arg)
{
    struct desk *d = arg;
    (void)from_seq;
    CHECK(d->allowed && d->scan_count < ADMIN_REQUESTS);
    d->scans[d->scan_count++] = (struct scan){token, visit, visit_arg};
    return true;
}

static struct now host_now(void *arg)
{
    return ((struct desk *)arg)->world.now;
}

static void host_daemon(void *arg, struct admin_daemon *ret)
{
    (void)arg;
    *ret = (struct admin_daemon){.data_dir = "/srv", .endpoints = {"ipc:///srv/a"}, .store = "x"};
}

static bool host_config(void *arg, unsigned index, struct admin_config *ret)
{
    (void)arg;
    *ret = (struct admin_config){"data-dir", "/srv", "default", "Where everything is.", false};
    return index < 1;
}

// ---- what the log has ----

static void answer_scan(const struct scan *scan, const struct tx_record *record)
{
    struct buf bytes;
    buf_init(&bytes, LIMIT_RECORD_BYTES);
    CHECK(record_encode_tx(&bytes, record) == ASSENT_OK);
    const struct store_record stored = {
        .key = gtid_slice(&record->gtid), .value = buf_slice(&bytes), .seq = 7};
    scan->visit(scan->arg, &stored);
    buf_free(&bytes);
}

static void answer_log(struct desk *d)
{
    static const struct tx_record record = {
        .gtid = {.size = 3, .text = "old"},
        .attempt = 1,
        .protocol = PROTOCOL_2PC,
        .stage = STAGE_ENDED,
        .outcome = OUTCOME_ABORTED,
        .reason = REASON_VOTED_NO,
        .reason_branch = BRANCH_NONE,
        .ended_ms = 1600000000000,
        .owner = {"alice", 5},
    };
    while (world_sync(&d->world) || world_look_up(&d->world, 0))
        answer_orders(d);
    while (d->lookup_count > 0)
        admin_looked_up(d->admin, &(struct log_answer){.op = LOG_LOOKUP,
                                                       .token = d->lookups[--d->lookup_count],
                                                       .code = ASSENT_UNKNOWN});
    while (d->scan_count > 0) {
        const struct scan *scan = &d->scans[--d->scan_count];
        answer_scan(scan, &record);
        admin_scanned(d->admin, &(struct log_answer){.op = LOG_SCAN, .token = scan->token});
    }
}

// ---- requests ----

static void ask(struct desk *d, uint64_t id, struct slice line)
{
    static const struct net_grant operator_ = {.operator_ = true}, client = {.client = true};
    const char *text = line.data;
    d->allowed = !(line.size > 0 && text[0] == '!');
    size_t from = !d->allowed, space = from;
    while (space < line.size && text[space] != ' ')
        space++;
    size_t json = space < line.size ? space + 1 : space;
    const struct admin_caller caller = {
        .peer = OPERATOR,
        .role = ROLE_OPERATOR,
        .grant = d->allowed ? &operator_ : &client,
        .principal = slice_text("ops"),
    };
    const struct msg_admin request = {
        .id = id,
        .verb = slice_of(text + from, space - from),
        .json = slice_of(text + json, line.size - json),
    };
    uint64_t denied = admin_denied(d->admin);
    admin_receive(d->admin, &caller, &request);
    CHECK(admin_denied(d->admin) == denied + !d->allowed);
    CHECK(d->allowed || d->replied[id]);
}

// Admitted as soon as the log has time.
static void furnish_saga(struct world *w)
{
    struct msg_branch steps[] = {
        {0, BRANCH_STEP, slice_text("north"), slice_text("fly"), {0}},
        {1, BRANCH_STEP, slice_text("south"), slice_text("sleep"), {.after = 1, .attempts = 3}}};
    struct msg submit = {.type = MSG_SUBMIT};
    submit.u.submit = (struct msg_submit){
        .gtid = w->gtids[0], .protocol = PROTOCOL_SAGA, .branch_count = 2, .branches = steps};
    world_receive(w, 0, &submit);
    world_look_up(w, 0);
}

// Two participants; one transaction that is under way, a saga, and a branch of another coordinator.
static void furnish(struct world *w)
{
    struct msg_branch branches[] = {{0, BRANCH_CALL, slice_text("north"), slice_text("pay"), {0}},
                                    {1, BRANCH_CALL, slice_text("south"), slice_text("pay"), {0}}};
    struct msg hello = {.type = MSG_HELLO};
    hello.u.hello = (struct msg_hello){.version_min = 1, .version_max = 1, .journal = 1};
    for (unsigned slot = 0; slot < 5; slot++) {
        hello.u.hello.role = slot < 3 ? ROLE_CLIENT : ROLE_PARTICIPANT;
        hello.u.hello.name = slice_text(slot < 3 ? "shop" : world_resources[slot - 3]);
        w->hello_resource = slot < 3 ? -1 : (int)slot - 3;
        world_receive(w, slot, &hello);
    }
    struct msg submit = {.type = MSG_SUBMIT};
    submit.u.submit = (struct msg_submit){
        .gtid = w->gtids[1], .protocol = PROTOCOL_2PC, .branch_count = 2, .branches = branches};
    world_receive(w, 0, &submit);
    world_look_up(w, 0);
    furnish_saga(w);
    struct msg inquire = {.type = MSG_INQUIRE};
    inquire.u.inquire = (struct msg_inquire){
        .gtid = w->gtids[2], .attempt = 5, .coordinator = 99, .branch = 3, .prepared = true};
    world_receive(w, 3, &inquire);
}

static void open_desk(struct desk *d)
{
    *d = (struct desk){0};
    world_open(&d->world);
    const struct admin_host host = {
        .arg = d,
        .core = d->world.c,
        .reply = host_reply,
        .order = host_order,
        .lookup = host_lookup,
        .scan = host_scan,
        .now = host_now,
        .daemon = host_daemon,
        .config = host_config,
    };
    d->admin = admin_new(&host);
    CHECK(d->admin);
    furnish(&d->world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t id = 0;
    logger_setup(LOG_ERROR, LOG_LOGFMT, 2, "fuzz");
    open_desk(&desk);
    for (size_t at = 0; at < size && id < LINES_MAX; id++) {
        size_t end = at;
        while (end < size && data[end] != '\n')
            end++;
        ask(&desk, id, slice_of(data + at, end - at));
        if (end > at && data[end - 1] == ' ') // a space at the end: only now has the log time
            answer_log(&desk);
        at = end + 1;
    }
    answer_log(&desk);
    for (uint64_t i = 0; i < id; i++)
        CHECK(desk.replied[i]);
    world_look_in(&desk.world);
    admin_destroy(&desk.admin);
    world_close(&desk.world);
    return 0;
}
