// SPDX-License-Identifier: Apache-2.0
// Looking into a bank from outside: asks the database that it is in; or the bank that is running,
// and its ledger when it is not.
#ifndef BANK_VIEW_H
#define BANK_VIEW_H

#include "store.h"

struct view;

// ASSENT_UNAVAILABLE when the bank holds its ledger and does not answer, again and again. Not
// thread-safe.
int view_open(const char *dir, struct view **ret, struct totals *ret_totals, assent_error *error);
void view_close(struct view **view_p);
const char *view_name(const struct view *view);
int view_totals(struct view *view, struct totals *ret, assent_error *error);
int view_applied(struct view *view, const char *gtid, unsigned branch, bool *ret,
                 assent_error *error);

#endif
