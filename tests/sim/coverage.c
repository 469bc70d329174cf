// SPDX-License-Identifier: Apache-2.0
#include "coverage.h"

#include <string.h>

#include "sim.h"

static const struct sm_table *const tables[COVERAGE_TABLES] = {&tx_table, &tx_branch_table,
                                                               &part_table};

// Moves that the tables allow and no run can make, each with its reason.
static const struct {
    const struct sm_table *table;
    int from, to;
    const char *why;
} unreachable[] = {
    {&tx_table, TX_DELEGATING, TX_COMMITTING,
     "another coordinator decided first: only a replicated register store can answer so"},
    {&tx_table, TX_DELEGATING, TX_ABORTING,
     "another coordinator decided first: only a replicated register store can answer so"},
};

enum {
    TWO = 1 << PROTOCOL_2PC,
    THREE = 1 << PROTOCOL_3PC,
    TCC = 1 << PROTOCOL_TCC,
    SAGA = 1 << PROTOCOL_SAGA,
    MESSAGE = 1 << PROTOCOL_MESSAGE,
    LOCKING = TWO | THREE,
    BUSINESS = TCC | SAGA | MESSAGE,
    ALL = LOCKING | BUSINESS,
};

// Moves of some protocols, which a campaign without all of them cannot make.
static const struct {
    const struct sm_table *table;
    int from, to;
    unsigned protocols;
} special[] = {
    {&tx_table, TX_LOOKING, TX_ADMITTING, BUSINESS | THREE},
    {&tx_table, TX_LOOKING, TX_ACTIVE, LOCKING},
    {&tx_table, TX_LOOKING, TX_PREPARING, LOCKING},
    {&tx_table, TX_LOOKING, TX_DELEGATING, LOCKING},
    {&tx_table, TX_ADMITTING, TX_ACTIVE, TCC | MESSAGE},
    {&tx_table, TX_ADMITTING, TX_PREPARING, THREE | TCC | SAGA},
    {&tx_table, TX_ADMITTING, TX_ELECTING, THREE},
    {&tx_table, TX_ADMITTING, TX_DECIDING, BUSINESS | THREE},
    {&tx_table, TX_ACTIVE, TX_ADMITTING, THREE | TCC},
    {&tx_table, TX_ACTIVE, TX_PREPARING, ALL & ~SAGA},
    {&tx_table, TX_ACTIVE, TX_DECIDING, ALL & ~SAGA},
    {&tx_table, TX_ACTIVE, TX_DELEGATING, LOCKING},
    {&tx_table, TX_ACTIVE, TX_ABORTING, LOCKING},
    {&tx_table, TX_PREPARING, TX_ELECTING, THREE},
    {&tx_table, TX_PREPARING, TX_ABORTING, LOCKING},
    {&tx_table, TX_ELECTING, TX_COMMITTING, THREE},
    {&tx_table, TX_ELECTING, TX_ABORTING, THREE},
    {&tx_table, TX_DELEGATING, TX_DELEGATED, LOCKING},
    {&tx_table, TX_DELEGATED, TX_ENDING, LOCKING},
    {&tx_branch_table, BRANCH_ACTIVE, BRANCH_PAUSED, MESSAGE},
    {&tx_branch_table, BRANCH_ACTIVE, BRANCH_COMMITTING, SAGA},
    {&tx_branch_table, BRANCH_ACTIVE, BRANCH_ABORTING, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_PREPARING, BRANCH_PAUSED, SAGA | MESSAGE},
    {&tx_branch_table, BRANCH_PREPARING, BRANCH_PREPARED, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_PREPARING, BRANCH_COMMITTING, SAGA},
    {&tx_branch_table, BRANCH_PREPARING, BRANCH_ABORTING, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_PAUSED, BRANCH_PREPARING, SAGA | MESSAGE},
    {&tx_branch_table, BRANCH_PAUSED, BRANCH_COMMITTING, SAGA},
    {&tx_branch_table, BRANCH_PAUSED, BRANCH_ABORTING, SAGA},
    {&tx_branch_table, BRANCH_PAUSED, BRANCH_DONE, SAGA | MESSAGE},
    {&tx_branch_table, BRANCH_PREPARED, BRANCH_COMMITTING, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_PREPARED, BRANCH_ABORTING, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_PREPARED, BRANCH_DONE, SAGA},
    {&tx_branch_table, BRANCH_COMMITTING, BRANCH_ABORTING, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_COMMITTING, BRANCH_DONE, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_ABORTING, BRANCH_COMMITTING, ALL & ~MESSAGE},
    {&tx_branch_table, BRANCH_ABORTING, BRANCH_DONE, ALL & ~MESSAGE},
    {&part_table, PART_WORKING, PART_PREPARING, LOCKING},
    {&part_table, PART_WORKING, PART_DECIDING, THREE},
    {&part_table, PART_WORKING, PART_ROLLING_BACK, LOCKING},
    {&part_table, PART_PREPARING, PART_VOTING, ALL & ~MESSAGE},
    {&part_table, PART_PREPARING, PART_PREPARED, LOCKING},
    {&part_table, PART_PREPARING, PART_DECIDING, LOCKING},
    {&part_table, PART_PREPARING, PART_ROLLING_BACK, ALL & ~MESSAGE},
    {&part_table, PART_VOTING, PART_PREPARED, ALL & ~MESSAGE},
    {&part_table, PART_PREPARED, PART_DECIDING, ALL & ~MESSAGE},
    {&part_table, PART_PREPARED, PART_COMMITTING, LOCKING | TCC},
    {&part_table, PART_PREPARED, PART_ROLLING_BACK, ALL & ~MESSAGE},
    {&part_table, PART_PREPARED, PART_FINISHING, THREE | SAGA},
    {&part_table, PART_DECIDING, PART_COMMITTING, LOCKING | TCC},
    {&part_table, PART_DECIDING, PART_ROLLING_BACK, ALL & ~MESSAGE},
    {&part_table, PART_DECIDING, PART_FINISHING, SAGA},
    {&part_table, PART_COMMITTING, PART_FINISHING, LOCKING | TCC},
    {&part_table, PART_ROLLING_BACK, PART_FINISHING, ALL & ~MESSAGE},
    {&part_table, PART_FINISHED, PART_COMMITTING, LOCKING},
    {&part_table, PART_FINISHED, PART_ROLLING_BACK, LOCKING},
};

