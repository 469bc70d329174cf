// SPDX-License-Identifier: Apache-2.0
// The state table of the TX specification: each function is called in each state, and has to be
// refused, or to lead where the table says, with every code that it can return there.
#include <assent/tx_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tx.h>

#include "tx_states.h"
#include "tx_world.h"

static int setup(void **state)
{
    (void)state;
    world_open(2, "");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (tx_info(NULL) == 1) { // after a test that failed
        tx_set_transaction_control(TX_UNCHAINED);
        tx_rollback();
    }
    tx_close();
    world_close();
    return 0;
}

// Where the thread is, by what tx_info tells.
static enum tx_state state_now(void)
{
    TXINFO info;
    int code = tx_info(&info);
    if (code == TX_PROTOCOL_ERROR)
        return TX_S0;
    assert_in_range(code, 0, 1);
    assert_int_equal(info.xid.formatID == -1, code == 0);
    bool chained = info.transaction_control == TX_CHAINED;
    return code == 1 ? (chained ? TX_S4 : TX_S3) : (chained ? TX_S2 : TX_S1);
}

static void go_to(enum tx_state state)
{
    if (state != TX_S0)
        assert_int_equal(tx_open(), TX_OK);
    if (tx_chained(state))
        assert_int_equal(tx_set_transaction_control(TX_CHAINED), TX_OK);
    if (tx_in_transaction(state))
        assert_int_equal(tx_begin(), TX_OK);
    assert_int_equal(state_now(), state);
    recorded();
}

static void go_home(void)
{
    if (tx_in_transaction(state_now())) {
        tx_set_transaction_control(TX_UNCHAINED);
        assert_int_equal(tx_rollback(), TX_OK);
    }
    assert_int_equal(tx_close(), TX_OK);
    assert_int_equal(state_now(), TX_S0);
    assert_int_equal(opens(0) + opens(1), 0);
    world_settle();
}

static int call(enum tx_row row)
{
    switch (row) {
    case TX_ROW_BEGIN: return tx_begin();
    case TX_ROW_CLOSE: return tx_close();
    case TX_ROW_COMMIT:
    case TX_ROW_COMMIT_NO_BEGIN: return tx_commit();
    case TX_ROW_INFO: return tx_info(NULL);
    case TX_ROW_OPEN: return tx_open();
    case TX_ROW_ROLLBACK:
    case TX_ROW_ROLLBACK_NO_BEGIN: return tx_rollback();
    case TX_ROW_SET_COMMIT_RETURN: return tx_set_commit_return(TX_COMMIT_DECISION_LOGGED);
    case TX_ROW_SET_CHAINED: return tx_set_transaction_control(TX_CHAINED);
    case TX_ROW_SET_UNCHAINED: return tx_set_transaction_control(TX_UNCHAINED);
    case TX_ROW_SET_TIMEOUT: return tx_set_transaction_timeout(60);
    case TX_ROW_COUNT: break;
    }
    fail_msg("no such row");
    return 0;
}

// What makes tx_commit and tx_rollback return a code, at both resource managers; 0: nothing.
struct cause {
    int code; // of TX
    const char *call[2];
    int answer[2];
};

static const struct cause of_commit[] = {
    {TX_OK, {NULL, NULL}, {0, 0}},
    {TX_ROLLBACK, {"prepare", NULL}, {XA_RBDEADLOCK, 0}},
    {TX_MIXED, {"commit", NULL}, {XA_HEURRB, 0}},
    {TX_HAZARD, {"commit", NULL}, {XA_HEURHAZ, 0}},
};

static const struct cause of_rollback[] = {
    {TX_OK, {NULL, NULL}, {0, 0}},
    {TX_MIXED, {"rollback", NULL}, {XA_HEURMIX, 0}},
    {TX_HAZARD, {"rollback", NULL}, {XA_HEURHAZ, 0}},
    {TX_COMMITTED, {"rollback", "rollback"}, {XA_HEURCOM, XA_HEURCOM}},
};

static void check_end(enum tx_row row, enum tx_state from, const struct cause *cause)
{
    bool no_begin = row == TX_ROW_COMMIT_NO_BEGIN || row == TX_ROW_ROLLBACK_NO_BEGIN;
    go_to(from);
    for (int i = 0; i < 2; i++) {
        if (cause->call[i])
            answer_next(cause->call[i], i, cause->answer[i]);
    }
    if (no_begin)
        answer_next("start", 1, XAER_RMERR);
    assert_int_equal(call(row), cause->code + (no_begin ? TX_NO_BEGIN : 0));
    assert_int_equal(state_now(), tx_table[row].next[from]);
    go_home();
}

static void check_allowed(enum tx_row row, enum tx_state from)
{
    bool commits = row == TX_ROW_COMMIT || row == TX_ROW_COMMIT_NO_BEGIN;
    if (commits || row == TX_ROW_ROLLBACK || row == TX_ROW_ROLLBACK_NO_BEGIN) {
        const struct cause *causes = commits ? of_commit : of_rollback;
        for (int i = 0; i < 4; i++)
            check_end(row, from, &causes[i]);
        return;
    }
    go_to(from);
    int code = call(row);
    assert_int_equal(code, row == TX_ROW_INFO ? tx_in_transaction(from) : TX_OK);
    assert_int_equal(state_now(), tx_table[row].next[from]);
    go_home();
}

