// SPDX-License-Identifier: Apache-2.0
// What the application may ask of a participant.
#include "participant_handle.h"

int participant_enter(assent_participant *p, assent_error *error)
{
    if (p->closing)
        return error_set(error, ASSENT_CLOSED, "the participant is being closed");
    if (p->failure.code) {
        if (error)
            *error = p->failure;
        return p->failure.code;
    }
    p->users++;
    return ASSENT_OK;
}

void participant_leave(assent_participant *p)
{
    if (--p->users == 0 && p->closing)
        pthread_cond_broadcast(&p->changed);
}

// Lock held, entered.
static int wait_for_welcome(assent_participant *p, uint64_t until_ms, assent_error *error)
{
    bool in_time = true;
    while (!p->stats.connected && !p->closing && !p->failure.code && in_time)
        in_time = shell_cond_wait(&p->changed, &p->lock, until_ms);
    if (p->closing)
        return error_set(error, ASSENT_CLOSED, "the participant is being closed");
    if (p->failure.code)
        return error_set(error, p->failure.code, "%s", p->failure.message);
    if (!p->stats.connected)
        return error_set(error, ASSENT_UNAVAILABLE, "no coordinator welcomed %s at %s%s%s",
                         p->resource, p->place.endpoint, p->link_error.code ? ": " : "",
                         p->link_error.message);
    return ASSENT_OK;
}

int assent_participant_wait(assent_participant *p, int timeout_ms, assent_error *error)
{
    uint64_t until_ms = timeout_ms < 0 ? UINT64_MAX : shell_now().mono_ms + (uint64_t)timeout_ms;
    pthread_mutex_lock(&p->lock);
    int code = participant_enter(p, error);
    if (code == ASSENT_OK) {
        code = wait_for_welcome(p, until_ms, error);
        participant_leave(p);
    }
    pthread_mutex_unlock(&p->lock);
    return code;
}

static int working_error(const struct working *work, assent_error *error)
{
    if (work->code == ASSENT_STATE)
        return error_set(error, ASSENT_STATE, "%.*s/%u has ended or gone on here", work->gtid.size,
                         work->gtid.text, work->branch);
    if (work->code == ASSENT_BUSY)
        return error_set(error, ASSENT_BUSY, "this participant has all the branches it can hold");
    return error_set(error, work->code, "the participant has stopped");
}

static int work_report(assent_participant *p, struct working *work, assent_error *error)
{
    list_init(&work->link);
    pthread_mutex_lock(&p->lock);
    int code = participant_enter(p, error);
    if (code == ASSENT_OK) {
        list_append(&p->works, &work->link);
        engine_wake(p);
        while (!work->answered)
            pthread_cond_wait(&p->changed, &p->lock);
        if (work->code != ASSENT_OK)
            code = working_error(work, error);
        participant_leave(p);
    }
    pthread_mutex_unlock(&p->lock);
    return code;
}

int assent_participant_working(assent_participant *p, const char *gtid, uint16_t branch,
                               assent_error *error)
{
    struct working work = {.branch = branch};
    if (!gtid_from(slice_text(gtid), &work.gtid) || branch >= LIMIT_BRANCHES)
        return error_set(error, ASSENT_INVALID, "no gtid of a transaction, or no branch of one");
    return work_report(p, &work, error);
}

int assent_participant_held(assent_participant *p, const char *branch_id, assent_error *error)
{
    struct branch_record record;
    if (!branch_id || !branch_id_parse(branch_id, &record))
        return error_set(error, ASSENT_INVALID, "no id of a branch that could be held prepared");
    struct working work = {.gtid = record.gtid, .branch = record.branch, .held = &record};
    return work_report(p, &work, error);
}

void assent_participant_count(const assent_participant *p, assent_participant_counts *ret)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&p->lock;
    struct log_queue_stats log;
    log_queue_stats(p->log, &log);
    pthread_mutex_lock(lock);
    *ret = (assent_participant_counts){
        .in_doubt = p->stats.in_doubt,
        .unfinished = p->stats.branches - p->stats.finished,
        .prepared = p->stats.prepared,
        .committed = p->stats.committed,
        .rolled_back = p->stats.rolled_back,
        .voted_no = p->stats.voted_no,
        .read_only = p->stats.read_only,
        .records = log.puts,
        .syncs = log.syncs,
        .connected = p->stats.connected,
        .failed = p->failure.code,
    };
    pthread_mutex_unlock(lock);
}

int assent_participant_failure(const assent_participant *p, assent_error *ret)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&p->lock;
    pthread_mutex_lock(lock);
    int code = p->failure.code;
    if (code && ret)
        *ret = p->failure;
    pthread_mutex_unlock(lock);
    return code;
}

int assent_participant_fd(const assent_participant *p)
{
    return p->stop_bell;
}
