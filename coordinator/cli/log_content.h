// SPDX-License-Identifier: Apache-2.0
// What the records of a log say.
#ifndef CLI_LOG_CONTENT_H
#define CLI_LOG_CONTENT_H

#include "cli.h"
#include "wire/record_codec.h"

// As JSON (docs/admin-schema.md); NULL: out of memory. The caller owns it.
json_t *content_tx(const struct tx_record *record);
json_t *content_journal(const struct branch_record *record);
json_t *content_text(struct slice text); // of a name, or a reason

const char *content_stage(const struct tx_record *record);
const char *content_journal_stage(uint8_t stage);
const char *content_protocol(uint8_t protocol);
// Branches of protocols that are admitted with their content, a line each; nothing for others.
void content_print(const struct tx_record *record);

#endif