// Moves that a protocol makes so rarely that a campaign may or may not see one: a step of a saga is
// found decided after a crash, and not finished.
static const struct {
    const struct sm_table *table;
    int from, to;
    unsigned protocols;
} rare[] = {
    {&part_table, PART_COMMITTING, PART_FINISHING, SAGA},
};

// Likewise of crash points and faults.
static const struct {
    enum crash_point point;
    unsigned protocols;
} special_points[] = {
    {CRASH_coord_before_decide, ALL & ~MESSAGE},
    {CRASH_coord_after_decide, ALL & ~MESSAGE},
    {CRASH_part_before_commit, LOCKING | TCC},
    {CRASH_part_after_commit, LOCKING | TCC},
};

static const struct {
    enum fault fault;
    unsigned protocols;
} special_faults[] = {
    {FAULT_RM_MIND, LOCKING},
    {FAULT_RM_LOSES, LOCKING},
    {FAULT_RM_HEURISTIC, LOCKING},
};

static struct coverage *current;
static unsigned played; // protocols of the campaign that is reported

// Takes the place of sm_move: the core is not changed for it.
int __wrap_sm_move(const struct sm_table *table, int from, int to);
int __real_sm_move(const struct sm_table *table, int from, int to);
int __wrap_sm_move(const struct sm_table *table, int from, int to)
{
    for (unsigned i = 0; current && i < COVERAGE_TABLES; i++) {
        if (tables[i] == table && from < SM_STATES_MAX && to < SM_STATES_MAX)
            current->moves[i][from][to]++;
    }
    return __real_sm_move(table, from, to);
}

static const struct gtid *gtid_of(const struct msg *msg, unsigned *ret_branch)
{
    switch (msg->type) {
    case MSG_SUBMIT: return &msg->u.submit.gtid;
    case MSG_ENLIST: return &msg->u.enlist.gtid;
    case MSG_CANCEL:
    case MSG_STATUS: return &msg->u.gtid.gtid;
    case MSG_VOTE: return &msg->u.vote.gtid;
    case MSG_DONE: return &msg->u.done.gtid;
    case MSG_INQUIRE: return &msg->u.inquire.gtid;
    case MSG_PREPARE: *ret_branch = msg->u.prepare.branch; return &msg->u.prepare.gtid;
    case MSG_COMMIT:
    case MSG_ROLLBACK: *ret_branch = msg->u.decide.branch; return &msg->u.decide.gtid;
    case MSG_STANDING: *ret_branch = msg->u.standing.branch; return &msg->u.standing.gtid;
    default: return NULL;
    }
}

