// SPDX-License-Identifier: Apache-2.0
// What every store does, whatever lies behind it.
#include "shelf.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/rng.h"

static void a_new_store_has_an_identity(void **state)
{
    struct store_info info = shelf_info(*state);
    assert_int_not_equal(info.id, 0);
    assert_true(info.id < UINT64_C(1) << 40);
    assert_true(info.secret[0] || info.secret[1]);
    assert_int_equal(info.incarnation, 1);
    assert_int_equal(info.opened_ms, 1000);
    assert_int_equal(info.head_seq, 1);
    assert_int_equal(info.keys, 0);
    assert_string_equal(info.recovered, "");
    assert_string_equal(shelf_list(*state, false, false, 0), "");
}

static void it_keeps_its_identity_and_counts_its_opens(void **state)
{
    struct shelf *shelf = *state;
    struct store_info before = shelf_info(shelf);
    shelf_put(shelf, "a", "1", SHELF_OPEN, 0);
    shelf_reopen(shelf);
    struct store_info after = shelf_info(shelf);
    assert_int_equal(after.id, before.id);
    assert_memory_equal(after.secret, before.secret, sizeof after.secret);
    assert_int_equal(after.incarnation, 2);
    assert_int_equal(after.opened_ms, 2000);
    assert_int_equal(after.head_seq, 3);
    assert_int_equal(after.keys, 1);
    assert_int_equal(after.open, 1);
    assert_string_equal(shelf_value(shelf, "a"), "1");
}

static void an_identity_can_be_given(void **state)
{
    const struct shelf *other = *state;
    struct shelf *shelf = shelf_new(other->dir, 77);
    assert_int_equal(shelf_info(shelf).id, 77);
    shelf_destroy(shelf);
}

static void it_is_not_made_unasked(void **state)
{
    struct shelf *shelf = *state;
    struct store_options options = {.create = false};
    struct store *store = NULL;
    assent_error error;
    int code;
    if (shelf->dir) {
        char *dir = unit_dir_make();
        code = store_open_leveldb(dir, &options, &store, &error);
        unit_dir_remove(&dir);
    } else {
        struct memory_disk *disk = memory_disk_new();
        code = store_open_memory(disk, &options, &store, &error);
        memory_disk_destroy(&disk);
    }
    assert_int_equal(code, ASSENT_IO);
    assert_null(store);
}

static void the_newest_record_of_a_key_stands(void **state)
{
    struct shelf *shelf = *state;
    assert_null(shelf_value(shelf, "a"));
    assert_int_equal(shelf_put(shelf, "a", "1", 0, 0), STORE_STANDS);
    assert_int_equal(shelf_put(shelf, "b", "", 0, 0), STORE_STANDS);
    assert_int_equal(shelf_put(shelf, "a", "2", 0, 0), STORE_STANDS);
    assert_string_equal(shelf_value(shelf, "a"), "2");
    assert_string_equal(shelf_value(shelf, "b"), "");
    assert_null(shelf_value(shelf, "ab"));
    shelf_reopen(shelf);
    assert_string_equal(shelf_value(shelf, "a"), "2");
}

static void a_decision_is_written_once(void **state)
{
    struct shelf *shelf = *state;
    unsigned decide = SHELF_DECIDE | SHELF_DECIDED;
    assert_int_equal(shelf_put(shelf, "a", "commit", decide, 0), STORE_STANDS);
    uint64_t head = shelf_info(shelf).head_seq;
    assert_int_equal(shelf_put(shelf, "a", "abort", decide, 0), STORE_OTHER);
    assert_string_equal(shelf->text, "commit");
    assert_int_equal(shelf_info(shelf).head_seq, head);
    shelf_reopen(shelf);
    assert_int_equal(shelf_put(shelf, "a", "abort", decide, 0), STORE_OTHER);
    assert_string_equal(shelf_value(shelf, "a"), "commit");
}

static void it_stays_decided_whatever_is_recorded_later(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "commit", SHELF_DECIDE | SHELF_DECIDED, 0);
    assert_int_equal(shelf_put(shelf, "a", "ended", 0, 0), STORE_STANDS);
    assert_int_equal(shelf_put(shelf, "a", "abort", SHELF_DECIDE, 0), STORE_OTHER);
    assert_string_equal(shelf->text, "ended");
}

