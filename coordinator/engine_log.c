// SPDX-License-Identifier: Apache-2.0
// Answers of the log thread, in the order in which they were asked for.
#include "base/check.h"
#include "engine_internal.h"

enum { TURN_ANSWERS = 4096 };

// The record in an answer; NULL, and the engine has stopped, when it cannot be read. It was checked
// against its hash on the way here, so it is ours and from another version, or memory is bad.
static const struct tx_record *decode(struct engine *e, const struct log_answer *answer,
                                      struct tx_record *storage)
{
    assent_error error;
    struct slice value = slice_of(answer->value, answer->value_size);
    if (!record_decode_tx(value, &e->storage, storage, &error))
        return storage;
    engine_stop(e, EXIT_REFUSED, error.message);
    return NULL;
}

static void take_written(struct engine *e, const struct log_answer *answer)
{
    struct tx_record record;
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.token = answer->token;
    event.u.written.log_seq = answer->head_seq;
    event.u.written.fenced = answer->answer == STORE_FENCED;
    if (answer->answer == STORE_OTHER) {
        event.u.written.stands = decode(e, answer, &record);
        if (!event.u.written.stands)
            return;
    }
    // A crash here leaves a decision that nobody knows of; recovery drives the branches to it.
    engine_crash_written(e, answer->token);
    engine_step(e, &event);
}

static void take_looked_up(struct engine *e, const struct log_answer *answer)
{
    struct tx_record record;
    struct event event = {.type = EVENT_LOOKED_UP};
    event.u.looked_up.token = answer->token;
    event.u.looked_up.horizon_ms = answer->horizon;
    if (answer->code == ASSENT_OK) {
        event.u.looked_up.found = decode(e, answer, &record);
        if (!event.u.looked_up.found)
            return;
    }
    engine_step(e, &event);
}

static void take_answer(struct engine *e, const struct log_answer *answer)
{
    if (answer->head_seq > e->head_seq)
        e->head_seq = answer->head_seq;
    if (answer->op == LOG_PUT)
        take_written(e, answer);
    else if (answer->op == LOG_SCAN)
        admin_scanned(e->admin, answer);
    else if (answer->token & ADMIN_TOKEN)
        admin_looked_up(e->admin, answer);
    else
        take_looked_up(e, answer);
}

void engine_log_answers(struct engine *e)
{
    struct log_answer answer;
    assent_error error;
    unsigned taken = 0;
    while (!e->stopped && taken < TURN_ANSWERS && log_queue_next(e->log, &answer)) {
        take_answer(e, &answer);
        log_answer_free(&answer);
        taken++;
    }
    e->busy |= taken == TURN_ANSWERS;
    // What the failed batch held is not durable, perhaps not even gone: only the next start can
    // tell, by reading the disk. Nothing that depends on it was sent.
    if (!e->stopped && log_queue_failed(e->log, &error))
        engine_stop(e, EXIT_FAILED, error.message);
}
