// SPDX-License-Identifier: Apache-2.0
#include "store/log_queue.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/logger.h"

enum {
    COLLECT_EVERY_PUTS = 64,  // while there is work, a slice of collecting after this many puts
    COLLECT_IDLE_MS = 1000,   // without work, at least so often
    BATCH_BYTES_MAX = 4 << 20 // keys and values of one batch
};

// A request on its way to the log thread; the answer on its way back, in the same memory.
struct item {
    struct item *next;
    struct log_answer answer;
    enum haste haste;
    struct store_put put; // key and value point behind the item
    bool open_only, newest_first;
    uint64_t from_seq;
    store_visit *visit;
};

struct item_list {
    struct item *first, *last;
};

struct log_queue {
    struct store *store;
    struct log_queue_options options;
    struct log_queue_crash crash;
    pthread_t thread;
    int fd;
    _Atomic uint64_t depth;
    _Atomic uint64_t horizon; // raised by hand
    atomic_bool failed;

    // the engine's
    struct item_list staged;
    uint32_t staged_ms; // how long what is staged may wait
    struct item_list answers;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    // under the lock
    struct item_list inbox;
    struct item_list outbox;
    uint64_t sleeps_until_ms; // the log thread, if nothing comes in; 0: it works
    bool stopping;
    assent_error error;
    struct log_queue_stats stats;

    // the log thread's
    struct item_list work;
    struct store_put *puts; // batch_max of them
    uint64_t work_since_ms; // when the oldest of the work came
    uint64_t puts_uncollected;
    bool unsynced; // a lazy put was written since the last sync
};

static void list_push(struct item_list *list, struct item *item)
{
    item->next = NULL;
    if (list->last)
        list->last->next = item;
    else
        list->first = item;
    list->last = item;
}

static struct item *list_pop(struct item_list *list)
{
    struct item *item = list->first;
    if (item)
        list->first = item->next;
    if (!list->first)
        list->last = NULL;
    return item;
}

static void list_move(struct item_list *to, struct item_list *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    *from = (struct item_list){0};
}

static void list_drop(struct item_list *list)
{
    for (struct item *item; (item = list_pop(list));) {
        log_answer_free(&item->answer);
        free(item);
    }
}

static void signal_engine(struct log_queue *self)
{
    uint64_t one = 1;
    ssize_t n = write(self->fd, &one, sizeof one);
    CHECK(n == sizeof one || errno == EAGAIN); // EAGAIN: it is readable as it is
}

// ---- the log thread ----

static void pass(int armed_at)
{
    if (armed_at >= 0 && crash_point_armed == armed_at)
        crash_point_passed((enum crash_point)armed_at);
}

static int write_synced(struct log_queue *self, size_t count, assent_error *error)
{
    pass(self->crash.before_write);
    int code;
    if (self->crash.after_write >= 0 && crash_point_armed == self->crash.after_write) {
        code = self->store->ops->apply(self->store, self->puts, count, false, error);
        if (code == ASSENT_OK)
            pass(self->crash.after_write);
        if (code == ASSENT_OK)
            code = self->store->ops->apply(self->store, NULL, 0, true, error);
    } else {
        code = self->store->ops->apply(self->store, self->puts, count, true, error);
    }
    if (code == ASSENT_OK)
        pass(self->crash.after_sync);
    return code;
}

// A chunk: the requests at the front of the work that are done together.
struct chunk {
    size_t items, puts;
    uint64_t bytes;
    enum haste haste; // of what is most urgent in it
    bool reads;
};

static struct chunk measure(const struct log_queue *self)
{
    struct chunk chunk = {.haste = HASTE_LAZY};
    for (const struct item *item = self->work.first; item; item = item->next) {
        if (chunk.puts == self->options.batch_max || chunk.items == 2 * self->options.batch_max ||
            chunk.bytes > BATCH_BYTES_MAX)
            break;
        chunk.items++;
        if (item->answer.op == LOG_PUT) {
            chunk.puts++;
            chunk.bytes += item->put.key.size + item->put.value.size;
            if (item->haste < chunk.haste)
                chunk.haste = item->haste;
        } else {
            chunk.reads = true;
        }
    }
    return chunk;
}

static int write_timed(struct log_queue *self, size_t count, assent_error *error)
{
    uint64_t began_ms = monotonic_ms();
    int code = write_synced(self, count, error);
    uint64_t took_ms = monotonic_ms() - began_ms;
    if (self->options.slow_ms && took_ms >= self->options.slow_ms)
        log_event(LOG_WARN, "slow_sync", KV("took_ms", took_ms), KV("records", count));
    return code;
}

