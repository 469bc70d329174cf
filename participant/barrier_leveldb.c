// SPDX-License-Identifier: Apache-2.0
#include "assent/barrier_leveldb.h"

#include <leveldb/c.h>
#include <stdlib.h>

#include "barrier_leveldb_internal.h"
#include "shell.h"

static const char standard_prefix[] = "assent_barrier/";

int assent_barrier_leveldb_open(leveldb_t *db, const char *prefix, assent_barrier_leveldb **ret,
                                assent_error *error)
{
    if (!prefix)
        prefix = standard_prefix;
    if (!db || strnlen(prefix, LIMIT_BARRIER_PREFIX_BYTES + 1) > LIMIT_BARRIER_PREFIX_BYTES)
        return error_set(error, ASSENT_INVALID,
                         "barrier: a database and a prefix of at most %d bytes are needed",
                         LIMIT_BARRIER_PREFIX_BYTES);
    assent_barrier_leveldb *b = calloc(1, sizeof *b);
    if (!b)
        return error_set(error, ASSENT_NOMEM, "barrier: out of memory");
    b->db = db;
    b->prefix_bytes = strlen(prefix);
    memcpy(b->prefix, prefix, b->prefix_bytes);
    b->synced = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(b->synced, 1);
    b->lazy = leveldb_writeoptions_create();
    pthread_mutex_init(&b->collecting, NULL);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->left, NULL);
    *ret = b;
    return ASSENT_OK;
}

void assent_barrier_leveldb_close(assent_barrier_leveldb **barrier_p)
{
    assent_barrier_leveldb *b = *barrier_p;
    if (!b)
        return;
    *barrier_p = NULL;
    pthread_cond_destroy(&b->left);
    pthread_mutex_destroy(&b->lock);
    pthread_mutex_destroy(&b->collecting);
    leveldb_writeoptions_destroy(b->synced);
    leveldb_writeoptions_destroy(b->lazy);
    free(b);
}

// ---- turns ----

static assent_barrier_turn *turn_of(assent_barrier_leveldb *b, const assent_barrier_turn *like)
{
    assent_barrier_turn *turn = b->turns;
    while (turn && !(turn->branch == like->branch && gtid_equal(&turn->gtid, &like->gtid)))
        turn = turn->next;
    return turn;
}

static int refuse_failed(assent_error *error)
{
    return error_set(error, ASSENT_IO,
                     "barrier: a write to LevelDB has failed before: what it left behind is seen "
                     "only when the database is opened anew");
}

// Puts the turn in its place, once nobody is there.
static int turn_take(assent_barrier_turn *turn, assent_error *error)
{
    assent_barrier_leveldb *b = turn->barrier;
    int code = ASSENT_OK;
    pthread_mutex_lock(&b->lock);
    const assent_barrier_turn *other;
    while (!code && (other = turn_of(b, turn))) {
        if (pthread_equal(other->thread, turn->thread))
            code = error_set(error, ASSENT_STATE,
                             "barrier: this thread is in a turn of branch %u of %.*s already",
                             turn->branch, turn->gtid.size, turn->gtid.text);
        else
            pthread_cond_wait(&b->left, &b->lock);
    }
    if (!code && b->failed)
        code = refuse_failed(error);
    if (!code) {
        turn->next = b->turns;
        b->turns = turn;
    }
    pthread_mutex_unlock(&b->lock);
    return code;
}

static void turn_leave(assent_barrier_turn *turn)
{
    assent_barrier_leveldb *b = turn->barrier;
    pthread_mutex_lock(&b->lock);
    assent_barrier_turn **at = &b->turns;
    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    pthread_cond_broadcast(&b->left);
    pthread_mutex_unlock(&b->lock);
    free(turn);
}

