// SPDX-License-Identifier: Apache-2.0
// core-instructions coordinator|participant N: N transactions of two branches, one after the other,
// through the core alone. instructions_test.py counts what its steps execute.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "desk.h"

enum { COUNT_MAX = 1000 };

static void coordinate(struct desk *d)
{
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "a hundred bytes or so of what the bank is to do", "bank-a",
                "bank-b", NULL);
    struct msg_prepare first = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare second = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &first, VOTE_YES);
    desk_vote(d, PEER_B, &second, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    struct msg_decide a = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    struct msg_decide b = desk_expect(d, PEER_B, MSG_COMMIT)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    desk_finish(d, PEER_B, &b, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    desk_written(d);
}

static void coordinator_run(unsigned count)
{
    struct desk d;
    desk_open_leasing(&d, COUNT_MAX);
    desk_hello(&d, CLIENT, ROLE_CLIENT, "shop");
    desk_hello(&d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_hello(&d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    while (count--)
        coordinate(&d);
    desk_close(&d);
}

static void participant_run(unsigned count)
{
    struct bench b;
    bench_ready(&b);
    for (unsigned n = 1; n <= count; n++) {
        b.header.fence = bench_attempt(n); // what is before it may be forgotten
        bench_vote_yes(&b, n);
        bench_commit(&b, n);
    }
    bench_close(&b);
}

int main(int argc, char **argv)
{
    unsigned count = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
    if (count == 0 || count > COUNT_MAX) {
        fputs("usage: core-instructions coordinator|participant N (1..1000)\n", stderr);
        return 2;
    }
    if (strcmp(argv[1], "coordinator") == 0)
        coordinator_run(count);
    else
        participant_run(count);
    return 0;
}
