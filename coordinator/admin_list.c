// SPDX-License-Identifier: Apache-2.0
// Lists in pages. What is in memory is walked on the engine's thread with the core's own cursor;
// what has ended is scanned on the log thread, from a sequence number; participants and foreign
// branches are few enough to be sorted anew for each page, so that their cursor is a name.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin_internal.h"

enum { CURSOR_BYTES = 192 };

bool page_init(struct page *page, uint32_t limit)
{
    *page = (struct page){.rows = json_array(), .limit = limit};
    return page->rows;
}

void page_free(struct page *page)
{
    json_decref(page->rows);
    page->rows = NULL;
}

bool page_open(struct page *page)
{
    return !page->failed && json_array_size(page->rows) < page->limit &&
           page->visits++ < ADMIN_PAGE_VISITS;
}

bool page_add(struct page *page, json_t *row)
{
    page->failed = json_array_append_new(page->rows, row) != 0;
    return !page->failed;
}

// Answers with the page under `key`, and takes its rows. Cursor: NULL at the end.
static void page_reply(struct admin *self, const struct request *to, const char *key,
                       struct page *page, const char *cursor)
{
    struct object o = object_new();
    o.failed = o.failed || page->failed;
    object_set(&o, key, page->rows);
    page->rows = NULL;
    object_set(&o, "next", cursor ? json_string(cursor) : json_null());
    admin_reply(self, to->peer, to->id, to->verb, ASSENT_OK, object_take(&o));
}

static struct request request_of(const struct call *call)
{
    return (struct request){.peer = call->caller->peer, .id = call->id, .verb = call->verb};
}

// ---- arguments ----

static bool call_limit(const struct call *call, uint32_t *ret)
{
    uint64_t limit;
    if (!call_ms(call, "limit", &limit))
        return false;
    *ret = limit == 0 || limit > ADMIN_PAGE_ROWS ? ADMIN_PAGE_ROWS : (uint32_t)limit;
    return true;
}

static bool call_number_cursor(const struct call *call, uint64_t *ret)
{
    struct slice text;
    *ret = 0;
    if (!call_text(call, "cursor", CURSOR_BYTES, &text))
        return false;
    if (text.size == 0)
        return true;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text.data, &end, 10);
    if (errno || *end != '\0' || *(const char *)text.data < '0' || *(const char *)text.data > '9') {
        call_fail(call, ASSENT_INVALID, "that cursor was not given by this verb");
        return false;
    }
    *ret = number;
    return true;
}

static bool state_bit(const char *name, unsigned *bits)
{
    enum admin_state state;
    if (!admin_state_parse(name, &state))
        return false;
    *bits |= 1u << state;
    return true;
}

static bool outcome_bit(const char *name, unsigned *bits)
{
    enum admin_outcome outcome;
    if (!admin_outcome_parse(name, &outcome))
        return false;
    *bits |= 1u << outcome;
    return true;
}

static bool protocol_bit(const char *name, unsigned *bits)
{
    for (unsigned protocol = PROTOCOL_2PC; protocol <= PROTOCOL_MESSAGE; protocol++) {
        if (strcmp(protocol_name((enum protocol)protocol), name) != 0)
            continue;
        *bits |= 1u << protocol;
        return true;
    }
    return false;
}

static bool call_words(const struct call *call, const char *key,
                       bool (*bit)(const char *name, unsigned *bits), unsigned *ret)
{
    *ret = 0;
    const json_t *words = json_object_get(call->args, key), *word;
    size_t i;
    if (words && !json_is_null(words) && !json_is_array(words)) {
        call_fail(call, ASSENT_INVALID, "'%s' is not an array", key);
        return false;
    }
    json_array_foreach(words, i, word)
    {
        if (!json_is_string(word) || !bit(json_string_value(word), ret)) {
            call_fail(call, ASSENT_INVALID, "'%s' has a word that is none", key);
            return false;
        }
    }
    return true;
}

static bool call_filter(const struct call *call, struct filter *f)
{
    struct slice participant;
    *f = (struct filter){0};
    if (!call_words(call, "states", state_bit, &f->states) ||
        !call_words(call, "outcomes", outcome_bit, &f->outcomes) ||
        !call_words(call, "protocols", protocol_bit, &f->protocols) ||
        !call_text(call, "participant", LIMIT_NAME_BYTES, &participant) ||
        !call_ms(call, "older_ms", &f->older_ms) || !call_ms(call, "younger_ms", &f->younger_ms) ||
        !call_bool(call, "in_doubt", &f->in_doubt) || !call_bool(call, "mixed", &f->mixed))
        return false;
    memcpy(f->participant_text, participant.data, participant.size);
    f->participant = slice_of(f->participant_text, participant.size);
    return true;
}

