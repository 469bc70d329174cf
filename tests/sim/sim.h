// SPDX-License-Identifier: Apache-2.0
// The simulator: the cores that ship, their wire codec and stored records, in one process and in
// virtual time, from a seed. What a real shell has around a core (sockets, a log thread, workers, a
// clock) is played here by one queue of things that are to happen.
//
//   world.c        the queue, and what becomes of what is taken from it
//   shell.c        step, apply effects, flush: a process's turn
//   link.c         connections and frames
//   disk.c         the log thread, and what a crash leaves of its work
//   life.c         processes start, die and come back
//   bank.c         resource managers
//   bank_start.c   what they name at start
//   deed.c         business under the other protocols, with the barrier
//   app.c          applications
//   disaster.c     what happens to whole machines; operators
//   setup.c        what a seed draws
//   truth.c        what really happened to each transaction
//   check_*.c      what must hold, judged by the truth and by what is durable
//   story.c        the trace, in words and as a hash
//   memory*.c      what the cores hold of the heap
//   coverage.c     what has been exercised
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "base/map.h"
#include "core/client.h"
#include "core/coordinator.h"
#include "core/participant.h"
#include "coverage.h"
#include "faults.h"
#include "queue.h"
#include "store/memory.h"
#include "wire/record_codec.h"
#include "wire/wire.h"

enum {
    SIM_COORDINATORS_MAX = 8,
    SIM_PARTICIPANTS_MAX = 64, // of each coordinator,
    SIM_CLIENTS_MAX = 64,      // likewise
    SIM_ACTORS_MAX = SIM_COORDINATORS_MAX * (1 + SIM_PARTICIPANTS_MAX + SIM_CLIENTS_MAX),
    SIM_TRANSACTIONS_MAX = 3000,
    SIM_PROBES_MAX = SIM_COORDINATORS_MAX * SIM_CLIENTS_MAX, // one at each client, in the end
    SIM_TXS_MAX = SIM_TRANSACTIONS_MAX + SIM_PROBES_MAX,
    SIM_BRANCHES_MAX = 4,
    SIM_ATTEMPTS_MAX = 24, // runs of one gtid
    SIM_ACCOUNTS = 8,      // of one bank
    SIM_BALANCE = 1000,    // that each begins with
    SIM_ASKS = 4096,       // of one client, that may be open at a time
    SIM_VERDICT_BYTES = 400,
    SIM_HEARD = 16,
    SIM_VOTES = 64,
    DEED_RESULT_BYTES = 4,
    BANK_PAYLOAD_BYTES = 8,
    BANK_PAYLOAD_VARIANT = 6, // its place in a payload
    OTHER_PLAN_MS = 5777,     // in the plan of those who ask for the same in another one
    SIM_LONG_MS = 86400000,   // what is kept so long outlives the run
    // small limits, so that they are met
    TIGHT_TRANSACTIONS = 6,
    TIGHT_BRANCHES = 4,
    TIGHT_FINISHED = 6,
    TIGHT_ASKS = 8,
};
#define SIM_WHO "ann" // the operator
#define SIM_WHY "it had to end"
#define SIM_NO  "no such account" // what a bank says that refuses

// Of all that a seed decides, what the command line can override.
struct sim_setup {
    uint64_t seed;
    unsigned coordinators, participants, clients; // clients and participants: of each coordinator
    unsigned transactions;
    unsigned branches_max;
    uint32_t rate[FAULT_COUNT];
    uint32_t no_rate, read_only_rate, enlist_rate, own_rate; // workload, in a million
    uint32_t hot_rate;  // that a transfer is from the first account
    unsigned protocols; // bits, by enum protocol
    // Of applications of other protocols than two-phase commit, in a million: those that do their
    // part long after they could, that enlist all at once, that ask for the same in another plan.
    uint32_t late_rate, hurry_rate, plan_rate;
    uint32_t say_rate;     // enlisted branches that only look, and their application says so
    uint32_t nested_rate;  // tries that ask for a branch nested in theirs
    uint32_t kept_rate;    // sagas with a step that has no compensation
    uint32_t span_ms;      // in which the transactions begin
    uint32_t retention_ms; // of the coordinators' logs
    uint32_t patience_ms;  // of applications
    bool rm_durable;       // every second resource manager keeps what it has prepared by itself
    bool tight;            // small limits, so that they are met
    bool alike;            // all of them do, or none
    bool strangers;        // clients that must not touch each other's transactions
    uint32_t lease_gtids;  // in a lease
    const struct strikes *only; // borrowed; NULL: all strikes happen
    const bool *dropped;        // borrowed, by transaction; NULL: all of them are begun
};
void setup_draw(struct sim_setup *ret, uint64_t seed);
void setup_later(struct sim_setup *setup);          // what came later, from a stream of its own
void setup_business(struct sim_setup *setup);       // what is drawn for tcc, sagas and messages
bool setup_is_calm(const struct sim_setup *setup);  // nothing can go wrong in it
bool setup_is_quiet(const struct sim_setup *setup); // nothing keeps an answer from coming at once

