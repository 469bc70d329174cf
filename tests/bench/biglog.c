// SPDX-License-Identifier: Apache-2.0
#include "biglog.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "bench.h"
#include "store/store.h"
#include "wire/record_codec.h"

enum { BATCH = 1024 };

static struct record_branch branch_of(char name[32], unsigned number)
{
    snprintf(name, 32, "bench-%u", number);
    return (struct record_branch){.branch = (uint16_t)number,
                                  .kind = BRANCH_CALL,
                                  .vote = VOTE_YES,
                                  .journal = number + 1,
                                  .resource = slice_text(name)};
}

static void encode(struct buf *out, const struct store_info *info, unsigned number,
                   unsigned branches, struct gtid *ret_gtid)
{
    char names[BENCH_BRANCHES_MAX][32];
    struct record_branch list[BENCH_BRANCHES_MAX];
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    const struct gtid_parts parts = {.coordinator = info->id,
                                     .incarnation = info->incarnation,
                                     .lease_ms = now_ms,
                                     .number = number};
    gtid_make(&parts, ret_gtid);
    for (unsigned i = 0; i < branches; i++)
        list[i] = branch_of(names[i], i);
    struct tx_record record = {
        .gtid = *ret_gtid,
        .attempt = info->incarnation << ATTEMPT_COUNTER_BITS | (number + 1),
        .protocol = PROTOCOL_2PC,
        .stage = STAGE_DECIDED,
        .outcome = OUTCOME_COMMITTED,
        .reason_branch = BRANCH_NONE,
        .started_ms = now_ms,
        .decided_ms = now_ms,
        .owner = slice_text("local"),
        .branch_count = (uint16_t)branches,
        .branches = list,
    };
    buf_reset(out);
    if (record_encode_tx(out, &record) != ASSENT_OK)
        bench_die("a record cannot be encoded");
}

void biglog_write(const char *dir, unsigned transactions, unsigned branches)
{
    static struct store_put puts[BATCH];
    static struct gtid gtids[BATCH];
    static struct buf values[BATCH];
    struct store *store;
    struct store_info info;
    assent_error error;
    const struct store_options options = {.create = true, .wall_ms = (uint64_t)time(NULL) * 1000};
    if (store_open_leveldb(dir, &options, &store, &error) != ASSENT_OK)
        bench_die("%s", error.message);
    store->ops->info(store, &info);
    for (unsigned i = 0; i < BATCH; i++)
        buf_init(&values[i], LIMIT_RECORD_BYTES);
    for (unsigned done = 0; done < transactions;) {
        unsigned count = transactions - done < BATCH ? transactions - done : BATCH;
        for (unsigned i = 0; i < count; i++) {
            encode(&values[i], &info, done + i, branches, &gtids[i]);
            puts[i] = (struct store_put){.key = record_key_tx(&gtids[i]),
                                         .value = buf_slice(&values[i]),
                                         .decide = true,
                                         .decided = true,
                                         .open = true};
        }
        done += count;
        if (store->ops->apply(store, puts, count, done == transactions, &error) != ASSENT_OK)
            bench_die("%s", error.message);
    }
    store->ops->close(store);
    for (unsigned i = 0; i < BATCH; i++)
        buf_free(&values[i]);
}