// ---- filters ----

static bool filter_age(const struct filter *f, uint64_t since_ms, uint64_t wall_ms)
{
    uint64_t age_ms = wall_ms > since_ms ? wall_ms - since_ms : 0;
    return age_ms >= f->older_ms && (f->younger_ms == 0 || age_ms <= f->younger_ms);
}

static bool filter_participant(const struct filter *f, const struct tx_record *record)
{
    if (f->participant.size == 0)
        return true;
    for (unsigned i = 0; i < record->branch_count; i++)
        if (slice_equal(record->branches[i].resource, f->participant))
            return true;
    return false;
}

static bool filter_protocol(const struct filter *f, const struct tx_record *record)
{
    return f->protocols == 0 || f->protocols & 1u << record->protocol;
}

static bool filter_view(const struct filter *f, const struct tx_view *view, struct now now)
{
    return (f->states == 0 || f->states & 1u << admin_state_of(view)) &&
           filter_age(f, view->record.started_ms, now.wall_ms) &&
           (!f->in_doubt || admin_in_doubt(view)) && (!f->mixed || view->record.mixed) &&
           filter_protocol(f, &view->record) && filter_participant(f, &view->record);
}

static bool filter_record(const struct filter *f, const struct tx_record *record, struct now now)
{
    return record->stage == STAGE_ENDED &&
           (f->outcomes == 0 || f->outcomes & 1u << admin_outcome_of(record)) &&
           filter_age(f, record->ended_ms, now.wall_ms) && filter_protocol(f, record) &&
           filter_participant(f, record);
}

// ---- in memory ----

void admin_list(const struct call *call)
{
    const struct admin_host *host = &call->admin->host;
    struct filter filter;
    struct page page;
    uint64_t from;
    uint32_t limit;
    if (!call_filter(call, &filter) || !call_number_cursor(call, &from) ||
        !call_limit(call, &limit))
        return;
    if (!page_init(&page, limit)) {
        call_reply(call, ASSENT_NOMEM, NULL);
        return;
    }
    struct now now = host->now(host->arg);
    size_t cursor = (size_t)from;
    bool more = true;
    struct gtid gtid;
    struct tx_view view;
    while (page_open(&page)) {
        more = coordinator_next(host->core, &cursor, &gtid);
        if (!more)
            break;
        if (!coordinator_view(host->core, &gtid, &view) || !filter_view(&filter, &view, now))
            continue;
        page_add(&page, admin_view_json(&view, false, now));
    }
    char text[CURSOR_BYTES];
    snprintf(text, sizeof text, "%zu", cursor);
    struct request to = request_of(call);
    page_reply(call->admin, &to, "transactions", &page, more ? text : NULL);
}

// ---- ended: from the log ----

void finished_free(struct finished **self_p)
{
    if (*self_p) {
        page_free(&(*self_p)->page);
        free(*self_p);
        *self_p = NULL;
    }
}

// On the log thread.
static int finished_visit(void *arg, const struct store_record *record)
{
    struct finished *f = arg;
    struct tx_record_storage storage;
    struct tx_record tx;
    f->next_seq = record->seq;
    if (!page_open(&f->page))
        return 1;
    if (record_decode_tx(record->value, &storage, &tx, &f->error) != ASSENT_OK)
        return 1;
    if (filter_record(&f->filter, &tx, f->now) &&
        !page_add(&f->page, admin_record_json(&tx, false, f->now)))
        return 1;
    f->next_seq = 0;
    return 0;
}

void admin_finished(const struct call *call)
{
    const struct admin_host *host = &call->admin->host;
    struct filter filter;
    uint64_t from_seq;
    uint32_t limit;
    if (!call_filter(call, &filter) || !call_number_cursor(call, &from_seq) ||
        !call_limit(call, &limit))
        return;
    struct request *request = call_wait(call, REQUEST_FINISHED);
    if (!request)
        return;
    struct finished *f = request->finished = calloc(1, sizeof *f);
    if (f && page_init(&f->page, limit)) {
        f->now = host->now(host->arg);
        f->filter = filter;
        f->filter.participant.data = f->filter.participant_text;
        if (host->scan(host->arg, request->token, from_seq, finished_visit, f))
            return;
    }
    call_reply(call, ASSENT_NOMEM, NULL);
    request_free(call->admin, request);
}