// Is it another row of the same function that allows the call?
static bool allowed_otherwise(enum tx_row row, enum tx_state from)
{
    for (enum tx_row other = 0; other < TX_ROW_COUNT; other++) {
        if (strcmp(tx_table[other].function, tx_table[row].function) == 0 &&
            tx_allowed(other, from))
            return true;
    }
    return false;
}

static void check_refused(enum tx_row row, enum tx_state from)
{
    go_to(from);
    assert_int_equal(call(row), TX_PROTOCOL_ERROR);
    assert_non_null(strstr(assent_tx_error(), tx_table[row].function));
    assert_string_equal(recorded(), ""); // nobody was asked anything
    assert_int_equal(state_now(), from);
    go_home();
}

static void every_cell(void **state)
{
    (void)state;
    unsigned allowed = 0, refused = 0, elsewhere = 0;
    for (enum tx_row row = 0; row < TX_ROW_COUNT; row++) {
        for (enum tx_state from = TX_S0; from < TX_STATE_COUNT; from++) {
            if (tx_allowed(row, from)) {
                check_allowed(row, from);
                allowed++;
            } else if (!allowed_otherwise(row, from)) {
                check_refused(row, from);
                refused++;
            } else {
                elsewhere++; // an unchained transaction is not followed by another
            }
        }
    }
    assert_int_equal(elsewhere, 2);
    assert_int_equal(allowed + refused + elsewhere, TX_ROW_COUNT * TX_STATE_COUNT);
}

// Codes that leave the state as it was.
static void what_is_refused_changes_nothing(void **state)
{
    (void)state;
    for (enum tx_state from = TX_S1; from < TX_STATE_COUNT; from++) {
        go_to(from);
        assert_int_equal(tx_set_commit_return(2), TX_EINVAL);
        assert_int_equal(tx_set_transaction_control(-1), TX_EINVAL);
        assert_int_equal(tx_set_transaction_timeout(-1), TX_EINVAL);
        assert_int_equal(tx_set_transaction_timeout(4294968), TX_EINVAL);
        assert_int_equal(state_now(), from);
        if (!tx_in_transaction(from)) {
            answer_next("start", 1, XAER_OUTSIDE);
            assert_int_equal(tx_begin(), TX_OUTSIDE);
            assert_int_equal(state_now(), from);
            answer_next("start", 0, XA_RBROLLBACK);
            assert_int_equal(tx_begin(), TX_ERROR);
            assert_int_equal(state_now(), from);
        }
        go_home();
    }
    answer_next("open", 1, XAER_RMERR);
    assert_int_equal(tx_open(), TX_ERROR);
    assert_int_equal(state_now(), TX_S0);
    assert_int_equal(opens(0), 0);
}

static void words_and_numbers(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *text;
    } codes[] = {
        {1, "TX_NOT_SUPPORTED"},
        {0, "TX_OK"},
        {-1, "TX_OUTSIDE"},
        {-2, "TX_ROLLBACK"},
        {-3, "TX_MIXED"},
        {-4, "TX_HAZARD"},
        {-5, "TX_PROTOCOL_ERROR"},
        {-6, "TX_ERROR"},
        {-7, "TX_FAIL"},
        {-8, "TX_EINVAL"},
        {-9, "TX_COMMITTED"},
        {-100, "TX_NO_BEGIN"},
        {-102, "TX_ROLLBACK_NO_BEGIN"},
        {-103, "TX_MIXED_NO_BEGIN"},
        {-104, "TX_HAZARD_NO_BEGIN"},
        {-109, "TX_COMMITTED_NO_BEGIN"},
        {7, "?"},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        assert_string_equal(assent_tx_code_text(codes[i].code), codes[i].text);
}

// docs/tx.md shows the very table.
static void the_page_says_so(void **state)
{
    (void)state;
    static char page[1 << 16], line[256];
    char path[512];
    const char *source = getenv("ASSENT_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/docs/tx.md", source ? source : "../..");
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t size = fread(page, 1, sizeof page - 1, in);
    fclose(in);
    page[size] = '\0';
    const char *at = strstr(page, "| function | | S0 | S1 | S2 | S3 | S4 |");
    for (enum tx_row row = 0; row < TX_ROW_COUNT; row++) {
        const struct tx_table_row *r = &tx_table[row];
        int used = snprintf(line, sizeof line, "\n| %s |%s%s |", r->function,
                            *r->condition ? " " : "", r->condition);
        for (int from = 0; from < TX_STATE_COUNT; from++) {
            if (r->next[from] == TX_NOWHERE)
                used += snprintf(line + used, sizeof line - (size_t)used, " - |");
            else
                used += snprintf(line + used, sizeof line - (size_t)used, " S%d |", r->next[from]);
        }
        at = at ? strstr(at, line) : NULL;
        if (!at)
            fail_msg("docs/tx.md does not have, in its place:%s", line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell),
        cmocka_unit_test(what_is_refused_changes_nothing),
        cmocka_unit_test(words_and_numbers),
        cmocka_unit_test(the_page_says_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
