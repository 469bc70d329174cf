// SPDX-License-Identifier: Apache-2.0
// Requests of operators: who may ask, which verb, and the reply.
#include "admin.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin_internal.h"

struct admin *admin_new(const struct admin_host *host)
{
    struct admin *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->host = *host;
    list_init(&self->waiting);
    return self;
}

void admin_destroy(struct admin **self_p)
{
    struct admin *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    while (!list_empty(&self->waiting))
        request_free(self, container_of(self->waiting.next, struct request, link));
    free(self);
}

uint64_t admin_denied(const struct admin *self)
{
    return self->denied;
}

void request_free(struct admin *self, struct request *request)
{
    list_remove(&request->link);
    self->waiting_count--;
    finished_free(&request->finished);
    free(request);
}

// ---- replies ----

static uint64_t coordinator_of(const struct admin *self)
{
    struct frame_header header;
    coordinator_header(self->host.core, 0, &header);
    return header.coordinator;
}

static void reply_no_memory(struct admin *self, peer_t peer, uint64_t id)
{
    static const char text[] = "{\"schema\":1,\"error\":{\"code\":\"NOMEM\","
                               "\"message\":\"the coordinator is out of memory\"}}";
    self->host.reply(self->host.arg, peer, id, ASSENT_NOMEM, slice_text(text));
}

void admin_reply(struct admin *self, peer_t peer, uint64_t id, const char *verb, int code,
                 json_t *reply)
{
    char coordinator[COORDINATOR_TEXT_BYTES];
    coordinator_text(coordinator_of(self), coordinator);
    struct object o = {.json = reply, .failed = !reply};
    object_count(&o, "schema", ADMIN_SCHEMA);
    object_text(&o, "verb", slice_text(verb ? verb : ""));
    object_text(&o, "coordinator", slice_text(coordinator));
    object_count(&o, "now_ms", self->host.now(self->host.arg).wall_ms);
    json_t *whole = object_take(&o);
    char *text = whole ? json_dumps(whole, JSON_COMPACT) : NULL;
    json_decref(whole);
    if (text && strlen(text) > LIMIT_ADMIN_BYTES)
        admin_fail(self, peer, id, verb, ASSENT_LIMIT, "the answer would be too long");
    else if (text)
        self->host.reply(self->host.arg, peer, id, code, slice_text(text));
    else
        reply_no_memory(self, peer, id);
    free(text);
}

__attribute__((format(printf, 6, 0))) static void fail_with(struct admin *self, peer_t peer,
                                                            uint64_t id, const char *verb, int code,
                                                            const char *format, va_list arguments)
{
    char message[ASSENT_ERROR_MESSAGE_MAX];
    vsnprintf(message, sizeof message, format, arguments);
    struct object error = object_new(), reply = object_new();
    object_text(&error, "code", slice_text(assent_code_name(code)));
    object_text(&error, "message", slice_text(message));
    object_set(&reply, "error", object_take(&error));
    admin_reply(self, peer, id, verb, code, object_take(&reply));
}

void admin_fail(struct admin *self, peer_t peer, uint64_t id, const char *verb, int code,
                const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_with(self, peer, id, verb, code, format, arguments);
    va_end(arguments);
}

void call_reply(const struct call *call, int code, json_t *reply)
{
    admin_reply(call->admin, call->caller->peer, call->id, call->verb, code, reply);
}

void call_fail(const struct call *call, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_with(call->admin, call->caller->peer, call->id, call->verb, code, format, arguments);
    va_end(arguments);
}

// ---- requests that wait ----

struct request *call_wait(const struct call *call, enum request_kind kind)
{
    struct admin *self = call->admin;
    if (self->waiting_count >= ADMIN_REQUESTS) {
        call_fail(call, ASSENT_BUSY, "%u requests of operators are being answered, try again",
                  self->waiting_count);
        return NULL;
    }
    struct request *request = calloc(1, sizeof *request);
    if (!request) {
        reply_no_memory(self, call->caller->peer, call->id);
        return NULL;
    }
    *request = (struct request){
        .kind = kind,
        .token = ADMIN_TOKEN | ++self->token_next,
        .peer = call->caller->peer,
        .id = call->id,
        .verb = call->verb,
    };
    list_append(&self->waiting, &request->link);
    self->waiting_count++;
    return request;
}

static struct request *request_find(struct admin *self, uint64_t token)
{
    for (struct list *l = self->waiting.next; l != &self->waiting; l = l->next) {
        struct request *request = container_of(l, struct request, link);
        if (request->token == token)
            return request;
    }
    return NULL;
}

void admin_answered(struct admin *self, uint64_t token, int code, struct slice text)
{
    struct request *request = request_find(self, token);
    if (!request || request->kind != REQUEST_ORDER)
        return;
    admin_order_done(self, request, code, text);
    request_free(self, request);
}

