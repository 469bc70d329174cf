// SPDX-License-Identifier: Apache-2.0
// Answers on their way to the callbacks of asynchronous commits.
#include <errno.h>

#include "client_handle.h"

// Everything that is ready. How many there are may change while callbacks run; these do not.
static struct request *take_ready(assent_client *c)
{
    struct request *first = NULL;
    pthread_mutex_lock(&c->lock);
    if (!list_empty(&c->ready)) {
        first = container_of(c->ready.next, struct request, link);
        // A ring without a head, that new arrivals do not join.
        list_remove(&c->ready);
        shell_silence(c->ready_bell);
    }
    pthread_mutex_unlock(&c->lock);
    return first;
}

static void call_back(assent_client *c, struct request *request)
{
    assent_tx *tx = request->tx;
    assent_done *done = request->done;
    void *arg = request->arg;
    int code = request->code;
    assent_result result = request->result;
    pthread_mutex_lock(&c->lock);
    c->in_flight--;
    pthread_mutex_unlock(&c->lock);
    tx_answered(tx); // it may be committed again now, so the request is no longer ours
    done(arg, code, &result);
    tx_release(tx);
}

static int dispatch_ready(assent_client *c)
{
    int count = 0;
    struct request *request = take_ready(c);
    while (request) {
        struct list *next = request->link.next;
        bool last = next == &request->link;
        list_remove(&request->link);
        call_back(c, request);
        count++;
        request = last ? NULL : container_of(next, struct request, link);
    }
    return count;
}

int assent_client_dispatch(assent_client *c, int timeout_ms)
{
    int count = dispatch_ready(c);
    uint64_t until_ms = timeout_ms < 0 ? UINT64_MAX : shell_now().mono_ms + (uint64_t)timeout_ms;
    while (count == 0 && timeout_ms != 0) {
        int left_ms = shell_wait_ms(until_ms);
        struct pollfd bell = {.fd = c->ready_bell, .events = POLLIN};
        int found = poll(&bell, 1, left_ms);
        if (found < 0 && errno == EINTR)
            return 0;
        count = dispatch_ready(c);
        if (left_ms == 0)
            break;
    }
    return count;
}

int assent_client_fd(const assent_client *c)
{
    return c->ready_bell;
}
