// SPDX-License-Identifier: Apache-2.0
// What a call asks for: procedures of the allow-list by name, with values, as JSON:
//
//     {"do": [{"procedure": "debit", "with": [7, "12.50"]}, ...]}
//
// Values are numbers and texts, null, or {"step": N}: what an earlier step of the saga has
// answered. Numbers stay the text that they came as; none is made a float.
#ifndef RM_CALL_H
#define RM_CALL_H

#include "assent/participant.h"
#include "procedures.h"

enum { CALL_PROCEDURES_MAX = 64, CALL_STEP_NONE = -1 };

struct call_value {
    const char *text; // NULL: SQL's null
    size_t size;
    int step; // CALL_STEP_NONE, or the step whose answer it is: `text` is not set then
};

struct call_item {
    const struct procedure *procedure;
    struct call_value values[PARAMETERS_MAX]; // as many as the procedure has parameters
};

// Texts live in `json`.
struct call {
    json_t *json;
    unsigned count;
    struct call_item *items; // owned
};

// Reads a payload for an operation. On success the caller owns *ret (call_free). ASSENT_INVALID:
// the reason, fit for a vote, is in `why` (ASSENT_NO_REASON_MAX bytes and a NUL). ASSENT_NOMEM.
int call_parse(const struct procedures *allowed, enum operation operation, const void *payload,
               size_t size, struct call **ret, char *why);
void call_free(struct call **call_p);

#endif
