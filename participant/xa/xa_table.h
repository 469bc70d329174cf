// SPDX-License-Identifier: Apache-2.0
// What is done about every code that a resource manager returns at every stage: data, printed into
// docs/resource-managers.md by a test. What the specification does not have at a stage is treated
// as any other unknown code: in doubt, never committed.
#ifndef XA_TABLE_H
#define XA_TABLE_H

#include "assent/xa_manager.h"
#include "base/buf.h"

enum xa_stage {
    XA_STAGE_OPEN,
    XA_STAGE_START,
    XA_STAGE_END,
    XA_STAGE_PREPARE,
    XA_STAGE_COMMIT,
    XA_STAGE_ROLLBACK,
    XA_STAGE_RECOVER,
    XA_STAGE_FORGET,
    XA_STAGES,
};

enum xa_deed {
    XA_GO_ON,
    XA_COUNT,
    XA_NO,
    XA_UNDO,
    XA_READ_ONLY,
    XA_AGAIN,
    XA_REOPEN,
    XA_LOOK,
    XA_LOOK_GONE,
    XA_COMMITTED,
    XA_ROLLED_BACK,
    XA_MIXED,
    XA_HAZARD,
    XA_DEEDS,
};

// Of XA_STAGE_RECOVER for what is no count (of as many XIDs as there was room for, or fewer).
enum xa_deed xa_deed_of(enum xa_stage stage, int code);
// "xa_commit", ...
const char *xa_stage_name(enum xa_stage stage);

// The table, and what its words mean, in Markdown.
void xa_table_print(struct buf *out);

#endif