static void what_is_not_decided_can_be(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "delegated", SHELF_DECIDE | SHELF_OPEN, 0);
    assert_int_equal(shelf_put(shelf, "a", "commit", SHELF_DECIDE | SHELF_DECIDED, 0),
                     STORE_STANDS);
    assert_int_equal(shelf_put(shelf, "a", "abort", SHELF_DECIDE | SHELF_DECIDED, 0), STORE_OTHER);
    assert_int_equal(shelf_info(shelf).open, 0);
}

static void what_is_forgotten_is_gone(void **state)
{
    struct shelf *shelf = *state;
    unsigned decide = SHELF_DECIDE | SHELF_DECIDED;
    shelf_put(shelf, "a", "commit", decide | SHELF_OPEN, 0);
    assert_int_equal(shelf_put(shelf, "a", "", SHELF_FORGET | SHELF_OPEN, 0), STORE_STANDS);
    assert_int_equal(shelf_put(shelf, "b", "", SHELF_FORGET, 0), STORE_STANDS);
    assert_null(shelf_value(shelf, "a"));
    assert_int_equal(shelf_info(shelf).keys, 0);
    assert_int_equal(shelf_info(shelf).open, 0);
    shelf_reopen(shelf);
    assert_null(shelf_value(shelf, "a"));
    assert_string_equal(shelf_list(shelf, false, false, 0), "");
    assert_int_equal(shelf_put(shelf, "a", "abort", decide, 0), STORE_STANDS);
    assert_string_equal(shelf_value(shelf, "a"), "abort");
}

static void the_puts_of_a_batch_see_each_other(void **state)
{
    struct shelf *shelf = *state;
    unsigned decide = SHELF_DECIDE | SHELF_DECIDED;
    struct store_put puts[] = {
        shelf_a_put("a", "commit", decide, 0),   shelf_a_put("a", "abort", decide, 0),
        shelf_a_put("b", "1", SHELF_OPEN, 0),    shelf_a_put("b", "2", 0, 0),
        shelf_a_put("c", "commit", decide, 0),   shelf_a_put("c", "", SHELF_FORGET, 0),
        shelf_a_put("c", "abort", decide, 0),    shelf_a_put("d", "", SHELF_FORGET, 0),
        shelf_a_put("d", "open", SHELF_OPEN, 0),
    };
    enum { COUNT = sizeof puts / sizeof *puts };
    assert_int_equal(shelf->store->ops->apply(shelf->store, puts, COUNT, true, NULL), ASSENT_OK);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(puts[i].answer, i == 1 ? STORE_OTHER : STORE_STANDS);
    assert_int_equal(puts[1].standing_size, 6);
    assert_memory_equal(puts[1].standing, "commit", 6);
    free(puts[1].standing);
    for (int again = 0; again < 2; again++) {
        assert_string_equal(shelf_list(shelf, false, false, 0), "a=commit b=2 c=abort d*=open");
        assert_int_equal(shelf_info(shelf).keys, 4);
        assert_int_equal(shelf_info(shelf).open, 1);
        shelf_reopen(shelf);
    }
}

static void scans_go_either_way_from_anywhere(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "1", SHELF_OPEN, 0); // 2
    shelf_put(shelf, "b", "1", 0, 0);          // 3
    shelf_put(shelf, "c", "1", SHELF_OPEN, 0); // 4
    shelf_put(shelf, "a", "2", SHELF_OPEN, 0); // 5
    shelf_put(shelf, "d", "1", 0, 0);          // 6
    assert_string_equal(shelf_list(shelf, false, false, 0), "b=1 c*=1 a*=2 d=1");
    assert_string_equal(shelf_list(shelf, false, true, 0), "d=1 a*=2 c*=1 b=1");
    assert_string_equal(shelf_list(shelf, true, false, 0), "c*=1 a*=2");
    assert_string_equal(shelf_list(shelf, true, true, 0), "a*=2 c*=1");
    assert_string_equal(shelf_list(shelf, false, false, 4), "c*=1 a*=2 d=1");
    assert_string_equal(shelf_list(shelf, false, true, 4), "c*=1 b=1");
    assert_string_equal(shelf_list(shelf, false, false, 2), "b=1 c*=1 a*=2 d=1");
    assert_string_equal(shelf_list(shelf, false, true, 2), "");
    assert_string_equal(shelf_list(shelf, false, false, 7), "");
    assert_string_equal(shelf_list(shelf, false, true, UINT64_MAX), "d=1 a*=2 c*=1 b=1");
    assert_string_equal(shelf_list(shelf, false, false, UINT64_MAX), "");
}

