// SPDX-License-Identifier: Apache-2.0
// What several verbs show alike.
#ifndef CLI_VIEWS_H
#define CLI_VIEWS_H

#include "rows.h"
#include "table.h"

// Tables of rows; they print nothing when there are none. False: out of memory.
bool view_live(const struct cli *cli, const struct rows *rows);
bool view_finished(const struct cli *cli, const struct rows *rows);
bool view_foreign(const struct cli *cli, const struct rows *rows);
// "committed", "aborted", "committed, mixed", "not decided"
const char *view_outcome(const json_t *transaction);
enum paint view_outcome_paint(const json_t *transaction);
// "failed 3 times: no seats"; "" when it did not. Returns ret.
const char *view_failed(uint64_t failures, const char *why, char *ret, size_t size);
// The status in a few lines.
void view_status(const struct cli *cli, const json_t *status);
// "aborted because ...: a branch voted no (branch 1: insufficient funds)"; "" when it did not
// abort.
void view_reason(const json_t *transaction, char *ret, size_t size);

// views_progress.c
// Transactions whose branches tell how far they are, in the words of their protocol.
bool view_has_progress(const json_t *transaction);
bool view_progress(const struct cli *cli, const json_t *transaction, uint64_t now_ms);
enum { PROGRESS_BYTES = 40 };
// "to compensate". Returns ret.
const char *view_progress_words(const json_t *branch, char ret[PROGRESS_BYTES]);
enum paint view_progress_paint(const json_t *branch);
// "0, 2"; "" where it comes after none. Returns ret.
const char *view_after(const json_t *branch, char *ret, size_t size);
// What a payload or a result holds, as text or in hexadecimal, whichever key is there; cut short,
// but not inside of a character; "" for nothing. Returns ret.
const char *view_bytes(const json_t *object, const char *key, const char *hex_key, char *ret,
                       size_t size);

enum exit_code verb_status(struct cli *cli);
enum exit_code verb_list(struct cli *cli);
enum exit_code verb_show(struct cli *cli);
enum exit_code verb_explain(struct cli *cli);
enum exit_code verb_watch(struct cli *cli);
enum exit_code verb_participants(struct cli *cli);
enum exit_code verb_commit(struct cli *cli);
enum exit_code verb_abort(struct cli *cli);
enum exit_code verb_forget(struct cli *cli);
enum exit_code verb_retry(struct cli *cli);
enum exit_code verb_saga_submit(struct cli *cli);
enum exit_code verb_saga_show(struct cli *cli);
enum exit_code verb_config(struct cli *cli);
enum exit_code verb_log_verify(struct cli *cli);
enum exit_code verb_log_dump(struct cli *cli);
enum exit_code verb_keygen(struct cli *cli);
enum exit_code verb_doctor(struct cli *cli);

#endif
