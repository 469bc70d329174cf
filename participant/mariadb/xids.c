// SPDX-License-Identifier: Apache-2.0
#include "xids.h"

#include <errmsg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { FORMAT_MAX = 2147483647 };

static bool is_valid(const XID *xid)
{
    return xid && xid->formatID >= 0 && xid->formatID <= FORMAT_MAX && xid->gtrid_length >= 1 &&
           xid->gtrid_length <= MAXGTRIDSIZE && xid->bqual_length >= 0 &&
           xid->bqual_length <= MAXBQUALSIZE;
}

bool xids_equal(const XID *a, const XID *b)
{
    return a->formatID == b->formatID && a->gtrid_length == b->gtrid_length &&
           a->bqual_length == b->bqual_length &&
           memcmp(a->data, b->data, (size_t)(a->gtrid_length + a->bqual_length)) == 0;
}

static char *hex_put(char *at, const char *data, long size)
{
    static const char digits[] = "0123456789abcdef";
    *at++ = 'X';
    *at++ = '\'';
    for (long i = 0; i < size; i++) {
        *at++ = digits[(unsigned char)data[i] >> 4];
        *at++ = digits[(unsigned char)data[i] & 15];
    }
    *at++ = '\'';
    *at++ = ',';
    return at;
}

bool xids_text(const XID *xid, char ret[ASSENT_MARIADB_XID_MAX])
{
    if (!is_valid(xid))
        return false;
    char *at = hex_put(ret, xid->data, xid->gtrid_length);
    at = hex_put(at, xid->data + xid->gtrid_length, xid->bqual_length);
    snprintf(at, 16, "%ld", xid->formatID);
    return true;
}

bool xids_statement(const char *verb, const XID *xid, const char *more,
                    char ret[XIDS_STATEMENT_MAX])
{
    char text[ASSENT_MARIADB_XID_MAX];
    if (!xids_text(xid, text))
        return false;
    snprintf(ret, XIDS_STATEMENT_MAX, "XA %s %s%s", verb, text, more);
    return true;
}

int assent_mariadb_xid_text(const XID *xid, char ret[ASSENT_MARIADB_XID_MAX], assent_error *error)
{
    if (!ret || !xids_text(xid, ret))
        return error_set(
            error, ASSENT_INVALID,
            "MariaDB: an XID has a formatID from 0 to %d, a gtrid of 1 to %d bytes and "
            "a bqual of at most %d",
            FORMAT_MAX, MAXGTRIDSIZE, MAXBQUALSIZE);
    return ASSENT_OK;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// One part, 'text' or X'hex': of the letters that MariaDB prints as they are none needs a quote.
// *at goes past it, and past the comma.
static bool part_parse(const char **at, long size, char *ret)
{
    bool hex = **at == 'X' || **at == 'x';
    const char *text = *at + hex;
    if (*text++ != '\'')
        return false;
    for (long i = 0; i < size; i++) {
        int high = hex ? hex_digit(text[0]) : 0, low = hex && high >= 0 ? hex_digit(text[1]) : 0;
        if (high < 0 || low < 0 || (!hex && (*text == '\'' || !*text)))
            return false;
        ret[i] = hex ? (char)(high * 16 + low) : *text;
        text += hex ? 2 : 1;
    }
    if (*text++ != '\'')
        return false;
    *at = text + (*text == ',');
    return true;
}

bool xids_parse(const char *const *row, XID *ret)
{
    if (!row[0] || !row[1] || !row[2] || !row[3])
        return false;
    *ret = (XID){.formatID = strtol(row[0], NULL, 10),
                 .gtrid_length = strtol(row[1], NULL, 10),
                 .bqual_length = strtol(row[2], NULL, 10)};
    const char *at = row[3];
    if (!is_valid(ret) || !part_parse(&at, ret->gtrid_length, ret->data))
        return false;
    // An empty bqual is left out when nothing follows it.
    return (!*at && !ret->bqual_length) ||
           part_parse(&at, ret->bqual_length, ret->data + ret->gtrid_length);
}

unsigned xids_recover(MYSQL *db, struct xids *ret)
{
    *ret = (struct xids){NULL, 0};
    if (mysql_query(db, "XA RECOVER FORMAT='SQL'"))
        return mysql_errno(db);
    MYSQL_RES *rows = mysql_store_result(db);
    if (!rows)
        return mysql_errno(db) ? mysql_errno(db) : CR_COMMANDS_OUT_OF_SYNC;
    if (mysql_num_fields(rows) == 4)
        ret->list = malloc(((size_t)mysql_num_rows(rows) + 1) * sizeof *ret->list);
    if (!ret->list) {
        mysql_free_result(rows);
        return CR_OUT_OF_MEMORY;
    }
    for (MYSQL_ROW row; (row = mysql_fetch_row(rows));)
        if (xids_parse((const char *const *)row, &ret->list[ret->count]))
            ret->count++;
    unsigned number = mysql_errno(db);
    mysql_free_result(rows);
    if (number)
        xids_free(ret);
    return number;
}

void xids_free(struct xids *xids)
{
    free(xids->list);
    *xids = (struct xids){NULL, 0};
}

unsigned xids_is_listed(MYSQL *db, const XID *xid, bool *ret)
{
    struct xids xids;
    unsigned number = xids_recover(db, &xids);
    *ret = false;
    for (size_t i = 0; i < xids.count && !*ret; i++)
        *ret = xids_equal(&xids.list[i], xid);
    xids_free(&xids);
    return number;
}
