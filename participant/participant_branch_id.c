// SPDX-License-Identifier: Apache-2.0
// "<gtid>/<branch>/<coordinator>/<attempt>": all that is needed to ask about work that a resource
// manager holds prepared, in characters that databases take in a name. Of admitted protocols, of
// which nothing is ever held so: "<gtid>/<branch>", the same for each attempt.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "participant_handle.h"

void branch_id_make(const struct effect_call *call, char ret[BRANCH_ID_BYTES])
{
    char coordinator[COORDINATOR_TEXT_BYTES];
    if (protocol_business(call->protocol) || (call->op == RM_FORGET && !call->heuristic)) {
        snprintf(ret, BRANCH_ID_BYTES, "%.*s/%u", call->gtid.size, call->gtid.text, call->branch);
        return;
    }
    coordinator_text(call->coordinator, coordinator);
    snprintf(ret, BRANCH_ID_BYTES, "%.*s/%u/%s/%" PRIx64, call->gtid.size, call->gtid.text,
             call->branch, coordinator, call->attempt);
}

// The part up to the next '/' or the end; *at moves behind it.
static struct slice part_next(const char **at)
{
    size_t size = strcspn(*at, "/");
    struct slice part = slice_of(*at, size);
    *at += (*at)[size] ? size + 1 : size;
    return part;
}

static bool number_of(struct slice part, int base, uint64_t *ret)
{
    char text[24];
    char *end;
    if (part.size == 0 || part.size >= sizeof text)
        return false;
    memcpy(text, part.data, part.size);
    text[part.size] = '\0';
    errno = 0;
    *ret = strtoull(text, &end, base);
    return !*end && errno == 0;
}

// A coordinator has no text of its own, other than in front of its gtids.
static bool coordinator_of(struct slice part, uint64_t *ret)
{
    char text[COORDINATOR_TEXT_BYTES + 8];
    struct gtid gtid;
    struct gtid_parts parts;
    if (part.size != COORDINATOR_TEXT_BYTES - 1)
        return false;
    int size = snprintf(text, sizeof text, "%.*s.0.0.0", (int)part.size, (const char *)part.data);
    if (!gtid_from(slice_of(text, (size_t)size), &gtid) || !gtid_parse(&gtid, &parts))
        return false;
    *ret = parts.coordinator;
    return true;
}

bool branch_id_parse(const char *text, struct branch_record *ret)
{
    struct branch_record record = {.protocol = PROTOCOL_2PC, .stage = JOURNAL_PREPARED};
    const char *at = text;
    uint64_t branch;
    if (!gtid_from(part_next(&at), &record.gtid) || !number_of(part_next(&at), 10, &branch) ||
        branch >= LIMIT_BRANCHES || !coordinator_of(part_next(&at), &record.coordinator) ||
        !number_of(part_next(&at), 16, &record.attempt))
        return false;
    record.branch = (uint16_t)branch;
    // Only what we would have written ourselves: numbers have more than one spelling.
    struct effect_call call = {.gtid = record.gtid,
                               .branch = record.branch,
                               .coordinator = record.coordinator,
                               .attempt = record.attempt};
    char again[BRANCH_ID_BYTES];
    branch_id_make(&call, again);
    if (strcmp(text, again) != 0)
        return false;
    *ret = record;
    return true;
}
