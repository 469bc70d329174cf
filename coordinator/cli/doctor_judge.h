// SPDX-License-Identifier: Apache-2.0
// What three truths say of one branch, taken together: the database that holds it prepared (or does
// not), the coordinator, and the participant's journal. Pure: all that is known comes with the
// call.
#ifndef CLI_DOCTOR_JUDGE_H
#define CLI_DOCTOR_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "assent/xa_manager.h"
#include "core/message.h"

enum doctor_asked { DOCTOR_UNASKED, DOCTOR_SILENT, DOCTOR_KNOWN };

enum doctor_run { DOCTOR_RUN_SAME, DOCTOR_RUN_EARLIER, DOCTOR_RUN_LATER };

enum doctor_journal {
    DOCTOR_JOURNAL_UNREAD,
    DOCTOR_JOURNAL_NOTHING, // as of most that are in doubt: the database keeps the vote
    DOCTOR_JOURNAL_PREPARED,
    DOCTOR_JOURNAL_DECIDED,
    DOCTOR_JOURNAL_FINISHED,
};

struct doctor_truths {
    uint64_t older_ms; // what is younger is none of our business
    // The database.
    bool held;      // prepared there
    bool here;      // and can be ended from our connection
    int64_t age_ms; // of what is oldest of it that is known; -1: nothing is
    bool watched;   // seen twice, older_ms apart
    // Its name.
    assent_xid_kind xid;
    bool fits;  // it carries the hash of the resource that was named with the database
    bool named; // it names a coordinator: that of the attempt, or of the gtid
    bool same;  // and that is the one asked
    bool later; // but of a run that this one, as its log says, has not had yet
    // The coordinator.
    enum doctor_asked asked;
    bool collected;       // so old that its record, had it ended, may be gone with the retention
    bool offline;         // its log was read, nobody was asked
    enum outcome outcome; // of a branch that an operator forced: what that was
    enum doctor_run run;  // the branch's, against the transaction's
    bool member;          // the transaction has that branch, at that resource
    bool ended;           // which acknowledged, or is no longer waited for
    // The journal.
    enum doctor_journal journal;
    enum outcome journal_outcome;
};

enum doctor_kind {
    DOCTOR_ORPHAN,     // nobody will ever commit it
    DOCTOR_STRAGGLER,  // decided, not applied yet
    DOCTOR_IN_DOUBT,   // not decided yet
    DOCTOR_MISMATCHED, // what one of the three says cannot be, by what another says
    DOCTOR_FOREIGN,    // another program's, or another coordinator's
    DOCTOR_UNCLEAR,    // ours, and what it is cannot be told
};

enum doctor_deed { DOCTOR_LEAVE, DOCTOR_ROLL_BACK, DOCTOR_COMMIT };

struct doctor_verdict {
    enum doctor_kind kind;
    bool finding;          // false: as it should be, so far
    enum doctor_deed deed; // how the branch has to end; DOCTOR_LEAVE: nobody here can tell
    bool roll_back, retry; // what --fix does
    const char *why;
    const char *left; // why --fix does not do more; NULL: it does, or there is nothing to do
};

struct doctor_verdict doctor_judge(const struct doctor_truths *t);

const char *doctor_kind_text(enum doctor_kind kind); // "in doubt"; '_' for the blank in JSON

#endif