static void message(struct coverage *self, const struct actor *a, const struct msg *msg)
{
    static struct tx_view tx;
    struct part_view part;
    unsigned branch = 0;
    const struct gtid *gtid = gtid_of(msg, &branch);
    unsigned state = SM_STATES_MAX;
    if (!gtid)
        return;
    if (a->kind == ACTOR_COORDINATOR && coordinator_view(a->coordinator, gtid, &tx))
        state = tx.state;
    if (a->kind == ACTOR_PARTICIPANT &&
        participant_find(a->participant, gtid, (uint16_t)branch, &part))
        state = part.state;
    self->met[a->kind == ACTOR_PARTICIPANT][msg->type][state]++;
}

void coverage_event(struct coverage *self, const struct actor *a, const struct event *event)
{
    current = self;
    if (self && event->type == EVENT_RECEIVED && a->kind != ACTOR_CLIENT)
        message(self, a, event->u.received.msg);
}

void coverage_add(struct coverage *to, const struct coverage *from)
{
    const uint64_t *source = (const uint64_t *)from;
    uint64_t *target = (uint64_t *)to;
    for (size_t i = 0; i < sizeof *to / sizeof *target; i++)
        target[i] += source[i];
}

// ---- the report ----

static const char *excuse(const struct sm_table *table, int from, int to)
{
    for (size_t i = 0; i < sizeof unreachable / sizeof unreachable[0]; i++) {
        if (unreachable[i].table == table && unreachable[i].from == from && unreachable[i].to == to)
            return unreachable[i].why;
    }
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (!(special[i].protocols & played) && special[i].table == table &&
            special[i].from == from && special[i].to == to)
            return "of protocols that are not played";
    }
    return NULL;
}

static bool is_rare(const struct sm_table *table, int from, int to)
{
    for (size_t i = 0; i < sizeof rare / sizeof rare[0]; i++) {
        if (rare[i].protocols & played && rare[i].table == table && rare[i].from == from &&
            rare[i].to == to)
            return true;
    }
    return false;
}

static bool report_move(const struct coverage *self, unsigned table, int from, int to, FILE *out,
                        bool verbose)
{
    uint64_t count = self->moves[table][from][to];
    const char *why = excuse(tables[table], from, to);
    bool good = (count > 0) != (why != NULL) || (count > 0 && is_rare(tables[table], from, to));
    if (good && !verbose)
        return true;
    fprintf(out, "  %-12s %-14s -> %-14s %12llu%s%s\n", tables[table]->name,
            sm_name(tables[table], from), sm_name(tables[table], to), (unsigned long long)count,
            why     ? "  cannot be: "
            : count ? ""
                    : "  NEVER",
            why ? why : "");
    return good;
}

static bool report_moves(const struct coverage *self, FILE *out, bool verbose)
{
    unsigned allowed = 0, good = 0;
    for (unsigned i = 0; i < COVERAGE_TABLES; i++) {
        for (int from = 0; from < tables[i]->count; from++) {
            for (int to = 0; to < tables[i]->count; to++) {
                if (!sm_allowed(tables[i], from, to))
                    continue;
                allowed++;
                good += report_move(self, i, from, to, out, verbose);
            }
        }
    }
    fprintf(out, "moves: %u of %u allowed ones seen or explained\n", good, allowed);
    return good == allowed;
}

// Points that the simulator's shells do not pass: those of clients, whose applications it plays
// itself, and those that only admitted protocols have: tests/integration dies at them. And those of
// protocols that are not played.
static bool point_elsewhere(enum crash_point point)
{
    switch (point) {
    case CRASH_coord_after_admission:
    case CRASH_part_after_check:
    case CRASH_part_before_forget:
    case CRASH_part_after_forget:
    case CRASH_client_after_prepare:
    case CRASH_client_before_submit:
    case CRASH_tx_after_begin:
    case CRASH_tx_after_end:
    case CRASH_tx_after_enlist:
    case CRASH_tx_after_prepare:
    case CRASH_tx_after_decision:
    case CRASH_tx_after_commit:
    case CRASH_tx_after_rollback: return true;
    default: break;
    }
    for (size_t i = 0; i < sizeof special_points / sizeof special_points[0]; i++) {
        if (special_points[i].point == point && !(special_points[i].protocols & played))
            return true;
    }
    return false;
}