static int turn_new(assent_barrier_leveldb *b, const char *gtid, uint16_t branch,
                    assent_barrier_operation operation, assent_barrier_turn **ret,
                    assent_error *error)
{
    struct gtid g;
    int code = barrier_arguments(gtid, operation, &g, error);
    if (code)
        return code;
    assent_barrier_turn *turn = calloc(1, sizeof *turn);
    if (!turn)
        return error_set(error, ASSENT_NOMEM, "barrier: out of memory");
    turn->barrier = b;
    turn->gtid = g;
    turn->branch = branch;
    turn->operation = operation;
    turn->thread = pthread_self();
    code = turn_take(turn, error);
    if (code)
        free(turn);
    else
        *ret = turn;
    return code;
}

// ---- what is done in a turn ----

int assent_barrier_leveldb_enter(assent_barrier_leveldb *b, const char *gtid, uint16_t branch,
                                 assent_barrier_operation operation, assent_barrier_turn **ret,
                                 assent_barrier_entry *entry, assent_error *error)
{
    assent_barrier_turn *turn;
    struct barrier_rows rows = {.horizon_ms = 0};
    assent_barrier_entry found = {.verdict = 0};
    if (!b || !ret || !entry)
        return error_set(error, ASSENT_INVALID, "barrier: an argument is NULL");
    int code = turn_new(b, gtid, branch, operation, &turn, error);
    if (code)
        return code;
    code = barrier_rows_read(turn, &rows, error);
    if (!code)
        code = barrier_rule(operation, &turn->gtid, &rows, &turn->ruling, error);
    if (!code && turn->ruling.answer)
        code = barrier_answer_read(turn, turn->ruling.answer, &found, error);
    if (code) {
        turn_leave(turn);
        return code;
    }
    found.verdict = turn->ruling.verdict;
    *entry = found;
    *ret = turn;
    return ASSENT_OK;
}

int assent_barrier_leveldb_answer(assent_barrier_turn *turn, const void *answer, size_t size,
                                  assent_error *error)
{
    if (!turn)
        return error_set(error, ASSENT_INVALID, "barrier: an argument is NULL");
    int code = barrier_answer_check(answer, size, error);
    if (code)
        return code;
    if (turn->ruling.verdict != ASSENT_BARRIER_RUN || turn->answered)
        return barrier_answer_refuse(error);
    if (size)
        memcpy(turn->value + 1, answer, size);
    turn->answer_bytes = size;
    turn->answered = true;
    return ASSENT_OK;
}

static int write_batch(assent_barrier_leveldb *b, const leveldb_writeoptions_t *how,
                       leveldb_writebatch_t *batch, assent_error *error)
{
    char *message = NULL;
    pthread_mutex_lock(&b->lock);
    bool failed = b->failed;
    pthread_mutex_unlock(&b->lock);
    if (failed)
        return refuse_failed(error);
    leveldb_write(b->db, how, batch, &message);
    if (!message)
        return ASSENT_OK;
    // What was not synced may be on the disk all the same, or in part: whether it happened is known
    // only after the next open, and until then the barrier lets nobody in.
    pthread_mutex_lock(&b->lock);
    b->failed = true;
    pthread_mutex_unlock(&b->lock);
    return barrier_leveldb_refuse(message, error);
}

static int turn_write(assent_barrier_turn *turn, leveldb_writebatch_t *business,
                      assent_error *error)
{
    leveldb_writebatch_t *batch = business ? business : leveldb_writebatch_create();
    turn->value[0] = turn->ruling.state == BARRIER_DONE ? BARRIER_VALUE_DONE : BARRIER_VALUE_FENCED;
    barrier_row_put(turn, turn->ruling.writes, 1 + turn->answer_bytes, batch);
    // A crash before this leaves neither the work nor the row, and the call comes again; a crash
    // after it leaves both, and the call that comes again is a duplicate.
    int code = write_batch(turn->barrier, turn->barrier->synced, batch, error);
    if (!business)
        leveldb_writebatch_destroy(batch);
    return code;
}

