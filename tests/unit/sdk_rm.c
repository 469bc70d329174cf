// SPDX-License-Identifier: Apache-2.0
#include "sdk_rm.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 60 };

struct rm_world rm;

static void wait_change(const char *what)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_cond_timedwait(&rm.changed, &rm.lock, &until) != 0) {
        pthread_mutex_unlock(&rm.lock);
        fail_msg("never: %s", what);
    }
}

// ---- handlers ----

static void copy_text(char to[32], const void *from, size_t size)
{
    snprintf(to, 32, "%.*s", (int)size, (const char *)from);
}

static void note_content(struct rm_call *call, const assent_branch *branch)
{
    size_t size = 0;
    const void *input = assent_branch_input(branch, 0, &size);
    copy_text(call->input, input ? input : "", size);
    copy_text(call->result, branch->result, branch->result_size);
    snprintf(call->about, sizeof call->about, "%s %s %s", branch->protocol, branch->kind,
             branch->operation);
}

static void call_begins(char op, const assent_branch *branch, const char *payload)
{
    pthread_mutex_lock(&rm.lock);
    if (rm.call_count < RM_CALLS_MAX) {
        struct rm_call *call = &rm.calls[rm.call_count++];
        call->op = op;
        snprintf(call->gtid, sizeof call->gtid, "%s", branch->gtid);
        snprintf(call->id, sizeof call->id, "%s", branch->id);
        snprintf(call->payload, sizeof call->payload, "%s", payload);
        call->branch = branch->branch;
        call->tries = branch->tries;
        call->enlisted = branch->enlisted;
        note_content(call, branch);
    }
    rm.inside++;
    pthread_cond_broadcast(&rm.changed);
    if (strcmp(payload, op == 'c' ? "slow-commit" : "slow") == 0) {
        rm.slow_inside++;
        rm.overlaps += rm.slow_inside > 1;
        while (!rm.let_go)
            pthread_cond_wait(&rm.changed, &rm.lock);
        rm.slow_inside--;
    } else if (rm.slow_inside > 0 && strcmp(payload, "slow") == 0) {
        rm.overlaps++;
    }
    rm.inside--;
    pthread_mutex_unlock(&rm.lock);
}

static void payload_text(const assent_branch *branch, char ret[32])
{
    size_t size = branch->size < 31 ? branch->size : 31;
    if (size)
        memcpy(ret, branch->payload, size);
    ret[size] = '\0';
}

static assent_vote prepare(void *context, const assent_branch *branch, char *why)
{
    char payload[32];
    (void)context;
    payload_text(branch, payload);
    call_begins('p', branch, payload);
    if (strcmp(payload, "no") == 0) {
        strcpy(why, "because");
        return ASSENT_VOTE_NO;
    }
    return strcmp(payload, "read") == 0 ? ASSENT_VOTE_READ_ONLY : ASSENT_VOTE_YES;
}

static assent_done_code commit(void *context, const assent_branch *branch)
{
    char payload[32];
    (void)context;
    payload_text(branch, payload);
    call_begins('c', branch, payload);
    if (strncmp(payload, "heur", 4) == 0) // and which one
        return (assent_done_code)(payload[4] - '0');
    return strcmp(payload, "retry") == 0 && branch->tries < 3 ? ASSENT_RETRY : ASSENT_DONE;
}

static assent_done_code forget(void *context, const assent_branch *branch)
{
    (void)context;
    call_begins('o', branch, "");
    return branch->tries < 1 ? ASSENT_RETRY : ASSENT_DONE;
}

static assent_done_code rollback(void *context, const assent_branch *branch)
{
    char payload[32];
    (void)context;
    payload_text(branch, payload);
    call_begins('r', branch, payload);
    return ASSENT_DONE;
}

static int recover(void *context, assent_recovery *recovery)
{
    (void)context;
    for (int i = 0; i < RM_PREPARED_MAX && rm.prepared[i]; i++)
        rm.prepared_codes[i] = assent_recovery_add(recovery, rm.prepared[i]);
    return 0;
}

// Handlers of business code: what the payload says.
static bool does(char op, const assent_branch *branch, const char *what)
{
    char payload[32];
    payload_text(branch, payload);
    if (op)
        call_begins(op, branch, payload);
    return strcmp(payload, what) == 0;
}