static bool report_points(const struct coverage *self, FILE *out, bool verbose)
{
    unsigned died = 0, wanted = 0;
    for (int i = 0; i < CRASH_POINT_COUNT; i++) {
        if (point_elsewhere((enum crash_point)i))
            continue;
        wanted++;
        died += self->points_died[i] > 0;
        if (verbose || self->points_died[i] == 0)
            fprintf(
                out, "  crash point  %-22s passed %12llu  died %10llu%s\n",
                crash_point_name((enum crash_point)i), (unsigned long long)self->points_passed[i],
                (unsigned long long)self->points_died[i], self->points_died[i] ? "" : "  NEVER");
    }
    fprintf(out, "crash points: died at %u of %u\n", died, wanted);
    return died == wanted;
}

static void report_messages(const struct coverage *self, FILE *out, bool verbose)
{
    const struct sm_table *const of[2] = {&tx_table, &part_table};
    unsigned pairs = 0;
    for (unsigned side = 0; side < 2; side++) {
        for (int type = 0; type < COVERAGE_MESSAGES; type++) {
            for (int state = 0; state <= SM_STATES_MAX; state++) {
                uint64_t count = self->met[side][type][state];
                pairs += count > 0;
                if (count && verbose)
                    fprintf(out, "  %-12s %-10s %-14s %12llu\n", of[side]->name,
                            msg_name((enum msg_type)type),
                            state == SM_STATES_MAX ? "(not in memory)" : sm_name(of[side], state),
                            (unsigned long long)count);
            }
        }
    }
    fprintf(out, "messages met in states: %u pairs\n", pairs);
}

static bool fault_elsewhere(enum fault fault)
{
    for (size_t i = 0; i < sizeof special_faults / sizeof special_faults[0]; i++) {
        if (special_faults[i].fault == fault && !(special_faults[i].protocols & played))
            return true;
    }
    return false;
}

static bool report_faults(const struct coverage *self, FILE *out, bool verbose)
{
    unsigned struck = 0, wanted = 0;
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (fault_elsewhere((enum fault)i))
            continue;
        wanted++;
        struck += self->strikes[i] > 0;
        if (verbose || self->strikes[i] == 0)
            fprintf(out, "  fault        %-22s struck %12llu%s\n", fault_name((enum fault)i),
                    (unsigned long long)self->strikes[i], self->strikes[i] ? "" : "  NEVER");
    }
    fprintf(out, "faults: %u of %u kinds struck\n", struck, wanted);
    return struck == wanted;
}

bool coverage_report(const struct coverage *self, unsigned protocols, FILE *out, bool verbose)
{
    played = protocols;
    bool moves = report_moves(self, out, verbose);
    bool points = report_points(self, out, verbose);
    bool faults = report_faults(self, out, verbose);
    report_messages(self, out, verbose);
    return moves && points && faults;
}

// The least power of two, in ms, that so many of a thousand do not exceed.
static uint64_t doubt_within(const uint64_t *doubts, uint64_t all, unsigned part)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < COVERAGE_DOUBTS; i++) {
        seen += doubts[i];
        if (seen * 1000 >= all * part)
            return UINT64_C(1) << i;
    }
    return 0;
}

void coverage_doubts(const struct coverage *self, FILE *out)
{
    fprintf(out, "in doubt when the coordinator died, until it was known:\n");
    for (unsigned three = 0; three < 2; three++) {
        uint64_t all = 0;
        for (unsigned i = 0; i < COVERAGE_DOUBTS; i++)
            all += self->doubts[three][i];
        if (all)
            fprintf(
                out,
                "  %s: %llu branches; half within %llu ms, 90%% within %llu, 99%% within %llu\n",
                three ? "3pc" : "2pc", (unsigned long long)all,
                (unsigned long long)doubt_within(self->doubts[three], all, 500),
                (unsigned long long)doubt_within(self->doubts[three], all, 900),
                (unsigned long long)doubt_within(self->doubts[three], all, 990));
    }
}
