// SPDX-License-Identifier: Apache-2.0
// Every allocation of the cores fails once, the first in the first run, the second in the second,
// and so on until a run does not get so far. Whoever says that it cannot go on is started again;
// the transactions must come to an end all the same, all or nothing, and nothing may leak.
#include <stdlib.h>

#include "cluster.h"
#include "failing_malloc.h"

enum { REPAIR_MS = 120000 };

static unsigned allocations, failing; // counted from 1

static bool allocation_fails(void)
{
    return cluster_in_core && ++allocations == failing;
}

static struct cluster c;
static struct gtid gtids[4];

static void run(void)
{
    while (!list_empty(&c.items))
        cluster_happen(&c, container_of(c.items.next, struct item, link));
}

static void revive(void)
{
    for (unsigned i = 0; i < c.count; i++) {
        if (!c.actors[i].alive)
            cluster_start(&c.actors[i]);
        cluster_connect(&c.actors[i]);
    }
}

static void pass(uint64_t ms)
{
    uint64_t end = c.now.mono_ms + ms;
    while (c.now.mono_ms < end) {
        uint64_t next = cluster_deadline(&c);
        uint64_t step = next > c.now.mono_ms ? next - c.now.mono_ms : 0;
        step = step < 500 ? step : 500;
        c.now.mono_ms += step;
        c.now.wall_ms += step;
        cluster_tick(&c);
        run();
        revive();
    }
}

static void ask(unsigned tx, enum ask_kind kind, enum branch_kind branch, unsigned branches)
{
    static const char *const banks[] = {"bank-a", "bank-b"};
    struct msg_branch list[2];
    for (unsigned i = 0; i < branches; i++)
        list[i] = (struct msg_branch){
            .branch = (uint16_t)i, .kind = (uint8_t)branch, .resource = slice_text(banks[i])};
    struct event event = {.type = EVENT_ASK};
    event.u.ask = (struct event_ask){.token = tx + 1, .kind = kind, .deadline_ms = UINT64_MAX};
    if (kind == ASK_SUBMIT)
        event.u.ask.u.submit = (struct msg_submit){.gtid = gtids[tx],
                                                   .protocol = PROTOCOL_2PC,
                                                   .branch_count = (uint16_t)branches,
                                                   .branches = list};
    else
        event.u.ask.u.enlist = (struct msg_enlist){
            .gtid = gtids[tx], .protocol = PROTOCOL_2PC, .resource = slice_text(banks[0])};
    cluster_step(cluster_actor(&c, "app"), &event);
    run();
    revive();
}

// Calls at two, one alone, one enlisted, and one of the client's own gtid; a crash of everybody.
static void life(void)
{
    struct branch_record record = {.gtid = gtids[2]};
    struct event working = {.type = EVENT_WORKING, .u.branch = &record};
    ask(0, ASK_SUBMIT, BRANCH_CALL, 2);
    ask(1, ASK_SUBMIT, BRANCH_CALL, 1);
    ask(2, ASK_ENLIST, BRANCH_ENLISTED, 1);
    cluster_step(cluster_actor(&c, "bank-a"), &working);
    ask(2, ASK_SUBMIT, BRANCH_ENLISTED, 1);
    pass(3000);
    ask(3, ASK_SUBMIT, BRANCH_CALL, 2);
    for (unsigned i = 0; i < c.count; i++)
        cluster_crash(&c.actors[i], 9, true);
    revive();
    pass(REPAIR_MS);
}

static unsigned commits(const char *bank, const struct gtid *gtid)
{
    const struct actor *a = cluster_actor(&c, bank);
    unsigned n = 0;
    for (size_t i = 0; i < a->holding_count; i++) {
        assert_int_not_equal(a->holdings[i].held, HELD_PREPARED);
        if (gtid_equal(&a->holdings[i].gtid, gtid))
            n += a->holdings[i].commits;
    }
    return n;
}

static void check(void)
{
    for (unsigned i = 0; i < 4; i++) {
        assert_true(commits("bank-a", &gtids[i]) <= 1);
        if (i == 0 || i == 3)
            assert_int_equal(commits("bank-a", &gtids[i]), commits("bank-b", &gtids[i]));
    }
    for (unsigned i = 0; i < c.count; i++) {
        struct participant_stats stats = {0};
        if (c.actors[i].participant)
            participant_stats(c.actors[i].participant, &stats);
        assert_int_equal(stats.branches, 0);
        for (size_t r = 0; r < c.actors[i].record_count; r++)
            assert_false(c.actors[i].records[r].open);
    }
}

// True: it got as far as the allocation that fails.
static bool once(unsigned k)
{
    struct cluster_options options = {
        .coordinator = true, .participants = 2, .clients = 1, .thrifty = true, .seed = 1};
    allocations = failing = 0;
    cluster_open(&c, &options);
    run();
    for (unsigned i = 0; i < 3; i++)
        assert_true(client_gtid(cluster_actor(&c, "app")->client, &gtids[i]));
    assert_true(gtid_from(slice_text("own"), &gtids[3]));
    allocations = 0;
    failing = k;
    life();
    bool reached = allocations >= k;
    failing = 0;
    pass(REPAIR_MS / 10);
    check();
    cluster_close(&c);
    return reached;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    unsigned k = 1;
    while (once(k))
        k++;
    assert_true(k > 300); // or nothing was tested
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