// ---- the truth about transactions ----

enum held_state { HELD_NONE, HELD_WORKING, HELD_PREPARED, HELD_COMMITTED, HELD_ROLLED_BACK };

// What a resource manager holds of one branch of one run, and what its participant said of it.
struct held {
    uint8_t state;       // enum held_state
    uint8_t result_plus; // of the last prepare: enum rm_result + 1; 0: never asked
    bool voted_yes, voted_read_only, voted_no;
    bool forced;                   // an operator's word reached it
    bool lost;                     // it was finished, and prepared again
    bool undone;                   // rolled back; a late PREPARE may come after it
    bool word;                     // an operator's is durable in its journal
    uint8_t own;                   // HEURISTIC_ bits: what its resource manager did by itself,
    uint8_t journal_own;           // and what of that is durable in the journal
    bool own_forgotten;            // by the resource manager
    uint64_t doubt_us, doubt_life; // in doubt since, and the run of its coordinator then
    bool refused;                  // 3pc: that it never votes yes is in its journal,
    uint8_t quorum_state;          // or what it has promised and attempted
    uint64_t quorum_attempt;
    uint8_t journal_stage, journal_outcome; // durable in its participant's journal
    uint16_t bank;                          // index of the actor
    uint8_t account, account_to;            // NO_ACCOUNT: none
    uint8_t variant;                        // content of the request
    uint8_t kind;                           // enum branch_kind
    int32_t amount;
};
enum { NO_ACCOUNT = 0xff };

// What became of one branch of an admitted protocol at its bank.
struct deed {
    bool ran;       // the forward operation has had its effect: its row is there
    bool barred;    // it never can: the row was put there to keep it out
    bool undone;    // cancelled, compensated
    bool confirmed; // tcc
    bool forgotten; // the rows are gone
    bool asked, asked_final;
    bool enlisted;         // as its application was told
    uint16_t bank;         // where it ran,
    uint8_t variant;       // and with which content
    uint8_t journal_stage; // durable in its participant's journal
    uint32_t serial;       // what it returns
};

struct attempt {
    uint64_t number; // 0: work that the application started, never prepared
    struct held branches[SIM_BRANCHES_MAX];
};

// The register as it is on the coordinator's disk, durably.
struct register_view {
    bool stands;
    uint8_t stage, outcome, forced, mixed;
    bool other_plan;
    uint64_t attempt;
    uint64_t branches;  // bits: those that are in it
    uint64_t forced_ms; // when an operator had his word
    bool manager;       // a resource manager ended a branch otherwise than was decided
    bool noted;         // or as was decided, by itself
};

struct plan_branch {
    uint16_t bank; // index of the actor
    uint8_t account, account_to;
    int32_t amount;
    bool read_only;
    struct branch_plan plan; // of a step or delivery
};