void admin_finished_done(struct admin *self, struct request *request,
                         const struct log_answer *answer)
{
    struct finished *f = request->finished;
    int code = f->error.code != ASSENT_OK ? f->error.code : answer->code;
    if (code != ASSENT_OK) {
        admin_fail(self, request->peer, request->id, request->verb, code,
                   "the log could not be read: %s",
                   f->error.code ? f->error.message : assent_code_text(code));
        return;
    }
    char text[CURSOR_BYTES];
    snprintf(text, sizeof text, "%llu", (unsigned long long)f->next_seq);
    page_reply(self, request, "transactions", &f->page, f->next_seq ? text : NULL);
}

// ---- few enough to be sorted ----

// One row to come, and where it stands in the order.
struct sorted {
    char key[CURSOR_BYTES];
    union {
        struct participant_view participant;
        struct foreign_view foreign;
    } view;
};

struct sorter {
    struct sorted *items;
    size_t count, capacity;
};

static struct sorted *sorter_add(struct sorter *s)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 64;
        struct sorted *items = realloc(s->items, capacity * sizeof *items);
        if (!items)
            return NULL;
        s->items = items;
        s->capacity = capacity;
    }
    return &s->items[s->count++];
}

static int sorted_compare(const void *a, const void *b)
{
    return strcmp(((const struct sorted *)a)->key, ((const struct sorted *)b)->key);
}

// Answers with those whose key is past the cursor, in order, as far as a page goes.
static void sorter_reply(const struct call *call, struct sorter *s, const char *key, uint32_t limit,
                         json_t *(*row)(const struct sorted *item, struct now now))
{
    struct admin *self = call->admin;
    struct page page;
    if (!page_init(&page, limit)) {
        call_reply(call, ASSENT_NOMEM, NULL);
        return;
    }
    if (s->count > 0)
        qsort(s->items, s->count, sizeof *s->items, sorted_compare);
    struct now now = self->host.now(self->host.arg);
    size_t i = 0;
    while (i < s->count && page_open(&page) && page_add(&page, row(&s->items[i], now)))
        i++;
    struct request to = request_of(call);
    page_reply(self, &to, key, &page, i > 0 && i < s->count ? s->items[i - 1].key : NULL);
}

// The cursor as the key of the last row of the page before.
static bool call_key_cursor(const struct call *call, char ret[CURSOR_BYTES])
{
    struct slice text;
    if (!call_text(call, "cursor", CURSOR_BYTES - 1, &text))
        return false;
    memcpy(ret, text.data, text.size);
    ret[text.size] = '\0';
    return true;
}

static json_t *participant_row(const struct sorted *item, struct now now)
{
    return admin_participant_json(&item->view.participant, now);
}

static json_t *foreign_row(const struct sorted *item, struct now now)
{
    return admin_foreign_json(&item->view.foreign, now);
}

void admin_participants(const struct call *call)
{
    struct sorter sorter = {0};
    struct participant_view view;
    char after[CURSOR_BYTES], key[CURSOR_BYTES];
    uint32_t limit;
    if (!call_key_cursor(call, after) || !call_limit(call, &limit))
        return;
    for (size_t cursor = 0; coordinator_next_participant(call->admin->host.core, &cursor, &view);) {
        snprintf(key, sizeof key, "%.*s", (int)view.resource.size,
                 (const char *)view.resource.data);
        if (strcmp(key, after) <= 0)
            continue;
        struct sorted *item = sorter_add(&sorter);
        if (!item) {
            call_reply(call, ASSENT_NOMEM, NULL);
            goto done;
        }
        memcpy(item->key, key, sizeof key);
        item->view.participant = view;
    }
    sorter_reply(call, &sorter, "participants", limit, participant_row);
done:
    free(sorter.items);
}

void admin_foreign(const struct call *call)
{
    struct sorter sorter = {0};
    struct foreign_view view;
    char after[CURSOR_BYTES], key[CURSOR_BYTES];
    uint32_t limit;
    if (!call_key_cursor(call, after) || !call_limit(call, &limit))
        return;
    for (size_t cursor = 0; coordinator_next_foreign(call->admin->host.core, &cursor, &view);) {
        snprintf(key, sizeof key, "%.*s/%05u/%.*s", view.gtid.size, view.gtid.text,
                 (unsigned)view.branch, (int)view.resource.size, (const char *)view.resource.data);
        if (strcmp(key, after) <= 0)
            continue;
        struct sorted *item = sorter_add(&sorter);
        if (!item) {
            call_reply(call, ASSENT_NOMEM, NULL);
            goto done;
        }
        memcpy(item->key, key, sizeof key);
        item->view.foreign = view;
    }
    sorter_reply(call, &sorter, "foreign", limit, foreign_row);
done:
    free(sorter.items);
}
