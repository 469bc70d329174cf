// SPDX-License-Identifier: Apache-2.0
#include "store/log_check.h"

#include <inttypes.h>
#include <stdio.h>

void log_check_advise(assent_error *error)
{
    static const char advice[] = "; bring the file back, or restore the whole directory from a "
                                 "backup made while it was not in use; `assent log verify` checks "
                                 "it without changing it";
    if (!error || (error->code != ASSENT_CORRUPT && error->code != ASSENT_BEHIND))
        return;
    size_t room = sizeof error->message - sizeof advice, used = strlen(error->message);
    if (used > room)
        used = room;
    memcpy(error->message + used, advice, sizeof advice);
}

static int judge_tear(const struct log_check *check, const struct witness *witness, bool new_log,
                      const struct image_tear *tear, assent_error *error)
{
    if (!tear->present)
        return ASSENT_OK;
    if (!witness->found && !new_log)
        return error_set(error, ASSENT_CORRUPT,
                         "%s at byte %" PRIu64 ": %s; without the file head nothing tells whether "
                         "that was durable",
                         tear->file, tear->offset, tear->why);
    if (tear->later_durable > check->found.meta.head_seq)
        return error_set(error, ASSENT_CORRUPT,
                         "%s at byte %" PRIu64 ": %s; durable records up to %" PRIu64
                         " are lost in it",
                         tear->file, tear->offset, tear->why, tear->later_durable);
    return ASSENT_OK;
}

static int judge_empty(const struct log_check *check, const struct witness *witness,
                       assent_error *error)
{
    if (!check->found.empty || !witness->found)
        return ASSENT_OK;
    return error_set(error, ASSENT_BEHIND,
                     "the log is empty, but record %" PRIu64 " was durable (file head)",
                     witness->head.seq);
}

// Where the log ends, for an error that says that it ends too early.
static void blame_end(const struct image *image, assent_error *error)
{
    const struct image_tear *tears[] = {image_manifest_tear(image), image_log_tear(image)};
    uint64_t size;
    const char *newest = image_newest_log(image, &size);
    if (!error || error->code != ASSENT_BEHIND)
        return;
    for (int i = 0; i < 2; i++) {
        if (!tears[i]->present)
            continue;
        error_prefix(error, "%s at byte %" PRIu64 ": %s", tears[i]->file, tears[i]->offset,
                     tears[i]->why);
        return;
    }
    if (*newest)
        error_prefix(error, "%s ends at byte %" PRIu64, newest, size);
}

static int feed(struct image *image, struct audit *audit, log_check_visit *visit, void *arg,
                assent_error *error)
{
    struct image_entry entry;
    bool more = true;
    for (;;) {
        int code = image_next(image, &entry, &more, error);
        if (code != ASSENT_OK || !more)
            return code;
        code = audit_entry(audit, entry.key, entry.value, entry.where, error);
        if (code == ASSENT_OK && visit)
            code = visit(arg, &entry, error);
        if (code != ASSENT_OK)
            return code;
    }
}

static int check_image(struct image *image, const struct witness *witness, struct log_check *ret,
                       log_check_visit *visit, void *arg, assent_error *error)
{
    struct audit audit;
    audit_init(&audit, witness);
    int code = feed(image, &audit, visit, arg, error);
    if (code == ASSENT_OK)
        code = audit_finish(&audit, &ret->found, error);
    audit_free(&audit);
    if (code != ASSENT_OK)
        return code;
    ret->log_tear = *image_log_tear(image);
    ret->manifest_tear = *image_manifest_tear(image);
    // A machine that stopped while the log was being made leaves no more than a torn first batch.
    bool new_log = ret->found.empty && !image_has_tables(image) && ret->log_tear.offset == 0;
    code = judge_empty(ret, witness, error);
    if (code == ASSENT_OK)
        code = judge_tear(ret, witness, new_log, &ret->log_tear, error);
    if (code == ASSENT_OK)
        code = judge_tear(ret, witness, new_log, &ret->manifest_tear, error);
    return code;
}

static int check_absent(const char *db, const struct witness *witness, bool *ret,
                        assent_error *error)
{
    int code = image_absent(db, ret, error);
    if (code == ASSENT_OK && *ret && witness->found)
        return error_set(error, ASSENT_BEHIND,
                         "the database is missing, but record %" PRIu64 " was durable (file head)",
                         witness->head.seq);
    return code;
}

int log_check_dir(const char *dir, const struct witness *witness, struct log_check *ret,
                  log_check_visit *visit, void *arg, assent_error *error)
{
    char db[4096];
    assent_error own;
    assent_error *why = error ? error : &own;
    struct log_check check = {.found.empty = true};
    struct image *image = NULL;
    snprintf(db, sizeof db, "%s/db", dir);
    int code = check_absent(db, witness, &check.absent, why);
    if (code == ASSENT_OK && !check.absent) {
        code = image_open(db, &image, why);
        if (code == ASSENT_OK)
            code = check_image(image, witness, &check, visit, arg, why);
        if (code != ASSENT_OK && image)
            blame_end(image, why);
        image_close(&image);
    }
    if (code == ASSENT_OK) {
        *ret = check;
        return ASSENT_OK;
    }
    error_prefix(why, "%s", db);
    log_check_advise(why);
    return code;
}
