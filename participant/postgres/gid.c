// SPDX-License-Identifier: Apache-2.0
// Names of prepared transactions. All that can be a branch's has exactly one, and what is not
// exactly that name is nobody's.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/postgres.h"
#include "assent/xa_manager.h"
#include "base/error.h"
#include "base/slice.h"

static const char own_prefix[] = "assent:", other_prefix[] = "xa:";
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static bool is_valid(const XID *xid)
{
    return xid && xid->formatID != -1 && xid->gtrid_length >= 1 &&
           xid->gtrid_length <= MAXGTRIDSIZE && xid->bqual_length >= 0 &&
           xid->bqual_length <= MAXBQUALSIZE;
}

static bool is_word(struct slice part, const char *marks)
{
    const char *bytes = part.data;
    for (size_t i = 0; i < part.size; i++)
        if (!bytes[i] || (!strchr(alphabet, bytes[i]) && !strchr(marks, bytes[i])))
            return false;
    return part.size > 0;
}

// The last colon is the one between the parts: a gtrid may have others, a bqual none.
static bool is_readable(const XID *xid)
{
    size_t gtrid = (size_t)xid->gtrid_length, bqual = (size_t)xid->bqual_length;
    return xid->formatID == ASSENT_XA_FORMAT && is_word(slice_of(xid->data, gtrid), ".:") &&
           is_word(slice_of(xid->data + gtrid, bqual), "./");
}

static char *base64_put(char *at, const char *data, size_t size)
{
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | (unsigned char)data[i];
        for (count += 8; count >= 6; count -= 6)
            *at++ = alphabet[bits >> (count - 6) & 63];
    }
    if (count)
        *at++ = alphabet[bits << (6 - count) & 63];
    *at = '\0';
    return at;
}

static bool base64_take(struct slice text, char *ret, size_t most, long *ret_size)
{
    unsigned bits = 0, count = 0;
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = ((const char *)text.data)[i];
        const char *digit = c ? strchr(alphabet, c) : NULL;
        if (!digit)
            return false;
        bits = bits << 6 | (unsigned)(digit - alphabet);
        count += 6;
        if (count < 8)
            continue;
        if (size == most)
            return false;
        count -= 8;
        ret[size++] = (char)(bits >> count);
    }
    *ret_size = (long)size;
    return true;
}

int assent_postgres_gid(const XID *xid, char ret[ASSENT_POSTGRES_GID_MAX], assent_error *error)
{
    if (!ret || !is_valid(xid))
        return error_set(error, ASSENT_INVALID, "PostgreSQL: this is no XID of a branch");
    int gtrid = (int)xid->gtrid_length, bqual = (int)xid->bqual_length;
    if (is_readable(xid)) {
        snprintf(ret, ASSENT_POSTGRES_GID_MAX, "%s%.*s:%.*s", own_prefix, gtrid, xid->data, bqual,
                 xid->data + gtrid);
        return ASSENT_OK;
    }
    // At most 3 + 20 + 1 + 86 + 1 + 86 bytes.
    char *at = ret + snprintf(ret, ASSENT_POSTGRES_GID_MAX, "%s%ld:", other_prefix, xid->formatID);
    at = base64_put(at, xid->data, (size_t)gtrid);
    *at++ = ':';
    base64_put(at, xid->data + gtrid, (size_t)bqual);
    return ASSENT_OK;
}

static bool take_readable(const char *text, XID *ret)
{
    const char *colon = strrchr(text, ':');
    size_t gtrid = colon ? (size_t)(colon - text) : 0, bqual = colon ? strlen(colon + 1) : 0;
    if (!colon || gtrid > MAXGTRIDSIZE || bqual > MAXBQUALSIZE)
        return false;
    ret->formatID = ASSENT_XA_FORMAT;
    ret->gtrid_length = (long)gtrid;
    ret->bqual_length = (long)bqual;
    memcpy(ret->data, text, gtrid);
    memcpy(ret->data + gtrid, colon + 1, bqual);
    return true;
}

static bool take_other(const char *text, XID *ret)
{
    char *end;
    ret->formatID = strtol(text, &end, 10);
    if (*end != ':')
        return false;
    const char *gtrid = end + 1, *colon = strchr(gtrid, ':');
    return colon &&
           base64_take(slice_of(gtrid, (size_t)(colon - gtrid)), ret->data, MAXGTRIDSIZE,
                       &ret->gtrid_length) &&
           base64_take(slice_text(colon + 1), ret->data + ret->gtrid_length, MAXBQUALSIZE,
                       &ret->bqual_length);
}

int assent_postgres_xid(const char *gid, XID *ret, assent_error *error)
{
    XID xid;
    char again[ASSENT_POSTGRES_GID_MAX];
    memset(&xid, 0, sizeof xid);
    bool own = gid && strncmp(gid, own_prefix, sizeof own_prefix - 1) == 0;
    bool other = gid && strncmp(gid, other_prefix, sizeof other_prefix - 1) == 0;
    bool taken = own     ? take_readable(gid + sizeof own_prefix - 1, &xid)
                 : other ? take_other(gid + sizeof other_prefix - 1, &xid)
                         : false;
    if (!ret || !taken || assent_postgres_gid(&xid, again, NULL) != ASSENT_OK ||
        strcmp(gid, again) != 0)
        return error_set(error, ASSENT_INVALID, "PostgreSQL: this is no gid that Assent makes");
    *ret = xid;
    return ASSENT_OK;
}