struct sim_tx {
    struct gtid gtid; // size 0: not begun yet
    uint8_t protocol;
    unsigned index, coordinator, client; // actors
    // plan
    unsigned branch_count;
    struct plan_branch branches[SIM_BRANCHES_MAX];
    bool enlisted, own, wait_done, vanishes, probe;
    bool accepts; // is content to hear that it is admitted
    bool late, hurries, other_plan;
    bool nested;  // its last branch is asked for by the try of the first
    uint8_t said; // bits: enlisted branches that it calls read-only
    // progress of its application
    unsigned enlisted_count;
    unsigned tries;       // to begin
    uint64_t client_life; // of the application that began it
    bool cancelled;
    // truth
    uint8_t told; // enum outcome, the first final one that any client heard
    uint64_t told_us;
    uint64_t sent_us;          // a message: when that was decided
    unsigned submits, refused; // requests, and those certainly without effect
    uint64_t heard[SIM_HEARD]; // hashes of the sends that its coordinator heard last
    unsigned heard_count;
    bool doubled; // the network made two of one send: what refuses the first is true of that alone
    bool ordered; // by an operator
    bool forgotten;                   // ordered to be,
    bool lost;                        // and its branches were said to be lost for good
    bool heuristic;                   // a record of that was durable: its branches may differ
    bool said_no;                     // a resource manager refused, or a participant did
    bool managed;                     // one ended a branch by itself
    uint16_t noted[SIM_BRANCHES_MAX]; // bits, by HEURISTIC_: what was durable of that
    bool mixed_told;
    bool collected; // a record of it was let go of
    struct register_view reg;
    struct register_view gone; // as it was when it was let go of
    struct attempt *attempts;  // owned; of two-phase and three-phase commit
    struct {                   // 3pc: who has ever made that attempt durable
        uint64_t number;
        uint8_t members;
    } votes[SIM_VOTES];
    uint8_t elected; // enum outcome: what a majority has made durable
    unsigned attempt_count;
    struct deed deeds[SIM_BRANCHES_MAX]; // of the other protocols
};

// ---- processes ----

enum actor_kind { ACTOR_COORDINATOR, ACTOR_PARTICIPANT, ACTOR_CLIENT };

struct actor;

// What waits for the log thread.
struct log_op {
    token_t token; // 0: nobody waits for it
    bool lookup, lazy, decide, decided, forget, open, ends;
    uint64_t stamp;
    char key[RECORD_KEY_BYTES];
    uint8_t key_size;
    struct slice value;  // owned
    struct slice answer; // owned: what stands, or was found
    bool found, other;
};

struct disk {
    struct memory_disk *memory; // survives crashes
    struct memory_disk *copy;   // of an earlier moment; may be NULL
    struct store *store;        // NULL while nobody has it open
    struct log_op *ops;         // owned; the first `batch` are being written
    size_t count, capacity, batch;
    bool busy;          // a batch is under way
    bool applied;       // it is written,
    bool syncing;       // and being synced,
    bool synced;        // and it is
    bool lazy_waits;    // an item in the queue will begin a batch of lazy records
    struct slice *late; // owned: written without a sync, in order; the next one makes them durable
    size_t late_count, late_capacity;
    uint64_t horizon;
    uint64_t head_seq;
    unsigned since_collect;
    // what an operator will find at the next start
    uint8_t damage; // enum damage
};

enum damage { DAMAGE_NONE, DAMAGE_SHORTER, DAMAGE_FLIPPED, DAMAGE_OLDER };

// A participant's or client's connection to its coordinator.
struct link {
    peer_t peer;            // 0: none
    uint64_t last_us[2];    // when the last frame of each direction arrives
    uint64_t blocked_us[2]; // nothing arrives before that
};
enum direction { UP = 0, DOWN = 1 }; // to the coordinator, from it

struct account {
    int32_t balance, reserved;
};

struct bank {
    struct account accounts[SIM_ACCOUNTS];
};

struct call { // under way at a resource manager
    struct effect_call effect;
    uint8_t *memory; // owned: payload, inputs and result
    uint64_t serial;
    bool open;
    bool extended; // a nested branch was asked for, and that was answered
    uint16_t code; // enum assent_code: so
};
#define SIM_ADDRESS "at-%s" // of a participant of that name

struct outgoing { // a frame that is being filled
    struct buf frame;
    peer_t peer; // for which connection of the receiver
};

struct asked { // of a request
    uint64_t began_us;
    uint8_t branch; // of an ENLIST
};

