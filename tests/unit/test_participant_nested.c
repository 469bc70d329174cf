// SPDX-License-Identifier: Apache-2.0
// The story of a try that asks for nested branches; the coordinator is played by hand.
#include "play.h"

static const char BANK[] = "bank-a";

static const struct play_options ONE_BANK = {.by_hand = true, .participants = 1};

// The n-th attempt of the coordinator's present run.
static uint64_t attempt(const struct play *p, uint64_t n)
{
    return play_attempt(p->hand.incarnation, n);
}

static void send(struct play *p, const struct msg *msg)
{
    play_hand(p, BANK, msg);
    play_run(p);
}

static void prepare(struct play *p, const char *gtid, uint64_t n)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = play_gtid(gtid),
        .attempt = attempt(p, n),
        .protocol = PROTOCOL_TCC,
        .kind = BRANCH_CALL,
        .payload = slice_text("seat 12"),
    };
    send(p, &msg);
}

static void roll_back(struct play *p, const char *gtid, uint64_t n)
{
    play_hand_decide(p, BANK, MSG_ROLLBACK, play_gtid(gtid), attempt(p, n), 0);
    play_run(p);
}

static void fence(struct play *p, uint64_t n)
{
    p->hand.fence = attempt(p, n);
    play_hand_welcome(p, BANK);
    play_run(p);
}

static void extend(struct play *p, const char *gtid, unsigned index, const char *payload)
{
    struct event event = {.type = EVENT_EXTEND};
    event.u.extend = (struct event_extend){
        .token = p->token_next++,
        .gtid = play_gtid(gtid),
        .index = (uint16_t)index,
        .kind = BRANCH_CALL,
        .resource = slice_text("bank-b"),
        .payload = slice_text(payload),
    };
    play_line(p, BANK);
    buf_printf(&p->text, "the try of %s/0 asks for one more, by %u\n", gtid, index);
    cluster_step(cluster_actor(&p->cluster, BANK), &event);
    play_run(p);
}

static void extended(struct play *p, const char *gtid, uint64_t n, unsigned index,
                     enum assent_code code, const char *text)
{
    struct msg msg = {.type = MSG_EXTENDED};
    msg.u.extended = (struct msg_extended){
        .gtid = play_gtid(gtid),
        .attempt = attempt(p, n),
        .index = (uint16_t)index,
        .number = code == ASSENT_OK ? 5 : BRANCH_NONE,
        .code = (uint16_t)code,
        .text = slice_text(text),
    };
    send(p, &msg);
}

static void nested(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p,
             "A try asks for two nested branches, and for one of them twice at once. It is told "
             "the number of one,");
    play_say(&p, "once; and why the other cannot be.");
    play_hold_rm(&p, BANK);
    prepare(&p, "g", 1);
    extend(&p, "g", 0, "hotel");
    extend(&p, "g", 1, "car");
    extend(&p, "g", 0, "hotel");
    extended(&p, "g", 1, 0, ASSENT_OK, "");
    extended(&p, "g", 1, 0, ASSENT_OK, "");
    extended(&p, "g", 1, 1, ASSENT_LIMIT, "too many branches");
    play_say(&p, "The answer is lost: it asks again, and again; after a restart of the coordinator "
                 "at once, and in the");
    play_say(&p, "attempt that this has asked for. What was said of the earlier one counts no "
                 "more.");
    extend(&p, "g", 2, "car");
    play_pass(&p, 5000);
    p.hand.incarnation = 2;
    fence(&p, 1);
    play_pass(&p, 10);
    prepare(&p, "g", 1);
    play_pass(&p, 10);
    p.hand.incarnation = 1;
    extended(&p, "g", 1, 2, ASSENT_STATE, "over");
    p.hand.incarnation = 2;
    extended(&p, "g", 1, 2, ASSENT_OK, "");
    play_say(&p, "Rolled back while it waits: it must not wait any longer. The same when it has "
                 "voted, or is not there.");
    extend(&p, "g", 3, "boat");
    roll_back(&p, "g", 1);
    extend(&p, "g", 4, "boat");
    play_release(&p);
    play_run(&p);
    extend(&p, "g", 5, "boat");
    extend(&p, "h", 0, "boat");
    play_say(&p, "The handler did not wait for the answer.");
    play_hold_rm(&p, BANK);
    prepare(&p, "i", 2);
    extend(&p, "i", 0, "boat");
    play_release(&p);
    play_run(&p);
    extended(&p, "i", 2, 0, ASSENT_OK, "");
    play_say(&p, "Another coordinator answers: the one that would know is gone.");
    play_hold_rm(&p, BANK);
    prepare(&p, "j", 3);
    extend(&p, "j", 0, "boat");
    p.hand.coordinator = 0x2b2b2b2b2b;
    fence(&p, 9);
    extend(&p, "j", 0, "boat");
    play_close(&p, "participant-nested");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nested)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