static assent_vote try_(void *context, const assent_branch *branch, char *why)
{
    (void)context;
    bool no = does('t', branch, "no"), call = does(0, branch, "nested");
    if (call || does(0, branch, "nested-enlist")) {
        uint16_t number = 99;
        assent_error error;
        int code = (call ? assent_nested_call : assent_nested_enlist)(branch, 7, "hotel", "room", 4,
                                                                      &number, &error);
        snprintf(why, ASSENT_NO_REASON_MAX, "%s", code ? error.message : "");
        return code == ASSENT_OK && number == 3 ? ASSENT_VOTE_YES : ASSENT_VOTE_NO;
    }
    if (!no)
        return ASSENT_VOTE_YES;
    strcpy(why, "sold out");
    return ASSENT_VOTE_NO;
}

static assent_done_code confirm(void *context, const assent_branch *branch)
{
    (void)context;
    does('f', branch, "");
    return ASSENT_DONE;
}

static assent_done_code cancel(void *context, const assent_branch *branch)
{
    (void)context;
    does('x', branch, "");
    return ASSENT_DONE;
}

static assent_action_code action(void *context, const assent_branch *branch, assent_answer *answer,
                                 char *why)
{
    (void)context;
    strcpy(why, "no more flights");
    if (does('a', branch, "no"))
        return ASSENT_ACTION_FAILED;
    if (does(0, branch, "later"))
        return ASSENT_ACTION_RETRY;
    answer->size = (size_t)snprintf((char *)answer->data, sizeof answer->data, "did %.*s",
                                    (int)branch->size, (const char *)branch->payload);
    return ASSENT_ACTION_DONE;
}

static assent_done_code compensate(void *context, const assent_branch *branch)
{
    (void)context;
    does('u', branch, "");
    return branch->tries < 1 ? ASSENT_RETRY : ASSENT_DONE;
}

static assent_done_code deliver(void *context, const assent_branch *branch, char *why)
{
    (void)context;
    if (!does('d', branch, "later"))
        return ASSENT_DONE;
    strcpy(why, "closed");
    return ASSENT_RETRY;
}

static assent_check_code check_back(void *context, const assent_branch *branch, char *why)
{
    (void)context;
    strcpy(why, "still at work");
    if (does('k', branch, "later"))
        return ASSENT_CHECK_RETRY;
    return does(0, branch, "no") ? ASSENT_CHECK_DID_NOT_HAPPEN : ASSENT_CHECK_HAPPENED;
}

static assent_done_code ended(void *context, const assent_branch *branch)
{
    (void)context;
    does('e', branch, "");
    return ASSENT_DONE;
}

const assent_handlers rm_business = {
    .try_ = try_,
    .confirm = confirm,
    .cancel = cancel,
    .action = action,
    .compensate = compensate,
    .deliver = deliver,
    .check_back = check_back,
    .ended = ended,
};

const assent_handlers *rm_handlers(bool with_recover)
{
    static const assent_handlers plain = {
        .prepare = prepare, .commit = commit, .rollback = rollback, .forget = forget};
    static const assent_handlers recovering = {
        .prepare = prepare, .commit = commit, .rollback = rollback, .recover = recover};
    return with_recover ? &recovering : &plain;
}

const char *rm_story(const char *gtid)
{
    static char story[RM_CALLS_MAX + 1];
    size_t size = 0;
    pthread_mutex_lock(&rm.lock);
    for (unsigned i = 0; i < rm.call_count; i++) {
        if (strcmp(rm.calls[i].gtid, gtid) == 0)
            story[size++] = rm.calls[i].op;
    }
    pthread_mutex_unlock(&rm.lock);
    story[size] = '\0';
    return story;
}

struct rm_call rm_await_call(char op, const char *gtid, unsigned n)
{
    pthread_mutex_lock(&rm.lock);
    for (;;) {
        unsigned found = 0;
        for (unsigned i = 0; i < rm.call_count; i++) {
            struct rm_call call = rm.calls[i];
            if (call.op == op && strcmp(call.gtid, gtid) == 0 && ++found == n) {
                pthread_mutex_unlock(&rm.lock);
                return call;
            }
        }
        wait_change("a handler's call");
    }
}

void rm_await_slow(unsigned count)
{
    pthread_mutex_lock(&rm.lock);
    while (rm.slow_inside < count)
        wait_change("a slow handler");
    pthread_mutex_unlock(&rm.lock);
}

void rm_let_go(void)
{
    pthread_mutex_lock(&rm.lock);
    rm.let_go = true;
    pthread_cond_broadcast(&rm.changed);
    pthread_mutex_unlock(&rm.lock);
}

// ---- what the participant says ----

