// SPDX-License-Identifier: Apache-2.0
// XIDs of ours: gtrid is the gtid; bqual of a call's branch
// "<branch>/<coordinator>/<attempt>/<hash>", of an enlisted one "<branch>/app/<hash>". Every part
// has one spelling only, so that an XID that parses is the one that would be made of its parts.
#include <inttypes.h>
#include <stdio.h>

#include "assent/xa_manager.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "core/gtid.h"

enum { HASH_CHARACTERS = 8, ATTEMPT_CHARACTERS_MAX = 16, ENLISTED_BQUAL_BYTES = 32 };

static const char enlisted_word[] = "app";

void assent_xid_resource_hash(const char *resource, char ret[9])
{
    snprintf(ret, HASH_CHARACTERS + 1, "%08" PRIx32, crc32c(0, resource, strlen(resource)));
}

// ---- parsing ----

// The part up to the next '/', or all; *rest: what follows it.
static struct slice part_next(struct slice *rest)
{
    const char *data = rest->data;
    if (rest->size == 0)
        return *rest;
    const char *slash = memchr(data, '/', rest->size);
    size_t size = slash ? (size_t)(slash - data) : rest->size;
    *rest = slice_of(data + size + (slash ? 1 : 0), rest->size - size - (slash ? 1 : 0));
    return slice_of(data, size);
}

static bool digits_only(struct slice text, const char *digits)
{
    const char *at = text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (!at[i] || !strchr(digits, at[i]))
            return false;
    }
    return true;
}

static bool padded(struct slice number)
{
    return number.size > 1 && *(const char *)number.data == '0';
}

static bool branch_of(struct slice text, uint16_t *ret)
{
    const char *at = text.data;
    if (text.size < 1 || text.size > 2 || padded(text) || !digits_only(text, "0123456789"))
        return false;
    unsigned branch = 0;
    for (size_t i = 0; i < text.size; i++)
        branch = branch * 10 + (unsigned)(at[i] - '0');
    *ret = (uint16_t)branch;
    return branch < LIMIT_BRANCHES;
}

static bool coordinator_fits(struct slice text)
{
    return text.size == COORDINATOR_TEXT_BYTES - 1 &&
           digits_only(text, "0123456789abcdefghjkmnpqrstvwxyz");
}

static bool hex_fits(struct slice text, size_t most)
{
    return text.size >= 1 && text.size <= most && digits_only(text, "0123456789abcdef");
}

static bool bqual_take(struct slice bqual, struct slice gtid, assent_xid_parts *ret)
{
    struct slice rest = bqual, attempt;
    if (!branch_of(part_next(&rest), &ret->branch))
        return false;
    struct slice by = part_next(&rest);
    if (slice_equal(by, slice_text(enlisted_word))) {
        ret->kind = ASSENT_XID_ENLISTED;
    } else {
        attempt = part_next(&rest);
        if (!coordinator_fits(by) || !hex_fits(attempt, ATTEMPT_CHARACTERS_MAX) || padded(attempt))
            return false;
        ret->kind = ASSENT_XID_CALL;
        snprintf(ret->branch_id, sizeof ret->branch_id, "%.*s/%.*s", (int)gtid.size,
                 (const char *)gtid.data, (int)(bqual.size - HASH_CHARACTERS - 1),
                 (const char *)bqual.data);
    }
    if (rest.size != HASH_CHARACTERS || !hex_fits(rest, HASH_CHARACTERS))
        return false;
    slice_to_text(rest, ret->resource_hash);
    return true;
}

void assent_xid_parse(const XID *xid, assent_xid_parts *ret)
{
    assent_xid_parts parts = {.kind = ASSENT_XID_FOREIGN};
    static const assent_xid_parts foreign = {.kind = ASSENT_XID_FOREIGN};
    *ret = foreign;
    if (xid->formatID != ASSENT_XA_FORMAT || xid->gtrid_length < 1 ||
        xid->gtrid_length > MAXGTRIDSIZE || xid->bqual_length < HASH_CHARACTERS + 1 ||
        xid->bqual_length > MAXBQUALSIZE)
        return;
    struct slice gtid = slice_of(xid->data, (size_t)xid->gtrid_length);
    struct slice bqual = slice_of(xid->data + gtid.size, (size_t)xid->bqual_length);
    if (!gtid_valid(gtid) || !bqual_take(bqual, gtid, &parts))
        return;
    slice_to_text(gtid, parts.gtid);
    *ret = parts;
}

// ---- making ----

static int resource_check(const char *resource, assent_error *error)
{
    // Names of resources are spelled as gtids are.
    if (!resource || !gtid_valid(slice_text(resource)))
        return error_set(error, ASSENT_INVALID,
                         "a resource's name is 1 to 64 bytes of [A-Za-z0-9._:-], not '%.80s'",
                         resource ? resource : "");
    return ASSENT_OK;
}

static void xid_make(struct slice gtid, struct slice bqual, const char *resource, XID *ret)
{
    XID xid; // zeroes behind the name: equal XIDs are equal bytes
    char hash[HASH_CHARACTERS + 1];
    memset(&xid, 0, sizeof xid);
    assent_xid_resource_hash(resource, hash);
    xid.formatID = ASSENT_XA_FORMAT;
    xid.gtrid_length = (long)gtid.size;
    xid.bqual_length = (long)bqual.size + 1 + HASH_CHARACTERS;
    char *at = xid.data;
    memcpy(at, gtid.data, gtid.size);
    at += gtid.size;
    memcpy(at, bqual.data, bqual.size);
    at += bqual.size;
    *at++ = '/';
    memcpy(at, hash, HASH_CHARACTERS);
    *ret = xid;
}

int assent_xid_enlisted(const char *gtid, uint16_t branch, const char *resource, XID *ret,
                        assent_error *error)
{
    char bqual[ENLISTED_BQUAL_BYTES];
    int code = resource_check(resource, error);
    if (code)
        return code;
    if (!ret || !gtid || !gtid_valid(slice_text(gtid)) || branch >= LIMIT_BRANCHES)
        return error_set(error, ASSENT_INVALID, "'%.80s' and %u are no gtid and branch",
                         gtid ? gtid : "", branch);
    snprintf(bqual, sizeof bqual, "%u/%s", branch, enlisted_word);
    xid_make(slice_text(gtid), slice_text(bqual), resource, ret);
    return ASSENT_OK;
}

int assent_xid_branch(const char *branch_id, const char *resource, XID *ret, assent_error *error)
{
    XID xid;
    assent_xid_parts parts = {.kind = ASSENT_XID_FOREIGN};
    int code = resource_check(resource, error);
    if (code)
        return code;
    struct slice bqual = slice_text(branch_id);
    struct slice gtid = part_next(&bqual);
    if (ret && gtid.size > 0 && gtid.size <= MAXGTRIDSIZE &&
        bqual.size < MAXBQUALSIZE - HASH_CHARACTERS) {
        xid_make(gtid, bqual, resource, &xid);
        assent_xid_parse(&xid, &parts);
    }
    if (parts.kind != ASSENT_XID_CALL)
        return error_set(error, ASSENT_INVALID,
                         "'%.130s' is no id of a branch of two-phase or three-phase commit",
                         branch_id ? branch_id : "");
    *ret = xid;
    return ASSENT_OK;
}