void admin_looked_up(struct admin *self, const struct log_answer *answer)
{
    struct request *request = request_find(self, answer->token);
    if (!request || request->kind != REQUEST_SHOW)
        return;
    admin_show_looked_up(self, request, answer);
    request_free(self, request);
}

void admin_scanned(struct admin *self, const struct log_answer *answer)
{
    struct request *request = request_find(self, answer->token);
    if (!request || request->kind != REQUEST_FINISHED)
        return;
    admin_finished_done(self, request, answer);
    request_free(self, request);
}

// ---- arguments ----

bool call_text(const struct call *call, const char *key, size_t max_bytes, struct slice *ret)
{
    *ret = slice_text("");
    const json_t *value = json_object_get(call->args, key);
    if (!value || json_is_null(value))
        return true;
    if (!json_is_string(value)) {
        call_fail(call, ASSENT_INVALID, "'%s' is not a text", key);
        return false;
    }
    *ret = slice_of(json_string_value(value), json_string_length(value));
    if (ret->size > max_bytes) {
        call_fail(call, ASSENT_LIMIT, "'%s' has %zu bytes; at most %zu are kept", key, ret->size,
                  max_bytes);
        return false;
    }
    return true;
}

bool call_ms(const struct call *call, const char *key, uint64_t *ret)
{
    *ret = 0;
    const json_t *value = json_object_get(call->args, key);
    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        call_fail(call, ASSENT_INVALID, "'%s' is not a number of milliseconds, or of rows", key);
        return false;
    }
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

bool call_bool(const struct call *call, const char *key, bool *ret)
{
    const json_t *value = json_object_get(call->args, key);
    if (value && !json_is_null(value) && !json_is_boolean(value)) {
        call_fail(call, ASSENT_INVALID, "'%s' is neither true nor false", key);
        return false;
    }
    *ret = json_is_true(value);
    return true;
}

bool call_gtid(const struct call *call, bool needed, struct gtid *ret)
{
    struct slice text;
    *ret = (struct gtid){0};
    if (!call_text(call, "gtid", LIMIT_ADMIN_BYTES, &text))
        return false;
    if (text.size == 0 && !needed)
        return true;
    if (!gtid_from(text, ret)) {
        call_fail(call, ASSENT_INVALID,
                  "that is not a gtid: 1 to %d characters of letters, digits and . _ : -",
                  LIMIT_GTID_BYTES);
        return false;
    }
    return true;
}

// ---- verbs ----

static void verb_commit(const struct call *call)
{
    admin_order(call, OPERATOR_COMMIT);
}

static void verb_abort(const struct call *call)
{
    admin_order(call, OPERATOR_ABORT);
}

static void verb_forget(const struct call *call)
{
    admin_order(call, OPERATOR_FORGET);
}

static void verb_retry(const struct call *call)
{
    admin_order(call, OPERATOR_RETRY);
}

static const struct verb {
    const char *name;
    void (*run)(const struct call *call);
} verbs[] = {
    {"status", admin_status},
    {"list", admin_list},
    {"finished", admin_finished},
    {"foreign", admin_foreign},
    {"participants", admin_participants},
    {"show", admin_show},
    {"commit", verb_commit},
    {"abort", verb_abort},
    {"forget", verb_forget},
    {"retry", verb_retry},
    {"config", admin_config},
};

static const struct verb *verb_find(struct slice name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (slice_equal(slice_text(verbs[i].name), name))
            return &verbs[i];
    return NULL;
}

static void call_run(struct call *call, struct slice verb_name, struct slice json)
{
    const struct verb *verb = verb_find(verb_name);
    if (!verb) {
        call_fail(call, ASSENT_INVALID, "this coordinator (version %s) has no such verb",
                  ASSENT_VERSION_TEXT);
        return;
    }
    call->verb = verb->name;
    json_error_t error;
    call->args = json.size == 0 ? json_object() : json_loadb(json.data, json.size, 0, &error);
    if (json_is_object(call->args))
        verb->run(call);
    else
        call_fail(call, ASSENT_INVALID, "the arguments are not a JSON object");
    json_decref(call->args);
}

void admin_receive(struct admin *self, const struct admin_caller *caller,
                   const struct msg_admin *request)
{
    struct call call = {.admin = self, .caller = caller, .id = request->id};
    if (caller->role != ROLE_OPERATOR || !caller->grant || !caller->grant->operator_) {
        self->denied++;
        call_fail(&call, ASSENT_DENIED,
                  "operators only: greet as operator, with a certificate "
                  "whose metadata says operator = yes");
        return;
    }
    call_run(&call, request->verb, request->json);
}
