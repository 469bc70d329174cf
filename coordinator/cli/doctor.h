// SPDX-License-Identifier: Apache-2.0
// Private to doctor: what is looked at, what was found, and the steps on the way.
#ifndef CLI_DOCTOR_H
#define CLI_DOCTOR_H

#include "cli.h"
#include "core/record.h"
#include "doctor_judge.h"
#include "session.h"
#include "sql/sql_driver.h"

enum { DOCTOR_OLDER_MS = 60000, DOCTOR_PATH_BYTES = 4096 };

// A resource, with its database and its journal.
struct doctor_place {
    char *resource, *address, *journal; // owned; journal NULL: not said
    const struct sql_driver *driver;
    const char *where;
    struct sql_session *session; // NULL: it could not be asked
    char hash[9];                // of the resource's name
    bool journal_read;
};

// Of the transaction that a branch belongs to, as the coordinator has it.
struct doctor_tx {
    bool found;
    uint64_t attempt, started_ms;
    enum outcome outcome, branch_outcome;
    bool member, ended;
};

struct doctor_row {
    struct doctor_place *place;
    struct sql_prepared prepared; // when held; its name is "" otherwise
    bool held, still;             // still: at the last look
    assent_xid_parts parts;       // of one that only the journal knows: made from its record
    uint64_t attempt;             // of a call
    enum doctor_journal journal;
    enum outcome journal_outcome;
    uint64_t journal_ms; // since when the journal has it; 0: unknown
    struct doctor_tx tx;
    struct doctor_truths truths;
    struct doctor_verdict verdict;
    const char *fixed; // what --fix did, in words; NULL: nothing
    char trouble[200]; // or why it could not
};

struct doctor {
    const struct cli *cli;
    uint64_t older_ms;
    struct doctor_place places[CLI_LIST_MAX];
    size_t place_count;
    struct doctor_row *rows; // owned
    size_t count, capacity;
    // The coordinator, running or not.
    struct session *session; // NULL: not asked
    bool asked;              // the running one, or its log
    char coordinator[COORDINATOR_TEXT_BYTES];
    uint64_t incarnation, horizon_ms; // what ended before may have been collected; 0: nothing was
    json_t *unasked;                  // {what, name, message} of each thing that could not be asked
    bool memory_out;
};

// doctor_places.c: what the command line and the files it names say. EXIT_OK, or it has said why.
enum exit_code doctor_places(struct doctor *self);
void doctor_places_free(struct doctor *self);

// doctor_look.c: fills the rows anew, from all three, and judges them.
void doctor_look(struct doctor *self);
void doctor_unasked(struct doctor *self, const char *what, const char *name, const char *message);
// A row that is zero but for its place. NULL: out of memory.
struct doctor_row *doctor_add(struct doctor *self, struct doctor_place *place);

// doctor_databases.c
void doctor_databases_open(struct doctor *self);
void doctor_databases_close(struct doctor *self);
void doctor_databases_read(struct doctor *self);
// Drops what ended since the rows were read, and what only a journal knew and was prepared since.
void doctor_databases_again(struct doctor *self);
// On ASSENT_OK it is gone.
int doctor_roll_back(struct doctor_row *row, assent_error *error);

// doctor_journals.c: journals; and copies of those that are in use.
void doctor_journals_read(struct doctor *self);

// doctor_coordinator.c
void doctor_coordinator_open(struct doctor *self);
void doctor_coordinator_ask(struct doctor *self);
int doctor_retry(struct doctor *self, const char *gtid, assent_error *error);

// doctor_print.c
enum exit_code doctor_print(const struct doctor *self);

#endif
