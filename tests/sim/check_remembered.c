// SPDX-License-Identifier: Apache-2.0
// What a participant has to remember: how much of its coordinator's log it has heard of, and what
// operators did to its branches.
#include <stdlib.h>

#include "sim.h"

// A frame was received: what it says of the log has to be echoed from now on.
void check_heard(struct actor *a, const struct frame_header *header)
{
    struct frame_header own;
    if (a->kind == ACTOR_COORDINATOR || !a->alive || !a->link.peer)
        return;
    if (a->kind == ACTOR_PARTICIPANT)
        participant_header(a->participant, &own);
    else
        client_header(a->client, &own);
    if (own.coordinator == header->coordinator && own.incarnation == header->incarnation &&
        header->log_seq > a->heard_seq)
        a->heard_seq = header->log_seq;
}

// A record was found in the journal at start, and what it says likewise.
void check_heard_before(struct actor *a, const struct branch_record *record)
{
    if (record->coordinator == a->home->id && record->log_seq > a->heard_seq)
        a->heard_seq = record->log_seq;
}

// It has started. When it was at another coordinator last, only what that one said counts.
void check_heard_of(struct actor *a)
{
    struct frame_header own;
    if (!a->alive)
        return;
    participant_header(a->participant, &own);
    if (own.coordinator != a->home->id)
        a->heard_seq = 0;
}

void check_echo(struct actor *a, const struct frame_header *header)
{
    if (a->kind == ACTOR_COORDINATOR || header->coordinator != a->home->id)
        return;
    REQUIRE(a->world, header->log_seq >= a->heard_seq, "honest log",
            "%s has heard of record %llu, and echoes %llu", a->name,
            (unsigned long long)a->heard_seq, (unsigned long long)header->log_seq);
}

static bool has_word(struct actor *a, const struct gtid *gtid, unsigned branch)
{
    char storage[RECORD_KEY_BYTES];
    uint8_t *value;
    size_t size;
    assent_error error;
    struct branch_record record;
    struct slice key = record_key_branch(gtid, branch, storage);
    if (a->disk.store->ops->lookup(a->disk.store, key, &value, &size, &error) != ASSENT_OK)
        return false;
    int code = record_decode_branch(slice_of(value, size), &record, &error);
    free(value);
    return code == ASSENT_OK && record.heuristic;
}

// What resource managers did by themselves is on record in the end, and forgotten by them.
void check_noted(struct world *w, const struct sim_tx *tx)
{
    for (unsigned n = 0; n < tx->attempt_count * SIM_BRANCHES_MAX; n++) {
        unsigned branch = n % SIM_BRANCHES_MAX;
        const struct held *held = &tx->attempts[n / SIM_BRANCHES_MAX].branches[branch];
        if (!held->own || held->word)
            continue;
        REQUIRE(w, tx->noted[branch] >> held->own & 1, "heuristics are recorded",
                "%s ended %.*s/%u by itself, and that was never on record",
                w->actors[held->bank].name, tx->gtid.size, tx->gtid.text, branch);
        REQUIRE(w, held->own_forgotten, "AC5, all decide",
                "%s has not forgotten what it did with %.*s/%u", w->actors[held->bank].name,
                tx->gtid.size, tx->gtid.text, branch);
    }
}

// What an operator had done to a branch stays in its participant's journal for ever.
void check_words(struct world *w, const struct sim_tx *tx)
{
    for (unsigned n = 0; n < tx->attempt_count * SIM_BRANCHES_MAX; n++) {
        unsigned branch = n % SIM_BRANCHES_MAX;
        const struct held *held = &tx->attempts[n / SIM_BRANCHES_MAX].branches[branch];
        if (held->word)
            REQUIRE(w, has_word(&w->actors[held->bank], &tx->gtid, branch),
                    "heuristics are recorded", "%s has forgotten that an operator ended %.*s/%u",
                    w->actors[held->bank].name, tx->gtid.size, tx->gtid.text, branch);
    }
}
