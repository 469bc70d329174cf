// SPDX-License-Identifier: Apache-2.0
// XIDs as MariaDB writes them, and the list of what it holds prepared.
#ifndef MARIADB_XIDS_H
#define MARIADB_XIDS_H

#include <mysql.h>
#include <stdbool.h>
#include <stddef.h>

#include "assent/mariadb.h"

bool xids_equal(const XID *a, const XID *b);
// "X'..',X'..',n"; false: it is none that MariaDB takes.
bool xids_text(const XID *xid, char ret[ASSENT_MARIADB_XID_MAX]);
// Of a row of XA RECOVER FORMAT='SQL'; false: it is not understood.
bool xids_parse(const char *const *row, XID *ret);

enum { XIDS_STATEMENT_MAX = ASSENT_MARIADB_XID_MAX + 32 };
// "XA COMMIT X'..',X'..',n", with what follows it; false as xids_text.
bool xids_statement(const char *verb, const XID *xid, const char *more,
                    char ret[XIDS_STATEMENT_MAX]);

struct xids {
    XID *list; // owned
    size_t count;
};
// All that is prepared, whoever prepared it. The server's number of the error; ENOMEM is
// CR_OUT_OF_MEMORY. What is not understood is left out.
unsigned xids_recover(MYSQL *db, struct xids *ret);
void xids_free(struct xids *xids);
// Whether that one is. The server's number of the error.
unsigned xids_is_listed(MYSQL *db, const XID *xid, bool *ret);

#endif
