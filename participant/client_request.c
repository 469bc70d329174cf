// SPDX-License-Identifier: Apache-2.0
// Requests on their way to the I/O thread, and threads that wait for their answers.
#include "client_handle.h"

void client_wake(assent_client *c)
{
    if (c->awake)
        return;
    c->awake = true;
    shell_ring(c->wake_bell);
}

int client_enter(assent_client *c, assent_error *error)
{
    if (c->stopping)
        return error_set(error, ASSENT_CLOSED, "the client is being closed");
    if (c->broken)
        return error_set(error, c->broken, "the client ran out of memory and cannot go on");
    c->users++;
    return ASSENT_OK;
}

void client_leave(assent_client *c)
{
    if (--c->users == 0 && c->stopping)
        pthread_cond_broadcast(&c->changed);
}

// Lock held.
static int submit(assent_client *c, struct request *request, assent_error *error)
{
    if (c->in_flight >= c->in_flight_max)
        return error_set(error, ASSENT_BUSY, "%u requests are in flight already", c->in_flight_max);
    request->complete = false;
    c->in_flight++;
    list_init(&request->link);
    list_append(&c->submitted, &request->link);
    client_wake(c);
    return ASSENT_OK;
}

int request_send(assent_client *c, struct request *request, assent_error *error)
{
    request->waits = NULL;
    pthread_mutex_lock(&c->lock);
    int code = client_enter(c, error);
    if (code == ASSENT_OK) {
        code = submit(c, request, error);
        client_leave(c);
    }
    pthread_mutex_unlock(&c->lock);
    return code;
}

// Lock held, entered.
static int submit_and_wait(assent_client *c, struct request *request, assent_error *error)
{
    pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
    request->waits = &answered;
    int code = submit(c, request, error);
    if (code != ASSENT_OK)
        return code;
    while (!request->complete)
        pthread_cond_wait(&answered, &c->lock);
    c->in_flight--;
    pthread_cond_destroy(&answered);
    return request->code == ASSENT_OK ? ASSENT_OK
                                      : error_set(error, request->code, "%s: %s",
                                                  request->result.gtid, request->result.text);
}

int request_run(assent_client *c, struct request *request, assent_result *ret, assent_error *error)
{
    pthread_mutex_lock(&c->lock);
    int code = client_enter(c, error);
    if (code == ASSENT_OK) {
        code = submit_and_wait(c, request, error);
        client_leave(c);
    }
    pthread_mutex_unlock(&c->lock);
    if (code == ASSENT_OK && ret)
        *ret = request->result;
    return code;
}
