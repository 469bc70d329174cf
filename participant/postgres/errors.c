// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "session.h"

struct meaning {
    const char *sqlstate; // or how those of a class begin
    int code;
};

// The first that fits. https://www.postgresql.org/docs/current/errcodes-appendix.html
static const struct meaning meanings[] = {
    {"08", ASSENT_UNAVAILABLE},    // connection exceptions
    {"0A", ASSENT_INVALID},        // not supported, such as to prepare it
    {"22", ASSENT_INVALID},        // data exceptions
    {"23", ASSENT_CONFLICT},       // constraints
    {"25006", ASSENT_DENIED},      // read-only
    {"25P03", ASSENT_UNAVAILABLE}, // idle in transaction for too long: it has closed the connection
    {"25", ASSENT_STATE},
    {"26", ASSENT_BUSY}, // a prepared statement is gone: the next try prepares it anew
    {"28", ASSENT_CONFIG},
    {"3D", ASSENT_CONFIG},
    {"40", ASSENT_BUSY}, // serialization failure, deadlock
    {"42501", ASSENT_DENIED},
    {"42710", ASSENT_CONFLICT},
    {"42", ASSENT_INVALID}, // syntax, unknown names
    {"53100", ASSENT_IO},
    {"53300", ASSENT_UNAVAILABLE},
    {"53", ASSENT_BUSY}, // no resources
    {"54", ASSENT_LIMIT},
    {"55P03", ASSENT_BUSY},
    {"55000", ASSENT_STATE},
    {"57014", ASSENT_BUSY},      // cancelled, a statement's time is up
    {"57P", ASSENT_UNAVAILABLE}, // shut down, starting up
    {"58", ASSENT_IO},
    {"P0001", ASSENT_CONFLICT}, // RAISE in a function: a rule of the business
    {"XX001", ASSENT_CORRUPT},
    {"XX002", ASSENT_CORRUPT},
};

int postgres_code(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (strncmp(sqlstate, meanings[i].sqlstate, strlen(meanings[i].sqlstate)) == 0)
            return meanings[i].code;
    return ASSENT_INTERNAL;
}

int postgres_rollback_code(const char *sqlstate)
{
    static const struct meaning reasons[] = {
        {"40P01", XA_RBDEADLOCK}, {"40", XA_RBTRANSIENT},  {"23", XA_RBINTEGRITY},
        {"57014", XA_RBTIMEOUT},  {"55P03", XA_RBTIMEOUT}, {"53", XA_RBTRANSIENT},
        {"26", XA_RBTRANSIENT},   {"57P", XA_RBCOMMFAIL},  {"08", XA_RBCOMMFAIL},
        {"25P03", XA_RBTIMEOUT},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (strncmp(sqlstate, reasons[i].sqlstate, strlen(reasons[i].sqlstate)) == 0)
            return reasons[i].code;
    return *sqlstate ? XA_RBOTHER : XA_RBROLLBACK;
}

int postgres_refuse_lost(assent_error *error)
{
    return error_set(error, ASSENT_UNAVAILABLE, "PostgreSQL: the connection is lost");
}

int postgres_refuse(struct sql_session *session, const PGresult *result, assent_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
    snprintf(session->sqlstate, sizeof session->sqlstate, "%s", state ? state : "");
    // Without a state it is libpq that speaks, of an answer that it could not take: who knows what
    // the server had to say.
    bool lost = PQstatus(session->conn) == CONNECTION_BAD || !state;
    int code = lost ? ASSENT_UNAVAILABLE : postgres_code(state);
    const char *message = text ? text : PQerrorMessage(session->conn);
    int size = (int)strcspn(message, "\n");
    error_set(error, code, "PostgreSQL: %.*s%s%s%s%s%s%s%s", size, message, detail ? ": " : "",
              detail ? detail : "", hint ? " (" : "", hint ? hint : "", hint ? ")" : "",
              state ? ", SQLSTATE " : "", state ? state : "");
    if (code == ASSENT_UNAVAILABLE)
        postgres_drop(session);
    return code;
}
