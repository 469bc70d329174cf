// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/logger.h"

struct stage stage;

static void *library;

static void *symbol(const char *name)
{
    void *found = library ? dlsym(library, name) : NULL;
    if (!found)
        fail_msg("%s: %s", name, dlerror());
    return found;
}

int stage_setup(void **state)
{
    (void)state;
    memset(&stage, 0, sizeof stage);
    stage.dir = unit_dir_make();
    logger_setup(LOG_ERROR, LOG_LOGFMT, STDERR_FILENO, "xa-test"); // every code would be a line
    library = dlopen(XA_SCRIPTED, RTLD_NOW);
    return library ? 0 : -1;
}

int stage_teardown(void **state)
{
    (void)state;
    assent_xa_close(&stage.xa);
    unit_dir_remove(&stage.dir);
    dlclose(library);
    return 0;
}

__attribute__((format(printf, 2, 0))) static void script_begin(const char *first,
                                                               const char *format, va_list args)
{
    snprintf(stage.path, sizeof stage.path, "%s/script-%u", stage.dir, stage.scripts++);
    FILE *file = fopen(stage.path, "w");
    assert_non_null(file);
    fputs(first, file);
    vfprintf(file, format, args);
    assert_int_equal(fclose(file), 0);
}

void stage_write(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    script_begin("", format, args);
    va_end(args);
}

static assent_vote work(void *context, const assent_branch *branch, char *why)
{
    (void)branch;
    assert_ptr_equal(context, &stage);
    scripted_note_function *note = symbol("scripted_note");
    assert_int_equal(note("work"), XA_OK);
    if (stage.work_says)
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "%s", stage.work_says);
    return stage.work_votes;
}

void stage_options(assent_xa_options *ret)
{
    *ret = (assent_xa_options){
        .resource = RESOURCE,
        .library = XA_SCRIPTED,
        .symbol = "scripted_xa",
        .open_string = stage.path,
        .close_string = "bye",
        .rmid = RMID,
        .work = stage.work_votes ? work : NULL,
        .context = &stage,
    };
}

void stage_open(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    script_begin(OPEN, format, args);
    va_end(args);
    assent_xa_options options;
    stage_options(&options);
    if (assent_xa_open(&options, &stage.xa, &stage.error) != ASSENT_OK)
        fail_msg("%s", stage.error.message);
}

void stage_check(const char *about)
{
    scripted_end_function *end = symbol("scripted_end");
    const char *wrong = end();
    if (*wrong)
        fail_msg("%s: %s", about, wrong);
}

void stage_close(void)
{
    assent_xa_close(&stage.xa);
    assert_null(stage.xa);
    stage_check(stage.path);
}

static const assent_branch *branch_of(int enlisted, const char *kind, unsigned tries)
{
    static assent_branch branch;
    branch = (assent_branch){
        .gtid = GTID,
        .id = CALL_ID,
        .enlisted = enlisted,
        .payload = "",
        .tries = tries,
        .protocol = "2pc",
        .kind = kind,
        .operation = "",
    };
    return &branch;
}

const assent_branch *stage_call(unsigned tries)
{
    return branch_of(0, "call", tries);
}

const assent_branch *stage_enlisted(void)
{
    return branch_of(1, "enlisted", 0);
}

const assent_branch *stage_unknown(void)
{
    return branch_of(0, "", 0);
}