int assent_barrier_leveldb_commit(assent_barrier_turn **turn_p, leveldb_writebatch_t *batch,
                                  assent_error *error)
{
    assent_barrier_turn *turn = *turn_p;
    int code = ASSENT_OK;
    if (!turn)
        return error_set(error, ASSENT_INVALID, "barrier: there is no turn to commit");
    *turn_p = NULL;
    if (batch && turn->ruling.verdict != ASSENT_BARRIER_RUN)
        code = error_set(error, ASSENT_STATE, "barrier: the verdict on this %s was '%s', not run",
                         assent_barrier_operation_text(turn->operation),
                         assent_barrier_verdict_text(turn->ruling.verdict));
    else if (turn->ruling.writes)
        code = turn_write(turn, batch, error);
    turn_leave(turn);
    return code;
}

void assent_barrier_leveldb_abandon(assent_barrier_turn **turn_p)
{
    if (*turn_p)
        turn_leave(*turn_p);
    *turn_p = NULL;
}

// ---- collection ----

// Leaves no row of the branch, but for a fence of that operation (0: none).
static int branch_end(assent_barrier_leveldb *b, const char *gtid, uint16_t branch,
                      assent_barrier_operation fence, assent_error *error)
{
    assent_barrier_turn *turn;
    if (!b)
        return error_set(error, ASSENT_INVALID, "barrier: an argument is NULL");
    int code = turn_new(b, gtid, branch, fence ? fence : ASSENT_BARRIER_TRY, &turn, error);
    if (code)
        return code;
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++)
        barrier_row_delete(turn, (assent_barrier_operation)i, batch);
    turn->value[0] = BARRIER_VALUE_FENCED;
    if (fence)
        barrier_row_put(turn, fence, 1, batch);
    // Rows that a power failure brings back all together say the truth still; not so a part of
    // them, where the fence has been collected since.
    code = write_batch(b, fence ? b->synced : b->lazy, batch, error);
    leveldb_writebatch_destroy(batch);
    turn_leave(turn);
    return code;
}

int assent_barrier_leveldb_forget(assent_barrier_leveldb *barrier, const char *gtid,
                                  uint16_t branch, assent_error *error)
{
    return branch_end(barrier, gtid, branch, 0, error);
}

int assent_barrier_leveldb_seal(assent_barrier_leveldb *barrier, const char *gtid, uint16_t branch,
                                assent_barrier_operation forward, assent_error *error)
{
    int code = barrier_seal_check(forward, error);
    return code ? code : branch_end(barrier, gtid, branch, forward, error);
}

int assent_barrier_leveldb_collect(assent_barrier_leveldb *b, uint64_t horizon_ms,
                                   uint64_t rows_max, uint64_t *ret_removed, assent_error *error)
{
    enum { ROWS_OF_A_BATCH = 1000 };
    if (!b)
        return error_set(error, ASSENT_INVALID, "barrier: an argument is NULL");
    int code = barrier_horizon_check(horizon_ms, shell_now().wall_ms, error);
    if (code)
        return code;
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    uint64_t removed = 0;
    pthread_mutex_lock(&b->collecting);
    // The horizon first: a crash after it leaves fences that are not needed, never the other way
    // round.
    code = barrier_horizon_put(b, horizon_ms, batch, error);
    if (!code)
        code = write_batch(b, b->synced, batch, error);
    struct barrier_fences *fences = code ? NULL : barrier_fences_new(b);
    for (uint64_t found = 1; !code && found > 0; removed += found) {
        uint64_t most =
            rows_max && rows_max - removed < ROWS_OF_A_BATCH ? rows_max - removed : ROWS_OF_A_BATCH;
        leveldb_writebatch_clear(batch);
        code = barrier_fences_next(fences, horizon_ms, most, batch, &found, error);
        if (!code && found)
            code = write_batch(b, b->lazy, batch, error);
        if (code)
            found = 0;
    }
    pthread_mutex_unlock(&b->collecting);
    barrier_fences_destroy(&fences);
    leveldb_writebatch_destroy(batch);
    if (!code && ret_removed)
        *ret_removed = removed;
    return code;
}