struct actor {
    struct world *world;
    enum actor_kind kind;
    unsigned index;
    char name[24];
    const char *principal;    // that it has proved to be
    struct actor *home;       // participants, clients: the coordinator that they talk to,
    struct actor *first_home; // and the one that they belong to
    bool alive;
    uint64_t life; // counts starts; what was meant for an earlier life is dropped
    struct coordinator *coordinator;
    struct participant *participant;
    struct client *client;
    struct effects fx;
    size_t blocks;             // of the heap, that its core holds
    const struct event *event; // of the step that runs
    struct slice looked_up;    // key of the record that is being answered
    // the machine's clock
    uint32_t speed; // in a million
    int64_t wall_offset_ms;
    // its turn
    struct outgoing *out; // owned; a coordinator's by receiver, of others the one to their home
    unsigned out_count;
    bool flushing;    // an item in the queue will send them
    uint64_t tick_us; // when the next tick is queued for; UINT64_MAX: none is
    bool sent_prepare, sent_decide, sent_vote, sent_done;
    struct link link;
    struct disk disk;
    // participants
    bool rm_durable;
    uint64_t fence;     // highest that any frame to it carried
    uint64_t heard_seq; // highest log position of its coordinator that it knows of
    struct bank bank;
    struct call *calls; // owned
    unsigned call_capacity;
    uint64_t call_serial;
    // coordinators
    uint64_t id, incarnation;
    uint64_t shown_seq; // highest log position that any frame of it carried
    bool draining;
    uint64_t drain_until_us;
    // clients
    token_t ask_next;
    struct asked *asks; // owned; SIM_ASKS of them, by token
};

struct counts { // of what there is room for
    uint64_t open, finished;
};

struct world {
    struct sim_setup setup;
    struct faults faults;
    struct rng rng_app, rng_net, rng_disk, rng_rm, rng_time, rng_say;
    uint64_t now_us;
    struct queue queue;
    struct actor *actors; // owned
    unsigned actor_count;
    uint64_t *apart_us; // owned; see world_apart
    peer_t peer_next;
    unsigned peer_actor_bits; // of a peer: whose connection it is
    struct wire_reader reader;
    struct buf scratch;
    struct sim_tx *txs; // owned
    unsigned tx_count, tx_begun;
    struct map by_gtid;   // to sim_tx
    struct sim_tx *found; // the one that was found last
    uint32_t deed_serial;
    bool repaired; // no more faults: everything must come to its end
    uint64_t repair_us;
    bool failed;
    char verdict[SIM_VERDICT_BYTES]; // what broke: "invariant: details"
    // the trace
    uint64_t hash;
    struct buf *story; // borrowed; NULL: not wanted
    // counts
    uint64_t steps, frames, messages, syncs, crashes;
    struct coverage *coverage; // borrowed
};

struct sim_result {
    bool failed;
    char verdict[SIM_VERDICT_BYTES];
    uint64_t hash;
    uint64_t virtual_us, steps, messages, crashes, strikes;
    unsigned transactions, committed, aborted;
};

struct sim_extras {
    struct buf *story;         // may be NULL
    struct coverage *coverage; // may be NULL
    struct strikes *log;       // may be NULL
    const char *model;         // directory for traces of the model; may be NULL
};

// Plays one run from beginning to end.
void sim_run(const struct sim_setup *setup, struct sim_extras *extras, struct sim_result *ret);

