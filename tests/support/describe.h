// SPDX-License-Identifier: Apache-2.0
// Messages and records in words, for stories and traces: of the golden stories (tests/unit), of the
// simulator, of the fuzzers.
#ifndef SUPPORT_DESCRIBE_H
#define SUPPORT_DESCRIBE_H

#include "base/buf.h"
#include "core/record.h"

struct describe {
    struct buf *out;
    // How a gtid is told; NULL: as it is. The text is used before the next call.
    const char *(*gtid)(void *arg, const struct gtid *gtid);
    void *arg;
};

const char *describe_kind(unsigned kind); // of a branch: "step"
void describe_gtid(const struct describe *d, const struct gtid *gtid);
void describe_branch(const struct describe *d, const struct gtid *gtid, unsigned branch,
                     uint64_t attempt);                          // 0: none is told
void describe_text(const struct describe *d, struct slice text); // ": text", unless it is empty
void describe_message(const struct describe *d, const struct msg *msg);
void describe_tx_record(const struct describe *d, const struct tx_record *record);
void describe_branch_record(const struct describe *d, const struct branch_record *record);

#endif
