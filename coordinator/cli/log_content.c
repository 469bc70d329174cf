// SPDX-License-Identifier: Apache-2.0
#include "log_content.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "views.h"

const char *content_stage(const struct tx_record *r)
{
    switch ((enum tx_stage)r->stage) {
    case STAGE_DELEGATED: return "delegated";
    case STAGE_DECIDED: return "decided";
    case STAGE_ENDED: return "ended";
    case STAGE_ADMITTED: return "admitted";
    }
    return "?";
}

const char *content_journal_stage(uint8_t stage)
{
    switch ((enum journal_stage)stage) {
    case JOURNAL_PREPARED: return "prepared";
    case JOURNAL_DECIDED: return "decided";
    case JOURNAL_FINISHED: return "finished";
    }
    return "?";
}

const char *content_protocol(uint8_t protocol)
{
    return protocol ? protocol_name((enum protocol)protocol) : "unknown";
}

json_t *content_text(struct slice text)
{
    char raw[LIMIT_WHY_BYTES + 1], safe[2 * LIMIT_WHY_BYTES];
    snprintf(raw, sizeof raw, "%.*s", (int)text.size, (const char *)text.data);
    return json_string(format_clean(raw, safe, sizeof safe));
}

// Bytes under `key` as text; under `hex_key` in hexadecimal when they are none.
static void set_bytes(json_t *object, const char *key, const char *hex_key, struct slice bytes)
{
    const unsigned char *at = bytes.data;
    bool text = true;
    for (size_t i = 0; i < bytes.size && text; i++)
        text = at[i] >= ' ' && at[i] != 0x7f;
    json_t *json = text ? json_stringn(bytes.size ? bytes.data : "", bytes.size) : NULL;
    if (json) {
        json_object_set_new(object, key, json);
        return;
    }
    char *hex = malloc(2 * bytes.size + 1);
    for (size_t i = 0; hex && i < bytes.size; i++)
        snprintf(hex + 2 * i, 3, "%02x", at[i]);
    json_object_set_new(object, hex_key, hex ? json_string(hex) : NULL);
    free(hex);
}

static json_t *after_json(uint64_t after)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < LIMIT_BRANCHES; i++)
        if (after >> i & 1)
            json_array_append_new(array, json_integer(i));
    return array;
}

static const char *kind_name(uint8_t kind)
{
    return kind ? branch_kind_name((enum branch_kind)kind) : "unknown";
}

static void set_plan(json_t *branch, const struct record_branch *b)
{
    const struct branch_plan *plan = &b->plan;
    if (b->kind == BRANCH_CONSUMER)
        json_object_set_new(branch, "delay_ms", json_integer(plan->delay_ms));
    if (b->kind != BRANCH_STEP)
        return;
    json_t *json = json_pack(
        "{s:o, s:b, s:b, s:i, s:I, s:I, s:I}", "after", after_json(plan->after), "pivot",
        plan->flags & STEP_PIVOT, "kept", plan->flags & STEP_KEPT, "attempts", (int)plan->attempts,
        "attempt_timeout_ms", (json_int_t)plan->timeout_ms, "backoff_ms",
        (json_int_t)plan->backoff_ms, "backoff_max_ms", (json_int_t)plan->backoff_max_ms);
    json_object_update(branch, json);
    json_decref(json);
    set_bytes(branch, "result", "result_hex", b->result);
}

// What the resource manager did by itself.
static void set_manager(json_t *json, unsigned heuristic)
{
    const char *did = heuristic_name(heuristic);
    if (did)
        json_object_set_new(json, "by_manager", json_string(did));
}

static json_t *branch_json(const struct tx_record *r, const struct record_branch *b)
{
    char journal[24];
    snprintf(journal, sizeof journal, "%016" PRIx64, b->journal);
    json_t *json =
        json_pack("{s:i, s:o, s:s, s:s, s:s, s:b, s:s}", "branch", (int)b->branch, "participant",
                  content_text(b->resource), "kind", kind_name(b->kind), "vote",
                  vote_name((enum vote)b->vote), "outcome", outcome_name((enum outcome)b->outcome),
                  "heuristic", b->heuristic != 0, "journal", journal);
    set_manager(json, b->heuristic);
    if (!protocol_business(r->protocol))
        return json;
    json_object_set_new(json, "asked", json_boolean(b->asked & ASKED));
    if (b->asked & ASKED_NESTED)
        json_object_set_new(json, "parent", json_integer(b->parent));
    set_plan(json, b);
    if (r->stage != STAGE_ENDED) // it went with the end
        set_bytes(json, "payload", "payload_hex", b->payload);
    return json;
}

