// SPDX-License-Identifier: Apache-2.0
// assent-rm --check: is all there that serving takes? Nothing is changed.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "rm.h"

struct findings {
    unsigned wrong;
};

static void say(struct findings *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct findings *f, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    f->wrong++;
}

// Entered for a branch that there is not, and rolled back. A table that is missing is no fault: it
// is made where it can be.
static void check_barrier(const struct rm *rm, struct sql_session *session)
{
    assent_barrier_entry entry;
    assent_error error;
    int code = rm->driver->begin(session, &error);
    if (!code)
        code = rm->driver->barrier_enter(session, "assent-rm.check", 0, ASSENT_BARRIER_ACTION,
                                         &entry, &error);
    rm->driver->rollback(session, NULL);
    if (code)
        printf("note: barrier: %s (it is made at the next start, where that is allowed)\n",
               error.message);
}

static void check_script(struct findings *f, const struct rm *rm, struct sql_session *session,
                         const struct procedure *p, enum operation operation)
{
    const struct script *script = &p->scripts[operation];
    assent_error error;
    for (unsigned i = 0; i < script->count; i++) {
        const struct statement *s = &script->statements[i];
        if (rm->driver->prepare && rm->driver->prepare(session, s->sql, s->argument_count, &error))
            say(f, "procedure %s: %s: statement %u: %s", p->name, operation_text(operation), i + 1,
                error.message);
    }
}

static void check_procedures(struct findings *f, const struct rm *rm, struct sql_session *session)
{
    for (unsigned i = 0; i < rm->procedures.count; i++)
        for (unsigned o = 0; o < OPERATION_COUNT; o++)
            check_script(f, rm, session, &rm->procedures.all[i], o);
}

static void check_database(struct findings *f, struct rm *rm)
{
    struct sql_session *session;
    assent_error error;
    if (sessions_mine(&rm->sessions, &session, &error)) {
        say(f, "database: %s", error.message);
        return;
    }
    if (rm->driver->check(session, &error))
        say(f, "database: %s", error.message);
    if (rm->options->barrier)
        check_barrier(rm, session);
    check_procedures(f, rm, session);
}

int rm_check(struct rm *rm)
{
    struct findings findings = {0};
    assent_error error;
    if (rm->driver)
        check_database(&findings, rm);
    if (findings.wrong == 0 && rm_open_xa(rm, &error))
        say(&findings, "XA: %s", error.message);
    if (findings.wrong == 0)
        printf("good: %s, %u procedures\n", rm->options->resource, rm->procedures.count);
    return findings.wrong ? EXIT_FOUND_WRONG : EXIT_GOOD;
}