static int stop_at_second(void *arg, const struct store_record *record)
{
    uint64_t *seen = arg;
    *seen = *seen * 100 + record->seq;
    return *seen > 100;
}

static void a_scan_ends_when_the_visitor_says_so(void **state)
{
    struct shelf *shelf = *state;
    uint64_t seen = 0;
    shelf_put(shelf, "a", "1", 0, 0);
    shelf_put(shelf, "b", "1", 0, 0);
    shelf_put(shelf, "c", "1", 0, 0);
    assert_int_equal(
        shelf->store->ops->scan(shelf->store, false, false, 0, stop_at_second, &seen, NULL),
        ASSENT_OK);
    assert_int_equal(seen, 203);
}

static void what_is_not_synced_is_not_called_durable(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "1", SHELF_LAZY, 0);
    assert_int_equal(shelf_info(shelf).head_seq, 1);
    assert_string_equal(shelf_value(shelf, "a"), "1");
    assert_int_equal(shelf->store->ops->apply(shelf->store, NULL, 0, true, NULL), ASSENT_OK);
    assert_int_equal(shelf_info(shelf).head_seq, 2);
    shelf_put(shelf, "b", "1", SHELF_LAZY, 0);
    shelf_put(shelf, "c", "1", 0, 0);
    assert_int_equal(shelf_info(shelf).head_seq, 4);
}

static void what_was_told_to_stand_is_durable(void **state)
{
    struct shelf *shelf = *state;
    unsigned decide = SHELF_DECIDE | SHELF_DECIDED;
    shelf_put(shelf, "a", "abort", decide | SHELF_LAZY, 0);
    assert_int_equal(shelf_put(shelf, "a", "commit", decide, 0), STORE_OTHER);
    assert_int_equal(shelf_info(shelf).head_seq, 2);
}

