// SPDX-License-Identifier: Apache-2.0
// A saga as it stands in a file (docs/protocols/saga-file.md), checked.
#ifndef CLI_SAGA_FILE_H
#define CLI_SAGA_FILE_H

#include "base/limits.h"
#include "base/slice.h"
#include "cli.h"

struct saga_step {
    const char *name, *resource;
    struct slice payload;
    uint64_t after; // bits: steps that stand before it in the file
    bool pivot, kept;
    uint16_t attempts;
    uint32_t timeout_ms, backoff_ms, backoff_max_ms;
};

struct saga_file {
    json_t *json;                // owned; texts and payloads borrow from it,
    char *texts[LIMIT_BRANCHES]; // or from these: payloads that were given as JSON, owned
    const char *gtid;            // NULL: not said
    uint32_t timeout_ms;
    unsigned count;
    struct saga_step steps[LIMIT_BRANCHES];
};

enum { SAGA_FILE_BYTES_MAX = 1 << 20 };

// Reads what `in` has; `name` is for messages. ASSENT_INVALID, with step and field; ASSENT_IO;
// ASSENT_NOMEM. On success saga_file_free releases it.
int saga_file_read(struct saga_file *ret, FILE *in, const char *name, assent_error *error);
int saga_file_parse(struct saga_file *ret, struct slice text, const char *name,
                    assent_error *error);
void saga_file_free(struct saga_file *self);

#endif
