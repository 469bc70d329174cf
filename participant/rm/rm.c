// SPDX-License-Identifier: Apache-2.0
#include "rm.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/logger.h"

// A switch is opened and closed with strings of its own, in which there may be a password: they are
// in no message.
static int check_strings(const struct rm *rm, assent_error *error)
{
    const char *open = rm->driver ? rm->where : rm->options->open;
    if (open && strlen(open) >= MAXINFOSIZE)
        return error_set(
            error, ASSENT_CONFIG,
            "%s has more than %d bytes behind the colon, which is all that XA takes; a "
            "service file (postgres) or an option file (mariadb) can hold the rest",
            rm->driver ? "the database's address" : "--open", MAXINFOSIZE - 1);
    return ASSENT_OK;
}

int rm_load(struct rm *ret, const struct rm_options *options, assent_error *error)
{
    *ret = (struct rm){.options = options};
    int code = ASSENT_OK;
    if (options->database)
        code = sql_driver_load(options->database, &ret->driver, &ret->where, error);
    if (!code)
        code = check_strings(ret, error);
    if (!code && options->procedures)
        code = procedures_load(&ret->procedures, options->procedures, error);
    if (!code && ret->driver)
        code = sessions_init(&ret->sessions, ret->driver, ret->where, error);
    return code;
}

static int open_driver(struct rm *rm, assent_error *error)
{
    struct sql_session *session;
    int code = sessions_mine(&rm->sessions, &session, error);
    if (!code)
        code = rm->driver->check(session, error);
    if (!code && rm->options->barrier)
        code = rm->driver->barrier_create(session, error);
    return code;
}

// "LIBRARY:SYMBOL" cut in two, malloc'ed; *ret_symbol is NULL where there is none.
static char *cut_symbol(const char *address, const char **ret_symbol)
{
    char *library = strdup(address), *colon = library ? strrchr(library, ':') : NULL;
    *ret_symbol = colon ? colon + 1 : NULL;
    if (colon)
        *colon = '\0';
    return library;
}

int rm_open_xa(struct rm *rm, assent_error *error)
{
    const struct rm_options *o = rm->options;
    assent_xa_options options = {.resource = o->resource, .rmid = RM_ID, .context = rm};
    if (rm->driver) {
        options.xa_switch = rm->driver->xa;
        options.open_string = rm->where;
        options.work = rm->procedures.count ? rm_work : NULL;
        return assent_xa_open(&options, &rm->xa, error);
    }
    char *library = cut_symbol(o->xa, &options.symbol);
    options.library = library;
    options.open_string = o->open;
    options.close_string = o->close;
    int code;
    if (!library)
        code = error_set(error, ASSENT_NOMEM, "out of memory");
    else if (!options.symbol || !*options.symbol || !*library)
        code = error_set(error, ASSENT_CONFIG,
                         "--xa takes a library and the name of its switch, as in "
                         "libdb.so:db_xa_switch");
    else
        code = assent_xa_open(&options, &rm->xa, error);
    free(library);
    return code;
}

int rm_open(struct rm *rm, assent_error *error)
{
    int code = rm->driver ? open_driver(rm, error) : ASSENT_OK;
    return code ? code : rm_open_xa(rm, error);
}

void rm_close(struct rm *rm)
{
    if (rm->xa)
        assent_xa_close(&rm->xa);
    sessions_close(&rm->sessions);
    procedures_free(&rm->procedures);
}

// No tcc or message is tried for as long as a day (docs/barrier.md, "How rows go").
enum { FENCES_KEPT_S = 86400, ROWS_AT_ONCE = 1000 };

void rm_collect(struct rm *rm)
{
    struct sql_session *session;
    assent_error error;
    uint64_t removed = ROWS_AT_ONCE, horizon_ms = ((uint64_t)time(NULL) - FENCES_KEPT_S) * 1000;
    int code = sessions_mine(&rm->sessions, &session, &error);
    while (!code && removed >= ROWS_AT_ONCE) {
        code = rm->driver->begin(session, &error);
        if (!code)
            code = rm->driver->barrier_collect(session, horizon_ms, ROWS_AT_ONCE, &removed, &error);
        if (!code)
            code = rm->driver->commit(session, &error);
        if (code)
            rm->driver->rollback(session, NULL);
    }
    if (code)
        log_event(LOG_WARN, "not_collected", KV("why", error.message));
}
