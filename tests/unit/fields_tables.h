// SPDX-License-Identifier: Apache-2.0
// What fields.c and fields_random.c share.
#ifndef UNIT_FIELDS_TABLES_H
#define UNIT_FIELDS_TABLES_H

#include "fields.h"

enum { FIELDS_TYPES = MSG_DECIDE + 1 };

#define AROUND       SIZE_MAX
#define MEMBERS_ONLY (SIZE_MAX - 1)

enum field_kind { U8, U16, U32, U64, GTID, GTID_OR_NONE, NAME, TEXT, HEX, INPUTS, MEMBERS, DIGEST };

struct field {
    const char *name; // NULL: end of the table
    size_t offset;
    enum field_kind kind;
    uint64_t limit; // U8: a bit for each allowed value; other numbers: greatest; text: longest
    // It is there only where the byte at `where` has a value whose bit is set. 0: always.
    uint64_t values;
    size_t where; // or AROUND: the protocol of what this is in; or
                  // MEMBERS_ONLY, of an election: neither from nor to the coordinator
};

extern const struct field fields_header[], fields_submit_branch[], fields_tx_record[],
    fields_tx_branch[], fields_branch_record[];
// The table of a message's own fields; NULL: there is no such message.
const struct field *fields_of(unsigned type);
bool field_present(const struct field *field, const void *whole, unsigned protocol);
// Memory until fields_forget.
uint8_t *fields_scratch(size_t size);

#endif