static void bad_puts_are_refused_and_nothing_is_written(void **state)
{
    struct shelf *shelf = *state;
    char *large = calloc(1, LIMIT_RECORD_BYTES + 1);
    char key[LIMIT_KEY_BYTES + 1];
    memset(key, 'k', sizeof key);
    struct store_put puts[] = {
        shelf_a_put("good", "1", 0, 0),
        shelf_a_put("", "1", 0, 0),
    };
    const struct {
        struct slice key, value;
        int code;
    } bad[] = {
        {slice_text(""), slice_text("1"), ASSENT_INVALID},
        {slice_of("a\0b", 3), slice_text("1"), ASSENT_INVALID},
        {slice_of(key, LIMIT_KEY_BYTES + 1), slice_text("1"), ASSENT_INVALID},
        {slice_text("a"), slice_of(large, LIMIT_RECORD_BYTES + 1), ASSENT_LIMIT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assent_error error = {0};
        puts[1].key = bad[i].key;
        puts[1].value = bad[i].value;
        assert_int_equal(shelf->store->ops->apply(shelf->store, puts, 2, true, &error),
                         bad[i].code);
        assert_int_equal(error.code, bad[i].code);
        assert_null(shelf_value(shelf, "good"));
    }
    free(large);
}

static void the_largest_record_fits(void **state)
{
    struct shelf *shelf = *state;
    uint8_t *large = malloc(LIMIT_RECORD_BYTES), *read;
    size_t size;
    char key[LIMIT_KEY_BYTES];
    memset(key, 'k', sizeof key);
    memset(large, 0xa5, LIMIT_RECORD_BYTES);
    struct store_put put = {.key = slice_of(key, sizeof key),
                            .value = slice_of(large, LIMIT_RECORD_BYTES)};
    assert_int_equal(shelf->store->ops->apply(shelf->store, &put, 1, true, NULL), ASSENT_OK);
    shelf_reopen(shelf);
    assert_int_equal(shelf->store->ops->lookup(shelf->store, put.key, &read, &size, NULL),
                     ASSENT_OK);
    assert_int_equal(size, LIMIT_RECORD_BYTES);
    assert_memory_equal(read, large, size);
    free(read);
    free(large);
}

// ---- agreement with a model ----

enum { KEYS = 40, STEPS = 4000 };

struct entry {
    bool there, open, decided;
    unsigned value;
    uint64_t stamp;
};

struct model {
    struct shelf *shelf;
    struct rng rng;
    struct entry entries[KEYS];
    uint64_t stamp; // of the last put
    uint64_t horizon;
};

static void check_key(struct model *m, int at)
{
    char key[16], value[16];
    struct entry *e = &m->entries[at];
    snprintf(key, sizeof key, "key%d", at);
    snprintf(value, sizeof value, "%u", e->value);
    const char *found = shelf_value(m->shelf, key);
    // Closed and past the horizon: it may be there or not.
    if (e->there && !e->open && e->stamp < m->horizon && !found)
        e->there = false;
    if (e->there)
        assert_string_equal(found, value);
    else
        assert_null(found);
}

static void check_all(struct model *m)
{
    uint64_t keys = 0, open = 0;
    for (int i = 0; i < KEYS; i++) {
        check_key(m, i);
        keys += m->entries[i].there;
        open += m->entries[i].there && m->entries[i].open;
    }
    assert_int_equal(shelf_info(m->shelf).keys, keys);
    assert_int_equal(shelf_info(m->shelf).open, open);
}

static void random_put(struct model *m, unsigned value)
{
    char key[16], text[16];
    int at = (int)rng_below(&m->rng, KEYS);
    check_key(m, at);
    struct entry *e = &m->entries[at], was = *e;
    unsigned flags = (unsigned)rng_below(&m->rng, 8);
    if (rng_below(&m->rng, 6) == 0)
        flags = SHELF_FORGET;
    if (rng_below(&m->rng, 3) == 0)
        flags |= SHELF_LAZY;
    m->stamp += rng_below(&m->rng, 3);
    snprintf(key, sizeof key, "key%d", at);
    snprintf(text, sizeof text, "%u", value);
    enum store_answer answer = shelf_put(m->shelf, key, text, flags, m->stamp);
    if (was.there && was.decided && (flags & SHELF_DECIDE)) {
        snprintf(text, sizeof text, "%u", was.value);
        assert_int_equal(answer, STORE_OTHER);
        assert_string_equal(m->shelf->text, text);
        return;
    }
    assert_int_equal(answer, STORE_STANDS);
    *e = (struct entry){.there = !(flags & SHELF_FORGET),
                        .open = flags & SHELF_OPEN,
                        .decided = (flags & SHELF_DECIDED) || (was.there && was.decided),
                        .value = value,
                        .stamp = m->stamp};
}

static void agrees_with_a_model(void **state)
{
    struct model m = {.shelf = *state};
    rng_seed(&m.rng, 11);
    for (unsigned step = 1; step <= STEPS; step++) {
        switch (rng_below(&m.rng, 100)) {
        case 0: shelf_reopen(m.shelf); break;
        case 1:
        case 2:
            m.horizon = m.stamp > 50 ? m.stamp - 50 : 0;
            shelf_collect(m.shelf, m.horizon);
            break;
        case 3: check_all(&m); break;
        default: random_put(&m, step); break;
        }
    }
    shelf_reopen(m.shelf);
    check_all(&m);
    assert_true(shelf_info(m.shelf).base_seq > STEPS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHELF_ON_BOTH(a_new_store_has_an_identity),
        SHELF_ON_BOTH(it_keeps_its_identity_and_counts_its_opens),
        SHELF_ON_BOTH(an_identity_can_be_given),
        SHELF_ON_BOTH(it_is_not_made_unasked),
        SHELF_ON_BOTH(the_newest_record_of_a_key_stands),
        SHELF_ON_BOTH(a_decision_is_written_once),
        SHELF_ON_BOTH(it_stays_decided_whatever_is_recorded_later),
        SHELF_ON_BOTH(what_is_not_decided_can_be),
        SHELF_ON_BOTH(what_is_forgotten_is_gone),
        SHELF_ON_BOTH(the_puts_of_a_batch_see_each_other),
        SHELF_ON_BOTH(scans_go_either_way_from_anywhere),
        SHELF_ON_BOTH(a_scan_ends_when_the_visitor_says_so),
        SHELF_ON_BOTH(what_is_not_synced_is_not_called_durable),
        SHELF_ON_BOTH(what_was_told_to_stand_is_durable),
        SHELF_ON_BOTH(bad_puts_are_refused_and_nothing_is_written),
        SHELF_ON_BOTH(the_largest_record_fits),
        SHELF_ON_BOTH(agrees_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