static const struct gtid *gtid_of(const struct msg *msg)
{
    if (msg->type == MSG_VOTE)
        return &msg->u.vote.gtid;
    if (msg->type == MSG_DONE)
        return &msg->u.done.gtid;
    if (msg->type == MSG_EXTEND)
        return &msg->u.extend.gtid;
    return msg->type == MSG_INQUIRE ? &msg->u.inquire.gtid : NULL;
}

static void listen_to(struct fake *f, peer_t peer, const struct msg *msg)
{
    fake_manners(f, peer, msg);
    pthread_mutex_lock(&rm.lock);
    if (msg->type == MSG_HELLO)
        rm.hello = msg->u.hello;
    if (gtid_of(msg) && rm.said_count < RM_SAID_MAX) {
        struct rm_said *said = &rm.said[rm.said_count++];
        said->msg = *msg;
        if (msg->type == MSG_VOTE)
            snprintf(said->text, sizeof said->text, "%.*s", (int)msg->u.vote.text.size,
                     (const char *)msg->u.vote.text.data);
        if (msg->type == MSG_DONE)
            snprintf(said->text, sizeof said->text, "%.*s", (int)msg->u.done.result.size,
                     (const char *)msg->u.done.result.data);
        pthread_cond_broadcast(&rm.changed);
    }
    pthread_mutex_unlock(&rm.lock);
}

static bool speaks_of(const struct rm_said *said, enum msg_type type, const char *gtid)
{
    return said->msg.type == type && slice_equal(gtid_slice(gtid_of(&said->msg)), slice_text(gtid));
}

struct rm_said rm_await(enum msg_type type, const char *gtid, unsigned n)
{
    pthread_mutex_lock(&rm.lock);
    for (;;) {
        unsigned found = 0;
        for (unsigned i = 0; i < rm.said_count; i++) {
            if (speaks_of(&rm.said[i], type, gtid) && ++found == n) {
                struct rm_said said = rm.said[i];
                pthread_mutex_unlock(&rm.lock);
                return said;
            }
        }
        wait_change(msg_name(type));
    }
}

struct msg_hello rm_last_hello(void)
{
    pthread_mutex_lock(&rm.lock);
    struct msg_hello hello = rm.hello;
    pthread_mutex_unlock(&rm.lock);
    return hello;
}

unsigned rm_count_said(enum msg_type type, const char *gtid)
{
    unsigned found = 0;
    pthread_mutex_lock(&rm.lock);
    for (unsigned i = 0; i < rm.said_count; i++)
        found += speaks_of(&rm.said[i], type, gtid);
    pthread_mutex_unlock(&rm.lock);
    return found;
}

void rm_await_vote(const char *gtid, enum vote vote)
{
    assert_int_equal(rm_await(MSG_VOTE, gtid, 1).msg.u.vote.vote, vote);
}

void rm_await_done(const char *gtid, enum outcome outcome)
{
    assert_int_equal(rm_await(MSG_DONE, gtid, 1).msg.u.done.outcome, outcome);
}

// ---- what it is told ----

static void send_order(struct fake *f, void *arg)
{
    fake_reply(f, f->participant, arg);
}

void rm_say(const struct msg *msg)
{
    fake_do(&rm.fake, send_order, (void *)msg);
}

static struct gtid gtid_named(const char *text)
{
    struct gtid gtid;
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

void rm_prepare_flags(const char *gtid, uint64_t attempt, const char *payload, unsigned flags,
                      enum branch_kind kind)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = gtid_named(gtid),
        .attempt = attempt,
        .branch = 1,
        .protocol = PROTOCOL_2PC,
        .kind = (uint8_t)kind,
        .flags = (uint8_t)flags,
        .timeout_ms = 10000,
        .payload = slice_text(payload),
    };
    fake_do(&rm.fake, send_order, &msg);
}

void rm_prepare(const char *gtid, uint64_t attempt, const char *payload)
{
    rm_prepare_flags(gtid, attempt, payload, 0, BRANCH_CALL);
}

static void decide(enum msg_type type, const char *gtid, uint64_t attempt)
{
    struct msg msg = {.type = type};
    msg.u.decide = (struct msg_decide){.gtid = gtid_named(gtid), .attempt = attempt, .branch = 1};
    fake_do(&rm.fake, send_order, &msg);
}

void rm_commit(const char *gtid, uint64_t attempt)
{
    decide(MSG_COMMIT, gtid, attempt);
}