static int write_chunk(struct log_queue *self, const struct chunk *chunk, assent_error *error)
{
    size_t count = 0, seen = 0;
    for (struct item *item = self->work.first; item && seen < chunk->items; item = item->next) {
        seen++;
        if (item->answer.op == LOG_PUT)
            self->puts[count++] = item->put;
    }
    // What a lookup tells leaves the process, so it must not rest on a lazy record.
    bool sync = chunk->haste < HASTE_LAZY || (chunk->reads && (count || self->unsynced));
    if (!count && !sync)
        return ASSENT_OK;
    int code = sync ? write_timed(self, count, error)
                    : self->store->ops->apply(self->store, self->puts, count, false, error);
    if (code == ASSENT_OK)
        self->unsynced = !sync;
    return code;
}

// Keeps what the store says of itself for the statistics.
static void note_store(struct log_queue *self, struct store_info *ret)
{
    struct store_info info;
    self->store->ops->info(self->store, &info);
    pthread_mutex_lock(&self->lock);
    self->stats.head_seq = info.head_seq;
    self->stats.base_seq = info.base_seq;
    self->stats.keys = info.keys;
    self->stats.open = info.open;
    pthread_mutex_unlock(&self->lock);
    if (ret)
        *ret = info;
}

static int read_one(struct log_queue *self, struct item *item, assent_error *error)
{
    struct log_answer *answer = &item->answer;
    const struct store_ops *ops = self->store->ops;
    if (answer->op == LOG_SCAN)
        return ops->scan(self->store, item->open_only, item->newest_first, item->from_seq,
                         item->visit, answer->scan, error);
    int code = ops->lookup(self->store, item->put.key, &answer->value, &answer->value_size, error);
    if (code != ASSENT_OK && code != ASSENT_UNKNOWN)
        return code;
    answer->code = code;
    return ASSENT_OK;
}

static int answer_chunk(struct log_queue *self, const struct chunk *chunk, struct item_list *ret,
                        assent_error *error)
{
    struct store_info info;
    size_t puts = 0;
    int code = ASSENT_OK;
    note_store(self, &info);
    for (size_t i = 0; i < chunk->items; i++) {
        struct item *item = list_pop(&self->work);
        list_push(ret, item);
        item->answer.head_seq = info.head_seq;
        item->answer.horizon = info.horizon;
        if (item->answer.op == LOG_PUT) {
            const struct store_put *put = &self->puts[puts++];
            item->answer.answer = put->answer;
            item->answer.value = put->standing;
            item->answer.value_size = put->standing_size;
        } else if (code == ASSENT_OK) {
            code = read_one(self, item, error);
        }
    }
    return code;
}

static void publish(struct log_queue *self, struct item_list *answers, const struct chunk *chunk,
                    bool synced)
{
    pthread_mutex_lock(&self->lock);
    bool was_empty = !self->outbox.first;
    list_move(&self->outbox, answers);
    self->stats.batches += chunk->puts ? 1 : 0;
    self->stats.syncs += synced ? 1 : 0;
    self->stats.puts += chunk->puts;
    self->stats.lookups += chunk->items - chunk->puts;
    self->stats.bytes += chunk->bytes;
    pthread_mutex_unlock(&self->lock);
    // The engine empties the outbox whenever it wakes, so only the first answer needs to wake it.
    if (was_empty)
        signal_engine(self);
}

static int do_chunk(struct log_queue *self, assent_error *error)
{
    struct chunk chunk = measure(self);
    struct item_list answers = {0};
    bool was_unsynced = self->unsynced;
    int code = write_chunk(self, &chunk, error);
    if (code != ASSENT_OK)
        return code;
    code = answer_chunk(self, &chunk, &answers, error);
    if (code != ASSENT_OK) {
        list_drop(&answers);
        return code;
    }
    self->puts_uncollected += chunk.puts;
    bool synced = !self->unsynced && (chunk.puts || was_unsynced);
    publish(self, &answers, &chunk, synced);
    return ASSENT_OK;
}

static int collect(struct log_queue *self, bool *ret_more, assent_error *error)
{
    uint64_t horizon = atomic_load(&self->horizon);
    if (self->options.horizon) {
        uint64_t asked = self->options.horizon(self->options.horizon_arg);
        horizon = asked > horizon ? asked : horizon;
    }
    *ret_more = false;
    int code = self->store->ops->collect(self->store, horizon, ret_more, error);
    if (code == ASSENT_OK)
        note_store(self, NULL);
    return code;
}