static json_t *tx_branches_json(const struct tx_record *r)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < r->branch_count; i++)
        json_array_append_new(array, branch_json(r, &r->branches[i]));
    return array;
}

json_t *content_tx(const struct tx_record *r)
{
    char attempt[24];
    snprintf(attempt, sizeof attempt, "%" PRIu64, r->attempt);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:o, s:s, s:o, s:o*, s:o}", "attempt", attempt,
        "protocol", content_protocol(r->protocol), "stage", content_stage(r), "outcome",
        outcome_name((enum outcome)r->outcome), "mixed", (int)r->mixed, "started_at_ms",
        (json_int_t)r->started_ms, "decided_at_ms", (json_int_t)r->decided_ms, "ended_at_ms",
        (json_int_t)r->ended_ms, "owner", content_text(r->owner), "reason",
        reason_text((enum abort_reason)r->reason), "reason_text", content_text(r->reason_text),
        "heuristic",
        r->heuristic.who.size == 0
            ? NULL
            : json_pack("{s:s, s:o, s:o, s:I}", "forced",
                        outcome_name((enum outcome)r->heuristic.forced), "by",
                        content_text(r->heuristic.who), "why", content_text(r->heuristic.why),
                        "at_ms", (json_int_t)r->heuristic.when_ms),
        "branches", tx_branches_json(r));
    if (protocol_business(r->protocol)) {
        json_object_set_new(json, "submitted", json_boolean(r->submitted));
        json_object_set_new(json, "timeout_ms", json_integer(r->timeout_ms));
    }
    return json;
}

json_t *content_journal(const struct branch_record *b)
{
    char attempt[24], coordinator[COORDINATOR_TEXT_BYTES];
    snprintf(attempt, sizeof attempt, "%" PRIu64, b->attempt);
    coordinator_text(b->coordinator, coordinator);
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:b, s:I, s:I}", "attempt", attempt, "coordinator",
        coordinator, "protocol", content_protocol(b->protocol), "kind", kind_name(b->kind),
        "branch", (int)b->branch, "stage", content_journal_stage(b->stage), "outcome",
        outcome_name((enum outcome)b->outcome), "heuristic", b->heuristic != 0, "prepared_at_ms",
        (json_int_t)b->prepared_ms, "payload_bytes", (json_int_t)b->payload.size);
    set_manager(json, b->heuristic);
    if (protocol_business(b->protocol))
        set_bytes(json, "payload", "payload_hex", b->payload);
    if (b->kind == BRANCH_STEP)
        set_bytes(json, "result", "result_hex", b->result);
    return json;
}

// "step 2 at cars, after 0, 1"
static void print_branch(const struct tx_record *r, const json_t *b)
{
    char payload[100];
    printf("            %s %" PRIu64 " at %s", member_text(b, "kind"), member_count(b, "branch"),
           clean(member_text(b, "participant")));
    const json_t *number;
    size_t i;
    json_array_foreach(json_object_get(b, "after"), i, number)
        printf("%s%" PRIu64, i ? ", " : ", after ", (uint64_t)json_integer_value(number));
    printf("%s%s", member_bool(b, "pivot") ? ", pivot" : "",
           member_bool(b, "kept") ? ", no compensation" : "");
    if (r->stage != STAGE_ADMITTED)
        printf(", vote %s, %s", member_text(b, "vote"), member_text(b, "outcome"));
    if (*view_bytes(b, "payload", "payload_hex", payload, sizeof payload))
        printf(": %s", clean(payload));
    putchar('\n');
}

void content_print(const struct tx_record *r)
{
    if (!protocol_business(r->protocol))
        return;
    json_t *branches = tx_branches_json(r), *b;
    size_t i;
    json_array_foreach(branches, i, b) print_branch(r, b);
    json_decref(branches);
}