void rm_rollback(const char *gtid, uint64_t attempt)
{
    decide(MSG_ROLLBACK, gtid, attempt);
}

void rm_noted(const char *gtid, uint64_t attempt)
{
    struct msg msg = {.type = MSG_STANDING};
    msg.u.standing = (struct msg_standing){.gtid = gtid_named(gtid),
                                           .attempt = attempt,
                                           .branch = 1,
                                           .outcome = OUTCOME_COMMITTED,
                                           .flags = STANDING_NOTED};
    fake_do(&rm.fake, send_order, &msg);
}

void rm_standing(const char *gtid, uint64_t attempt, enum outcome outcome)
{
    struct msg msg = {.type = MSG_STANDING};
    msg.u.standing = (struct msg_standing){
        .gtid = gtid_named(gtid), .attempt = attempt, .branch = 1, .outcome = (uint8_t)outcome};
    fake_do(&rm.fake, send_order, &msg);
}

static void fence_order(struct fake *f, void *arg)
{
    struct msg pong = {.type = MSG_PONG};
    f->fence = *(uint64_t *)arg;
    fake_reply(f, f->participant, &pong);
}

void rm_fence(uint64_t fence)
{
    fake_do(&rm.fake, fence_order, &fence);
}

// ---- life ----

int rm_setup(void **state)
{
    (void)state;
    memset(&rm, 0, sizeof rm);
    pthread_mutex_init(&rm.lock, NULL);
    pthread_cond_init(&rm.changed, NULL);
    fake_init(&rm.fake, listen_to, NULL);
    fake_start(&rm.fake);
    return 0;
}

int rm_teardown(void **state)
{
    (void)state;
    rm_let_go();
    rm_close();
    fake_free(&rm.fake);
    pthread_cond_destroy(&rm.changed);
    pthread_mutex_destroy(&rm.lock);
    return 0;
}

void rm_options(assent_participant_options *ret)
{
    static char journal[128];
    snprintf(journal, sizeof journal, "%s/journal", rm.fake.dir);
    *ret = (assent_participant_options){
        .resource = "bank",
        .journal_dir = journal,
        .endpoint = rm.fake.endpoint,
        .workers = 2,
    };
}

static void open_and_wait(const assent_participant_options *options,
                          const assent_handlers *handlers)
{
    if (assent_participant_open(options, handlers, NULL, &rm.participant, &rm.error) != ASSENT_OK)
        fail_msg("%s", rm.error.message);
    if (assent_participant_wait(rm.participant, 60000, &rm.error) != ASSENT_OK)
        fail_msg("%s", rm.error.message);
}

void rm_open(bool with_recover, bool durable)
{
    assent_participant_options options;
    rm_options(&options);
    options.rm_durable = durable;
    open_and_wait(&options, rm_handlers(with_recover));
}

void rm_open_with(const assent_handlers *handlers)
{
    assent_participant_options options;
    rm_options(&options);
    open_and_wait(&options, handlers);
}

void rm_close(void)
{
    assent_participant_close(&rm.participant);
}

// ---- another process ----

static void serve(const char *endpoint, const char *journal)
{
    assent_participant *participant;
    assent_error error;
    assent_participant_options options = {
        .resource = "bank", .journal_dir = journal, .endpoint = endpoint};
    pthread_mutex_init(&rm.lock, NULL);
    pthread_cond_init(&rm.changed, NULL);
    int code = assent_participant_open(&options, rm_handlers(false), NULL, &participant, &error);
    if (code != ASSENT_OK) {
        fprintf(stderr, "%s\n", error.message);
        _exit(code);
    }
    struct pollfd fd = {.fd = assent_participant_fd(participant), .events = POLLIN};
    while (poll(&fd, 1, -1) != 1)
        continue;
    code = assent_participant_failure(participant, &error);
    fprintf(stderr, "%s\n", error.message);
    assent_participant_counts counts;
    assent_participant_count(participant, &counts);
    assent_participant_close(&participant);
    _exit(counts.failed == code ? code : 99);
}

void rm_maybe_serve(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv[3]);
}

pid_t rm_spawn(const char *crash, unsigned file_bytes_max)
{
    assent_participant_options options;
    rm_options(&options);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (crash)
        setenv("ASSENT_CRASH_POINT", crash, 1);
    if (file_bytes_max) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){file_bytes_max, file_bytes_max});
    }
    execl("/proc/self/exe", "serve", "serve", options.endpoint, options.journal_dir, (char *)NULL);
    _exit(126);
}

int rm_reap(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}