// While there is work: as much as what was written makes room for, so that the log keeps its
// length.
static int collect_between(struct log_queue *self, bool *ret_more, assent_error *error)
{
    int code = ASSENT_OK;
    *ret_more = true;
    while (code == ASSENT_OK && *ret_more && self->puts_uncollected >= COLLECT_EVERY_PUTS) {
        self->puts_uncollected -= COLLECT_EVERY_PUTS;
        code = collect(self, ret_more, error);
    }
    return code;
}

// Waits, at most until `until_ms`, for something to come in, and takes it.
static bool take_inbox(struct log_queue *self, uint64_t until_ms)
{
    struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
    pthread_mutex_lock(&self->lock);
    int waited = 0;
    self->sleeps_until_ms = until_ms;
    while (!self->inbox.first && !self->stopping && waited == 0)
        waited = pthread_cond_timedwait(&self->wake, &self->lock, &until);
    self->sleeps_until_ms = 0;
    bool idle = !self->work.first;
    list_move(&self->work, &self->inbox);
    bool stopping = self->stopping;
    pthread_mutex_unlock(&self->lock);
    if (idle && self->work.first)
        self->work_since_ms = monotonic_ms();
    return stopping;
}

// Lazy and patient records alone wait for company; everything else is done at once. Until when the
// work waits; 0: no longer.
static uint64_t waits_until_ms(const struct log_queue *self)
{
    struct chunk chunk = measure(self);
    if (chunk.haste == HASTE_NOW || chunk.reads || chunk.puts == self->options.batch_max ||
        chunk.bytes > BATCH_BYTES_MAX)
        return 0;
    uint64_t until_ms =
        self->work_since_ms +
        (chunk.haste == HASTE_LAZY ? self->options.lazy_ms : self->options.patient_ms);
    return monotonic_ms() < until_ms ? until_ms : 0;
}

static int work_until_stopped(struct log_queue *self, assent_error *error)
{
    bool stopping = false, more = false;
    int code = ASSENT_OK;
    while (code == ASSENT_OK && !(stopping && !self->work.first)) {
        uint64_t now = monotonic_ms(), until = now;
        if (!self->work.first)
            until = more || stopping ? now : now + COLLECT_IDLE_MS;
        else if (!stopping)
            until = waits_until_ms(self);
        stopping = take_inbox(self, until);
        if (!self->work.first) {
            if (!stopping)
                code = collect(self, &more, error);
            continue;
        }
        if (!stopping && waits_until_ms(self))
            continue;
        code = do_chunk(self, error);
        self->work_since_ms = monotonic_ms();
        if (code == ASSENT_OK)
            code = collect_between(self, &more, error);
    }
    if (code == ASSENT_OK && self->unsynced)
        code = self->store->ops->apply(self->store, NULL, 0, true, error);
    return code;
}

static void *log_thread(void *arg)
{
    struct log_queue *self = arg;
    assent_error error = {0};
    // An error ends the log for good: after a write or sync that failed, nobody knows what the disk
    // has, and trying again may be told that all is well when it is not.
    if (work_until_stopped(self, &error) != ASSENT_OK) {
        pthread_mutex_lock(&self->lock);
        self->error = error;
        pthread_mutex_unlock(&self->lock);
        atomic_store(&self->failed, true);
        signal_engine(self);
    }
    return NULL;
}

// ---- the engine ----

static int start_thread(struct log_queue *self)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, old; // signals are for the threads of the program
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = pthread_create(&self->thread, NULL, log_thread, self);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

struct log_queue *log_queue_new(struct store *store, const struct log_queue_options *options,
                                assent_error *error)
{
    struct log_queue *self = calloc(1, sizeof *self);
    if (!self)
        goto no_memory;
    self->store = store;
    self->options = *options;
    if (!self->options.batch_max)
        self->options.batch_max = LOG_BATCH_MAX;
    self->crash = options->crash ? *options->crash : (struct log_queue_crash){-1, -1, -1};
    self->puts = calloc(self->options.batch_max, sizeof *self->puts);
    self->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!self->puts || self->fd < 0)
        goto no_queue;
    if (start_thread(self) != 0)
        goto no_queue;
    return self;
no_queue:
    if (self->fd >= 0)
        close(self->fd);
    free(self->puts);
    free(self);
no_memory:
    error_set(error, ASSENT_NOMEM, "the log thread cannot be started");
    return NULL;
}

void log_queue_destroy(struct log_queue **self_p)
{
    struct log_queue *self = *self_p;
    if (!self)
        return;
    log_queue_flush(self);
    pthread_mutex_lock(&self->lock);
    self->stopping = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    self->store->ops->close(self->store);
    list_drop(&self->inbox);
    list_drop(&self->work);
    list_drop(&self->outbox);
    list_drop(&self->answers);
    pthread_cond_destroy(&self->wake);
    pthread_mutex_destroy(&self->lock);
    close(self->fd);
    free(self->puts);
    free(self);
    *self_p = NULL;
}

