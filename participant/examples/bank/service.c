// SPDX-License-Identifier: Apache-2.0
#include "service.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct service {
    void *context;
    void *socket;
    pthread_t thread;
    const struct bank_store *store;
    assent_participant *participant;
};

static void answer_error(const assent_error *error, char *answer, size_t size)
{
    snprintf(answer, size, "error %s", error->message);
}

static void answer_totals(struct service *s, char *answer, size_t size)
{
    struct totals t;
    assent_error error;
    if (s->store->type->totals(s->store->self, &t, &error)) {
        answer_error(&error, answer, size);
        return;
    }
    snprintf(answer, size,
             "%s %" PRIu64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu64,
             s->store->type->name(s->store->self), t.accounts, t.checking, t.savings, t.cash,
             t.loaded, t.reserved, t.prepared);
}

static void answer_drain(struct service *s, const char *gtid, unsigned branch, uint64_t account,
                         char *answer, size_t size)
{
    assent_error error;
    // First of all the library must know: from here on the work is undone if its application dies.
    int code = assent_participant_working(s->participant, gtid, (uint16_t)branch, &error);
    int64_t amount;
    if (code == ASSENT_OK)
        code = s->store->type->drain(s->store->self, gtid, branch, account, &amount, &error);
    if (code == ASSENT_OK)
        snprintf(answer, size, "%" PRId64, amount);
    else
        answer_error(&error, answer, size);
}

static void answer_applied(struct service *s, const char *gtid, unsigned branch, char *answer,
                           size_t size)
{
    bool applied;
    assent_error error;
    if (s->store->type->applied(s->store->self, gtid, branch, &applied, &error))
        answer_error(&error, answer, size);
    else
        snprintf(answer, size, "%d", applied);
}

static void answer_request(struct service *s, const char *request, char *answer, size_t size)
{
    char gtid[65];
    unsigned branch;
    uint64_t account;
    if (strcmp(request, "totals") == 0)
        answer_totals(s, answer, size);
    else if (sscanf(request, "drain %64s %u %" SCNu64, gtid, &branch, &account) == 3)
        answer_drain(s, gtid, branch, account, answer, size);
    else if (sscanf(request, "applied %64s %u", gtid, &branch) == 2)
        answer_applied(s, gtid, branch, answer, size);
    else
        snprintf(answer, size, "error not understood");
}

static void *service_run(void *arg)
{
    struct service *s = arg;
    char request[256], answer[256];
    for (;;) {
        int size = zmq_recv(s->socket, request, sizeof request - 1, 0);
        if (size < 0 && zmq_errno() == EINTR)
            continue;
        if (size < 0)
            break; // the context was shut down
        request[size < (int)sizeof request ? size : (int)sizeof request - 1] = '\0';
        answer_request(s, request, answer, sizeof answer);
        zmq_send(s->socket, answer, strlen(answer), 0);
    }
    zmq_close(s->socket);
    return NULL;
}

static int fail(assent_error *error, int code, const char *dir, const char *message)
{
    if (error) {
        error->code = code;
        snprintf(error->message, sizeof error->message, "bank %s: %s", dir, message);
    }
    return code;
}

static void endpoint_of(const char *dir, char *endpoint, size_t size)
{
    snprintf(endpoint, size, "ipc://%s/bank.sock", dir);
}

int service_start(const char *dir, const struct bank_store *store, assent_participant *participant,
                  struct service **ret, assent_error *error)
{
    char endpoint[4200];
    struct service *s = calloc(1, sizeof *s);
    if (!s)
        return fail(error, ASSENT_NOMEM, dir, "out of memory");
    s->store = store;
    s->participant = participant;
    s->context = zmq_ctx_new();
    s->socket = zmq_socket(s->context, ZMQ_REP);
    int linger = 100;
    zmq_setsockopt(s->socket, ZMQ_LINGER, &linger, sizeof linger);
    endpoint_of(dir, endpoint, sizeof endpoint);
    if (zmq_bind(s->socket, endpoint) != 0 ||
        pthread_create(&s->thread, NULL, service_run, s) != 0) {
        fail(error, ASSENT_IO, dir, zmq_strerror(zmq_errno()));
        zmq_close(s->socket);
        zmq_ctx_term(s->context);
        free(s);
        return ASSENT_IO;
    }
    *ret = s;
    return ASSENT_OK;
}

void service_stop(struct service **service_p)
{
    struct service *s = *service_p;
    if (!s)
        return;
    *service_p = NULL;
    zmq_ctx_shutdown(s->context);
    pthread_join(s->thread, NULL);
    zmq_ctx_term(s->context);
    free(s);
}

// ---- the asking side ----

struct counter {
    void *context;
    void *socket; // REQ; made anew after an answer that did not come
    char endpoint[4200];
};

static bool counter_connect(struct counter *c)
{
    int linger = 0, immediate = 1;
    if (c->socket)
        zmq_close(c->socket);
    c->socket = zmq_socket(c->context, ZMQ_REQ);
    if (!c->socket)
        return false;
    zmq_setsockopt(c->socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
    zmq_setsockopt(c->socket, ZMQ_LINGER, &linger, sizeof linger);
    return zmq_connect(c->socket, c->endpoint) == 0;
}

int counter_open(const char *dir, struct counter **ret, assent_error *error)
{
    struct counter *c = calloc(1, sizeof *c);
    if (!c)
        return fail(error, ASSENT_NOMEM, dir, "out of memory");
    endpoint_of(dir, c->endpoint, sizeof c->endpoint);
    c->context = zmq_ctx_new();
    if (!counter_connect(c)) {
        counter_close(&c);
        return fail(error, ASSENT_INVALID, dir, "its path is not good for a socket");
    }
    *ret = c;
    return ASSENT_OK;
}

void counter_close(struct counter **counter_p)
{
    struct counter *c = *counter_p;
    if (!c)
        return;
    *counter_p = NULL;
    if (c->socket)
        zmq_close(c->socket);
    zmq_ctx_term(c->context);
    free(c);
}

int counter_ask(struct counter *c, int timeout_ms, char answer[256], assent_error *error,
                const char *format, ...)
{
    char request[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(request, sizeof request, format, arguments);
    va_end(arguments);
    zmq_setsockopt(c->socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    int connect_ms = timeout_ms < 1000 ? timeout_ms : 1000; // there is one, or there is none
    zmq_setsockopt(c->socket, ZMQ_SNDTIMEO, &connect_ms, sizeof connect_ms);
    int size = -1;
    if (zmq_send(c->socket, request, strlen(request), 0) >= 0)
        size = zmq_recv(c->socket, answer, 255, 0);
    if (size < 0) {
        counter_connect(c); // a REQ socket that misses its answer cannot go on
        return fail(error, ASSENT_UNAVAILABLE, c->endpoint, "no answer");
    }
    answer[size < 255 ? size : 255] = '\0';
    if (strncmp(answer, "error ", 6) == 0)
        return fail(error, ASSENT_INVALID, c->endpoint, answer + 6);
    return ASSENT_OK;
}

int counter_drain(struct counter *c, const char *gtid, unsigned branch, uint64_t account,
                  int64_t *ret_amount, assent_error *error)
{
    char answer[256], *end;
    int code = counter_ask(c, 5000, answer, error, "drain %s %u %" PRIu64, gtid, branch, account);
    if (code)
        return code;
    int64_t amount = strtoll(answer, &end, 10);
    if (end == answer || *end)
        return fail(error, ASSENT_CORRUPT, c->endpoint, "an answer that is not understood");
    *ret_amount = amount;
    return ASSENT_OK;
}
