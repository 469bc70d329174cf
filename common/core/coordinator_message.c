// SPDX-License-Identifier: Apache-2.0
// Transactional messages: prepared, then submitted by the application, or by what its own database
// says when it is asked back; then delivered to every consumer, for as long as it takes.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

// The application has prepared the message and said nothing since. Its sender knows, for good: what
// answers is a row in the database of the local transaction.
void message_check_back(struct coordinator *c, struct tx *tx)
{
    tx_move(tx, TX_PREPARING);
    plan_ask(c, tx->branches);
}

void message_deliver(struct coordinator *c, struct branch *b)
{
    uint64_t gone_ms = c->stamp_ms - b->tx->decided_ms; // since a crash, perhaps
    uint64_t delay_ms = b->planned->plan.delay_ms;
    if (delay_ms > gone_ms && !MUTANT(DELAY_IGNORED))
        plan_ask_after(c, b, delay_ms - gone_ms);
    else
        plan_ask(c, b);
}

const struct coordinator_topic *message_topic(const struct coordinator *c, struct slice name)
{
    for (size_t i = 0; i < c->config.topic_count; i++) {
        if (slice_equal(slice_text(c->config.topics[i].name), name))
            return &c->config.topics[i];
    }
    return NULL;
}

bool message_valid(struct coordinator *c, struct session *s, const struct msg_submit *submit)
{
    size_t branches = 0;
    for (unsigned i = 0; i < submit->branch_count; i++) {
        const struct msg_branch *b = &submit->branches[i];
        if ((b->kind == BRANCH_SENDER) != (i == 0)) {
            coord_refuse(c, s->id, MSG_SUBMIT, &submit->gtid, ASSENT_INVALID,
                         "the first branch of a message, and no other, is its sender");
            return false;
        }
        const struct coordinator_topic *topic = NULL;
        if (b->kind == BRANCH_TOPIC && !(topic = message_topic(c, b->resource))) {
            coord_refuse(c, s->id, MSG_SUBMIT, &submit->gtid, ASSENT_INVALID,
                         "no topic %.*s is configured", (int)b->resource.size,
                         (const char *)b->resource.data);
            return false;
        }
        branches += topic ? topic->consumer_count : 1;
    }
    if (branches < 2 || branches > c->config.branches_max) {
        coord_refuse(c, s->id, MSG_SUBMIT, &submit->gtid, ASSENT_LIMIT,
                     "%zu consumers; 1 to %u are allowed", branches - 1,
                     c->config.branches_max - 1);
        return false;
    }
    return true;
}