static struct item *stage(struct log_queue *self, enum log_op op, uint64_t token, size_t extra,
                          uint32_t patience_ms)
{
    struct item *item = calloc(1, sizeof *item + extra);
    if (!item)
        return NULL;
    if (!self->staged.first || patience_ms < self->staged_ms)
        self->staged_ms = patience_ms;
    item->answer.op = op;
    item->answer.token = token;
    list_push(&self->staged, item);
    atomic_fetch_add(&self->depth, 1);
    return item;
}

static struct slice copy_in(uint8_t *to, struct slice from)
{
    if (from.size)
        memcpy(to, from.data, from.size);
    return slice_of(to, from.size);
}

bool log_queue_put(struct log_queue *self, uint64_t token, const struct store_put *put,
                   enum haste haste)
{
    size_t value_size = put->forget ? 0 : put->value.size;
    uint32_t patience_ms = haste == HASTE_LAZY      ? self->options.lazy_ms
                           : haste == HASTE_PATIENT ? self->options.patient_ms
                                                    : 0;
    struct item *item = stage(self, LOG_PUT, token, put->key.size + value_size, patience_ms);
    if (!item)
        return false;
    uint8_t *room = (uint8_t *)(item + 1);
    item->haste = haste;
    item->put = *put;
    item->put.key = copy_in(room, put->key);
    item->put.value = copy_in(room + put->key.size, slice_of(put->value.data, value_size));
    item->put.standing = NULL;
    item->put.standing_size = 0;
    return true;
}

bool log_queue_lookup(struct log_queue *self, uint64_t token, struct slice key)
{
    struct item *item = stage(self, LOG_LOOKUP, token, key.size, 0);
    if (item)
        item->put.key = copy_in((uint8_t *)(item + 1), key);
    return item;
}

bool log_queue_scan(struct log_queue *self, uint64_t token, bool open_only, bool newest_first,
                    uint64_t from_seq, store_visit *visit, void *arg)
{
    struct item *item = stage(self, LOG_SCAN, token, 0, 0);
    if (!item)
        return false;
    item->open_only = open_only;
    item->newest_first = newest_first;
    item->from_seq = from_seq;
    item->visit = visit;
    item->answer.scan = arg;
    return true;
}

void log_queue_flush(struct log_queue *self)
{
    if (!self->staged.first)
        return;
    // What can wait until the thread looks by itself does not wake it.
    uint64_t due_ms = self->staged_ms ? monotonic_ms() + self->staged_ms : 0;
    pthread_mutex_lock(&self->lock);
    list_move(&self->inbox, &self->staged);
    bool wake = self->sleeps_until_ms > due_ms;
    pthread_mutex_unlock(&self->lock);
    if (wake)
        pthread_cond_signal(&self->wake);
}

int log_queue_fd(const struct log_queue *self)
{
    return self->fd;
}

bool log_queue_next(struct log_queue *self, struct log_answer *ret)
{
    if (!self->answers.first) {
        // Cleared before the outbox is emptied: what comes after that signals anew.
        uint64_t count;
        if (read(self->fd, &count, sizeof count) < 0)
            CHECK(errno == EAGAIN || errno == EINTR);
        if (atomic_load(&self->failed))
            signal_engine(self); // stays readable for ever
        pthread_mutex_lock(&self->lock);
        list_move(&self->answers, &self->outbox);
        pthread_mutex_unlock(&self->lock);
    }
    struct item *item = list_pop(&self->answers);
    if (!item)
        return false;
    *ret = item->answer;
    free(item);
    atomic_fetch_sub(&self->depth, 1);
    return true;
}

void log_answer_free(struct log_answer *answer)
{
    free(answer->value);
    answer->value = NULL;
    answer->value_size = 0;
}

bool log_queue_failed(const struct log_queue *self, assent_error *ret)
{
    if (!atomic_load(&self->failed))
        return false;
    if (ret)
        *ret = self->error; // written before `failed`, never after
    return true;
}

void log_queue_horizon(struct log_queue *self, uint64_t horizon)
{
    uint64_t old = atomic_load(&self->horizon);
    while (old < horizon && !atomic_compare_exchange_weak(&self->horizon, &old, horizon))
        ;
}

void log_queue_stats(const struct log_queue *self, struct log_queue_stats *ret)
{
    struct log_queue *inside = (struct log_queue *)self;
    pthread_mutex_lock(&inside->lock);
    *ret = inside->stats;
    pthread_mutex_unlock(&inside->lock);
    ret->depth = atomic_load(&self->depth);
}
