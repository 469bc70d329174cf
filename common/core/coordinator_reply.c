// SPDX-License-Identifier: Apache-2.0
// What the coordinator says to clients and operators.
#include <stdarg.h>
#include <stdio.h>

#include "base/mutant.h"
#include "core/coordinator_internal.h"

struct msg *coord_send(struct coordinator *c, peer_t peer, enum msg_type type)
{
    struct effect *effect = effects_add(c->fx, EFFECT_SEND);
    effect->u.send.peer = peer;
    effect->u.send.msg.type = type;
    return &effect->u.send.msg;
}

__attribute__((format(printf, 2, 0))) static struct slice
coord_text(struct coordinator *c, const char *format, va_list arguments)
{
    char text[LIMIT_REASON_BYTES + 1];
    vsnprintf(text, sizeof text, format, arguments);
    return effects_printf(c->fx, "%s", text);
}

void coord_refuse(struct coordinator *c, peer_t peer, enum msg_type about, const struct gtid *gtid,
                  int code, const char *format, ...)
{
    c->stats.refused++;
    va_list arguments;
    va_start(arguments, format);
    struct slice text = coord_text(c, format, arguments);
    va_end(arguments);
    struct msg *msg = coord_send(c, peer, MSG_REFUSED);
    msg->u.refused = (struct msg_refused){
        .request = c->request, .about = (uint8_t)about, .code = (uint16_t)code, .text = text};
    if (gtid)
        msg->u.refused.gtid = *gtid;
}

struct msg_result *coord_result(struct coordinator *c, peer_t peer, uint8_t about,
                                const struct gtid *gtid, enum outcome outcome)
{
    struct msg_result *result = &coord_send(c, peer, MSG_RESULT)->u.result;
    result->request = c->request;
    result->gtid = *gtid;
    result->about = about;
    result->outcome = (uint8_t)outcome;
    result->branch = BRANCH_NONE;
    return result;
}

// By whom, where branches differ. What an operator had no hand in, and no resource manager, is
// where a journal was lost: an operator's doing.
static uint8_t mixed_by(bool mixed, bool order, bool manager)
{
    if (!mixed || MUTANT(MIXED_UNTOLD))
        return 0;
    return (uint8_t)((order || !manager ? MIXED_BY_OPERATOR : 0) |
                     (manager ? MIXED_BY_MANAGER : 0));
}

// Where there is no reason to be told, it says which branch it was.
static struct slice mixed_text(struct coordinator *c, unsigned branch, unsigned heuristic)
{
    return effects_printf(c->fx, "branch %u was ended by its resource manager: %s", branch,
                          heuristic_name(heuristic));
}

void coord_result_of_tx(struct coordinator *c, peer_t peer, uint8_t about, const struct tx *tx)
{
    struct msg_result *result = coord_result(c, peer, about, &tx->gtid,
                                             tx->told ? (enum outcome)tx->outcome
                                             : MUTANT(RUNNING_IS_ABORTED) ? OUTCOME_ABORTED
                                                                          : OUTCOME_NONE);
    const struct branch *by = tx->mixed ? tx->branches : NULL;
    while (by && !(by->heuristic & HEURISTIC_MANAGER && by->outcome != tx->outcome))
        by = by->next;
    result->mixed = mixed_by(tx->mixed, tx->heuristic != NULL, by != NULL);
    if (!tx->told)
        return;
    result->reason = tx->reason;
    result->branch = tx->reason_branch;
    result->text = tx->reason_text;
    if (by && result->text.size == 0)
        result->text = mixed_text(c, by->number, by->heuristic);
    result->finished = tx->owing == 0 || MUTANT(FINISHED_TOLD_EARLY);
}

void coord_result_of_record(struct coordinator *c, peer_t peer, uint8_t about,
                            const struct tx_record *record)
{
    struct msg_result *result =
        coord_result(c, peer, about, &record->gtid, (enum outcome)record->outcome);
    const struct record_branch *by = NULL;
    for (unsigned i = 0; record->mixed && i < record->branch_count && !by; i++) {
        if (record_branch_differs(&record->branches[i], record->outcome))
            by = &record->branches[i];
    }
    result->mixed = mixed_by(record->mixed, record->heuristic.when_ms != 0, by != NULL);
    result->reason = record->reason;
    result->branch = record->reason_branch;
    result->text = record->reason_text;
    if (by && result->text.size == 0)
        result->text = mixed_text(c, by->branch, by->heuristic);
    result->finished = record->stage == STAGE_ENDED;
}

void coord_answer_waiters(struct coordinator *c, struct tx *tx)
{
    bool admitted = tx->admitted && (tx->state > TX_ADMITTING || MUTANT(ACCEPTED_EARLY));
    if (!tx->told && !admitted)
        return;
    uint64_t request = c->request; // whoever asked for this may still have to be answered
    struct waiter *kept = NULL;
    for (struct waiter *w = tx->waiters, *next; w; w = next) {
        next = w->next;
        c->request = w->request;
        if (w->accept && admitted) {
            coord_result_of_tx(c, w->peer, w->about, tx);
        } else if (!tx->told || (w->about == MSG_SUBMIT && tx->wait_done && tx->owing > 0)) {
            w->next = MUTANT(WAITER_LOST) ? NULL : kept;
            kept = w;
        } else if (w->about == MSG_ENLIST) { // it was aborted before its first branch was enlisted
            coord_refuse(c, w->peer, MSG_ENLIST, &tx->gtid, ASSENT_STATE, "the transaction is %s",
                         outcome_name((enum outcome)tx->outcome));
        } else {
            coord_result_of_tx(c, w->peer, w->about, tx);
        }
    }
    tx->waiters = kept;
    c->request = request;
}

void coord_answer_operator(struct coordinator *c, token_t token, int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    struct slice text = coord_text(c, format, arguments);
    va_end(arguments);
    struct effect *effect = effects_add(c->fx, EFFECT_ANSWER);
    effect->u.answer.token = token;
    effect->u.answer.code = code;
    effect->u.answer.text = text;
}