// ---- world.c ----
// Something broke: the run ends here. Does not return.
_Noreturn void sim_fail(struct world *w, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define REQUIRE(w, condition, invariant, ...)                                                      \
    ((condition) ? (void)0 : sim_fail((w), (invariant), __VA_ARGS__))
peer_t world_peer(struct world *w, const struct actor *a);                   // a new connection
struct actor *world_actor_of_peer(struct world *w, peer_t peer);             // NULL: it is gone
const struct actor *world_owner_of_peer(const struct world *w, peer_t peer); // even then
// A client or participant of that coordinator, any one.
struct actor *world_any(struct world *w, struct rng *rng, enum actor_kind kind,
                        const struct actor *home);

// Between two participants, one way: nothing arrives before that.
uint64_t *world_apart(const struct world *w, const struct actor *from, const struct actor *to);

// ---- shell.c ----
struct now shell_now(const struct actor *a);
void shell_step(struct actor *a, struct event *event); // the time is filled in
void shell_flush(struct actor *a);
void shell_arm(struct actor *a); // queues the next tick
void shell_tick(struct actor *a, uint64_t due_us);
// Does the process die at this point? Then it is dead already.
bool shell_dies(struct actor *a, enum crash_point point);

// ---- link.c ----
void link_send(struct actor *from, struct actor *to, peer_t peer, struct slice frame);
void link_deliver(struct world *w, struct item *item);
void link_gone(struct world *w, struct item *item);
void link_connect(struct actor *a);               // tries to, and goes on trying
void link_cut(struct actor *a, bool lose_frames); // with all that travels, or what is to arrive
void link_down(struct actor *coordinator);        // it died
void link_tell(struct actor *from, const struct effect_tell *tell); // to another participant
void link_told(struct world *w, struct item *item);

// ---- disk.c ----
void disk_put(struct actor *a, const struct effect_write *write);
void disk_lookup(struct actor *a, token_t token, const struct gtid *gtid);
void disk_flush(struct actor *a);
void disk_turn(struct actor *a); // the log thread goes on
// 0, or why the log was refused.
int disk_open(struct actor *a, assent_error *error);
void disk_crash(struct actor *a, bool power);
void disk_repair(struct actor *a); // puts the true log back
void disk_free(struct disk *disk);

// ---- life.c ----
void life_start(struct actor *a);
void life_crash(struct actor *a, const char *how);
void life_end(struct actor *a); // memory is released; nothing is said

// ---- bank.c ----
void bank_call(struct actor *a, const struct effect_call *call);
void bank_do(struct actor *a, uint64_t serial);
void bank_answer(struct actor *a, const struct item *item);
void bank_extended(struct actor *a, const struct effect_extended *extended);
void bank_crash(struct actor *a);
void bank_free(struct actor *a);
void bank_found(struct actor *a);   // FOUND events for what is prepared
void bank_said(struct sim_tx *tx);  // 3pc: nothing is held of what is called read-only
void bank_working(struct actor *a); // and, after the start, WORKING events for what it cannot name
bool bank_work(struct actor *a, struct sim_tx *tx, unsigned branch);
struct slice bank_payload(struct buf *out, const struct sim_tx *tx, unsigned branch, bool other);
bool bank_nameless(const struct actor *a, const struct held *held);
int64_t bank_total(const struct world *w);

// ---- deed.c ----
enum { DEED_NESTED_INDEX = 3 };
// Does this try ask for a nested branch first?
bool deed_nests(const struct sim_tx *tx, const struct effect_call *call);
unsigned deed_submitted(const struct sim_tx *tx); // its branches without the nested one
uint8_t deed_nested_kind(const struct sim_tx *tx);
enum rm_result deed_do(struct actor *a, struct sim_tx *tx, const struct effect_call *call);
// The application does it itself. False: refused.
bool deed_by_application(struct actor *a, struct sim_tx *tx, unsigned branch);
void deed_bar(struct sim_tx *tx, unsigned branch); // it will not
struct slice deed_result(const struct deed *deed, uint8_t storage[DEED_RESULT_BYTES]);
int64_t deed_sum(const struct sim_tx *tx); // what the accounts together have from it
// What tries have reserved there and nobody has confirmed or cancelled.
int32_t deed_reserved(const struct world *w, unsigned bank, unsigned account);

// ---- app.c ----
enum app_step {
    APP_BEGIN,
    APP_ENLIST,
    APP_SUBMIT,
    APP_REPEAT,
    APP_OTHER,
    APP_CANCEL,
    APP_STATUS,
    APP_VANISH,
    APP_PREPARE, // a message
    APP_WORK,    // a try of its own, a message's local transaction
    APP_CUT,     // its connection
};
void app_plan(struct world *w);
void app_turn(struct world *w, const struct item *item);
void app_complete(struct actor *a, const struct effect_complete *complete);
void app_probe(struct world *w);  // after the repair: one transfer at each client
void app_status(struct world *w); // after the repair: everybody asks about everything

// ---- disaster.c ----
void disaster_turn(struct world *w);
void disaster_operator(struct world *w, const struct item *item);
void disaster_answer(struct actor *a, token_t token, int code, struct slice text);
void disaster_stopped(struct actor *a, int code, struct slice text); // by its own core
struct actor *disaster_knows(const struct actor *coordinator,
                             uint64_t log_seq); // of more than that
void disaster_show_more(struct actor *a);
void disaster_repair(struct world *w);

// ---- truth.c ----
struct sim_tx *truth_find(struct world *w, const struct gtid *gtid); // NULL: nobody began it
struct attempt *truth_peek(struct sim_tx *tx, uint64_t number);      // NULL: there is none
struct attempt *truth_attempt(struct world *w, struct sim_tx *tx, uint64_t number);
bool truth_three(const struct sim_tx *tx); // three-phase commit, of several branches
unsigned
truth_first(const struct sim_tx *tx); // branch that its application does not call read-only
void truth_recorded(struct world *w, struct sim_tx *tx, const struct branch_record *record);
bool truth_aborted(const struct sim_tx *tx); // 3pc: something durable says so
struct held *truth_held(struct world *w, const struct gtid *gtid, uint64_t attempt,
                        unsigned branch); // NULL: of nobody's
void truth_begin(struct world *w, struct sim_tx *tx, const struct gtid *gtid);

// ---- check_*.c ----
void check_send(struct actor *a, peer_t peer, const struct msg *msg);
void check_write(struct actor *a, const struct effect_write *write);
void check_synced(struct actor *a);    // the batch of its disk is durable
void check_opened(struct actor *a);    // the log was opened
void check_collected(struct actor *a); // records have gone
void check_call(struct actor *a, const struct effect_call *call, struct held *held);
void check_count(struct actor *a, struct counts *ret); // before a step
void check_bounds(struct actor *a, const struct event *event, const struct counts *before);
void check_submitted(struct world *w, peer_t peer, const struct msg_submit *submit);
void check_complete(struct actor *a, struct sim_tx *tx, unsigned step, uint64_t asked_us,
                    const struct effect_complete *complete);
void check_ordered(struct actor *a, struct sim_tx *tx, int code, struct slice text);
bool check_at_rest(const struct world *w);
const char *check_unrest(const struct world *w); // who is not at rest
void check_end(struct world *w);

void check_coordinator_send(struct actor *a, peer_t peer, const struct msg *msg);
void check_coordinator_write(struct actor *a, const struct effect_write *write);
void check_coordinator_durable(struct actor *a, const struct tx_record *record);
void check_record(struct actor *a, const struct sim_tx *tx, const struct tx_record *record);
void check_reason(struct actor *a, struct sim_tx *tx, const struct msg_result *result);
void check_participant_send(struct actor *a, const struct msg *msg);
void check_participant_durable(struct actor *a, const struct branch_record *record);
void check_tell(struct actor *a, const struct msg *msg);
void check_heard(struct actor *a, const struct frame_header *header);
void check_heard_before(struct actor *a, const struct branch_record *record);
void check_heard_of(struct actor *a);
void check_echo(struct actor *a, const struct frame_header *header);
void check_words(struct world *w, const struct sim_tx *tx);
void check_noted(struct world *w, const struct sim_tx *tx);

void check_deed_forward(struct world *w, const struct sim_tx *tx, unsigned branch);
void check_deed_back(struct world *w, const struct sim_tx *tx, unsigned branch);
void check_deed_confirm(struct world *w, const struct sim_tx *tx, unsigned branch);
void check_deed_forgotten(struct world *w, const struct sim_tx *tx, unsigned branch);
void check_deed_content(struct actor *a, struct sim_tx *tx, const struct effect_call *call);
void check_deed_payload(struct actor *a, const struct sim_tx *tx, const struct effect_call *call);
void check_deed_send(struct actor *a, struct sim_tx *tx, const struct msg *msg);
void check_deed_write(struct actor *a, struct sim_tx *tx, const struct effect_write *write);
void check_deed_vote(struct actor *a, struct sim_tx *tx, const struct msg_vote *m);
void check_deed_done(struct actor *a, struct sim_tx *tx, const struct msg_done *m);
void check_deed_end(struct world *w, const struct sim_tx *tx);
bool check_excused(const struct sim_tx *tx);
void check_memory(struct actor *a); // at rest, or dead

// ---- story.c ----
void story_say(struct actor *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void story_message(struct actor *to, peer_t peer, const struct msg *msg);
void story_told(struct actor *to, const struct actor *from, const struct msg *msg);
void story_effects(struct actor *a); // what the step wants written and read
void story_called(struct actor *a, const struct effect_call *call, enum rm_result result);
void story_complete(struct actor *a, const struct sim_tx *tx, unsigned step,
                    const struct effect_complete *complete);
void story_mix(struct world *w, uint64_t value); // into the hash
void story_mix_bytes(struct world *w, struct slice bytes);

#endif
