// SPDX-License-Identifier: Apache-2.0
// Three-phase commit under random loss, duplication, disorder, partitions and crashes; then
// everything is repaired and all must know the outcome: the same, for ever, and commit only where
// all have promised. The cores broken on purpose are found out, textbook 3PC among them; its shrunk
// run is told in docs/protocols/3pc.md (UPDATE_DOCS=1 rewrites it there).
//
// SEEDS=n runs so many seeds; SEED=n tells the story of one, with MUTANT=name of broken cores, and
// with SHRINK=1 of the least plan that still breaks them.
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "quorum_world.h"

enum { SEEDS = 20000, MUTANT_SEEDS = 5000, MEMBERS_MIN = 2 };

// What breaks, and where the search for it begins: some take very rare weather.
static const struct {
    enum mutant mutant;
    const char *name;
    unsigned from;
} broken[] = {
    {MUTANT_SKEEN, "skeen", 1},
    {MUTANT_QUORUM_OF_HALF, "quorum-of-half", 1},
    {MUTANT_ATTEMPT_IGNORED, "attempt-ignored", 1},
    {MUTANT_TRY_EARLY, "try-early", 1},
    {MUTANT_PROMISE_FORGOTTEN, "promise-forgotten", 125000},
    {MUTANT_REFUSAL_UNRECORDED, "refusal-unrecorded", 105000},
    {MUTANT_COORDINATOR_ABORTS_LATE, "coordinator-aborts-late", 1},
};
enum { BROKEN = sizeof broken / sizeof broken[0] };

static unsigned number_of(const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static uint64_t one_of(struct rng *rng, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t all[] = {a, b, c};
    return all[rng_below(rng, 3)];
}

// Each seed has its own weather, so that what is rare in one is common in another.
static struct world_plan plan_of(uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed ^ 0x3bc);
    struct world_plan plan = {
        .seed = seed,
        .members = MEMBERS_MIN + (unsigned)rng_below(&rng, WORLD_MEMBERS_MAX - MEMBERS_MIN + 1),
        .loss = (unsigned)rng_below(&rng, one_of(&rng, 1, 40, 70)),
        .twice = (unsigned)rng_below(&rng, one_of(&rng, 1, 1, 30)),
        .delay_ms_max = 1 + rng_below(&rng, one_of(&rng, 10, 30, 400)),
        .sync_ms_max = 1 + rng_below(&rng, one_of(&rng, 10, 20, 300)),
        .suspect_ms = 20 + (uint32_t)rng_below(&rng, one_of(&rng, 30, 100, 300)),
        .repair_ms = 4000,
    };
    if (rng_below(&rng, 2))
        plan.members = 3;
    if (rng_below(&rng, 12) == 0)
        plan.no = 1u << rng_below(&rng, plan.members);
    if (rng_below(&rng, 8) == 0)
        plan.cancel_ms = 1 + rng_below(&rng, 400);
    if (rng_below(&rng, 3) == 0)
        plan.finish_ms = 1 + rng_below(&rng, 500);
    unsigned everybody = (1u << (plan.members + 1)) - 1;
    plan.strike_count = (unsigned)rng_below(&rng, WORLD_STRIKES_MAX + 1);
    for (unsigned i = 0; i < plan.strike_count; i++) {
        struct world_strike *s = &plan.strikes[i];
        s->crash = rng_below(&rng, 2);
        s->at_ms = 1 + rng_below(&rng, one_of(&rng, 100, 600, 3000));
        s->steps = (unsigned)rng_below(&rng, 3) ? 1 + (unsigned)rng_below(&rng, 16) : 0;
        s->whose = (unsigned)rng_below(&rng, plan.members + 1);
        s->for_ms = 1 + rng_below(&rng, one_of(&rng, 100, 400, 3000));
        s->who = s->crash && rng_below(&rng, 4) ? 1u << s->whose
                                                : (unsigned)rng_below(&rng, everybody) & everybody;
    }
    return plan;
}

static void test_random(void **state)
{
    (void)state;
    unsigned seeds = number_of("SEEDS", SEEDS), committed = 0, elected = 0;
    for (unsigned seed = 1; seed <= seeds; seed++) {
        struct world_plan plan = plan_of(seed);
        struct world_result result;
        world_run(&plan, NULL, &result);
        if (result.broken[0])
            fail_msg("SEED=%u: %s", seed, result.broken);
        committed += result.outcome[0] == OUTCOME_COMMITTED;
        elected += result.elections > 0;
    }
    print_message("%u seeds: %u committed, %u with elections\n", seeds, committed, elected);
    assert_true(committed > seeds / 10 && committed < seeds / 2 && elected > seeds / 2);
}

static bool breaks(const struct world_plan *plan, struct world_result *ret)
{
    world_run(plan, NULL, ret);
    return ret->broken[0];
}

// The first seed from there on that finds out what is broken, 0 for none.
static unsigned seed_against(unsigned from, struct world_result *ret)
{
    for (unsigned seed = from; seed < from + MUTANT_SEEDS; seed++) {
        struct world_plan plan = plan_of(seed);
        if (breaks(&plan, ret))
            return seed;
    }
    return 0;
}

static void test_mutants(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BROKEN; i++) {
        struct world_result result;
        mutant_active = (int)broken[i].mutant;
        unsigned seed = seed_against(broken[i].from, &result);
        mutant_active = -1;
        if (!seed)
            fail_msg("%s survives", broken[i].name);
        print_message("%s: seed %u, %s\n", broken[i].name, seed, result.broken);
    }
}

// ---- a shorter run that breaks the same ----

static bool keep_if_broken(struct world_plan *plan, struct world_plan simpler)
{
    struct world_result result;
    if (memcmp(plan, &simpler, sizeof simpler) == 0 || !breaks(&simpler, &result))
        return false;
    *plan = simpler;
    return true;
}

static bool without_a_strike(struct world_plan *plan)
{
    for (unsigned i = 0; i < plan->strike_count; i++) {
        struct world_plan simpler = *plan;
        simpler.strikes[i] = simpler.strikes[--simpler.strike_count];
        if (keep_if_broken(plan, simpler))
            return true;
    }
    return false;
}

static void shrink(struct world_plan *plan)
{
    bool again = true;
    for (unsigned turn = 0; again && turn < 100; turn++) {
        again = without_a_strike(plan);
        struct world_plan simpler = *plan;
        simpler.loss = simpler.twice = 0;
        again |= keep_if_broken(plan, simpler);
        simpler = *plan;
        simpler.no = 0;
        simpler.cancel_ms = simpler.finish_ms = 0;
        again |= keep_if_broken(plan, simpler);
        simpler = *plan;
        simpler.members = 3;
        again |= keep_if_broken(plan, simpler);
        simpler = *plan;
        simpler.steady = true;
        simpler.delay_ms_max = 10;
        simpler.sync_ms_max = 2;
        simpler.suspect_ms = 400;
        again |= keep_if_broken(plan, simpler);
    }
}

static void tell(const struct world_plan *plan)
{
    struct world_result result;
    world_plan_print(plan, stdout);
    world_run(plan, stdout, &result);
    print_message("%s\n", result.broken[0] ? result.broken : "fine");
}

// ---- what the documentation tells ----

enum { DELAY_MS = 10, SYNC_MS = 2, SUSPECT_MS = 400 };

static struct world_plan calm(unsigned members)
{
    return (struct world_plan){
        .seed = 1,
        .members = members,
        .delay_ms_max = DELAY_MS,
        .sync_ms_max = SYNC_MS,
        .suspect_ms = SUSPECT_MS,
        .steady = true,
        .repair_ms = 4000,
    };
}

// Shrunk, by the code above and then by hand: only A has the pre-commit when it is left alone with
// the coordinator.
static struct world_plan partition(void)
{
    struct world_plan plan = calm(3);
    plan.strikes[plan.strike_count++] =
        (struct world_strike){.who = 0x9, .whose = 0, .steps = 4, .for_ms = 1500};
    return plan;
}

// What stands between "<!-- trace: NAME -->" and "<!-- end -->" must be the story of that run.
static void check_trace(const char *name, const struct world_plan *plan, struct world_result *ret)
{
    static const char path[] = TEST_DATA "/../../docs/protocols/3pc.md";
    char begin[64], *story = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&story, &size);
    fprintf(out, "\n```text\n");
    world_run(plan, out, ret);
    fprintf(out, "```\n");
    fclose(out);
    char *text = unit_text_of(path);
    snprintf(begin, sizeof begin, "<!-- trace: %s -->\n", name);
    char *from = strstr(text, begin), *to = from ? strstr(from, "<!-- end -->") : NULL;
    if (!to)
        fail_msg("%s has no line %s", path, begin);
    from += strlen(begin);
    bool same = (size_t)(to - from) == size && memcmp(from, story, size) == 0;
    if (!same && getenv("UPDATE_DOCS")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "%.*s%s%s", (int)(from - text), text, story, to);
        assert_int_equal(fclose(file), 0);
    } else if (!same)
        fail_msg("%s: the trace '%s' has changed; run this with UPDATE_DOCS=1", path, name);
    free(text);
    free(story);
}

static void test_partition(void **state)
{
    (void)state;
    struct world_plan plan = partition();
    struct world_result result;
    mutant_active = MUTANT_SKEEN;
    check_trace("textbook", &plan, &result);
    mutant_active = -1;
    assert_int_not_equal(result.broken[0], '\0');
    check_trace("quorum", &plan, &result);
    assert_string_equal(result.broken, "");
}

// How long the slowest branch is in doubt once somebody suspects the coordinator, which dies when
// the pre-commit has reached so many branches, together with so many branches that have it not.
static uint64_t doubt_of(unsigned members, unsigned pre_committed, unsigned dead)
{
    struct world_plan plan = calm(members);
    struct world_result result;
    unsigned without = (1u << (members - pre_committed)) - 1;
    plan.strikes[plan.strike_count++] =
        (struct world_strike){.at_ms = 31, .for_ms = 5, .who = without};
    plan.strikes[plan.strike_count++] = (struct world_strike){
        .crash = true, .at_ms = 40, .for_ms = 4000, .who = 1u << members | ((1u << dead) - 1)};
    world_run(&plan, getenv("TRACE") ? stdout : NULL, &result);
    assert_string_equal(result.broken, "");
    assert_true(result.suspected_ms > 0);
    uint64_t last_ms = 0;
    for (unsigned i = dead; i < members; i++)
        if (result.decided_ms[i] > last_ms)
            last_ms = result.decided_ms[i];
    return last_ms - result.suspected_ms;
}

// Two round trips and one sync, whatever had been said before the coordinator died, and if a
// minority of the branches died with it. Where a majority has the pre-commit, no attempt is needed:
// one and a half.
static void test_how_long(void **state)
{
    (void)state;
    for (unsigned members = 2; members <= WORLD_MEMBERS_MAX; members++)
        for (unsigned pre_committed = 0; pre_committed <= members; pre_committed++)
            for (unsigned dead = 0; 2 * dead < members; dead++) {
                uint64_t doubt_ms = doubt_of(members, pre_committed, dead);
                bool chosen = 2 * pre_committed > members && 2 * (pre_committed - dead) > members;
                assert_in_range(doubt_ms, 1, chosen ? 3 * DELAY_MS : 4 * DELAY_MS + SYNC_MS);
            }
}

static void test_one(void **state)
{
    (void)state;
    const char *mutant = getenv("MUTANT");
    for (unsigned i = 0; mutant && i < BROKEN; i++)
        if (strcmp(mutant, broken[i].name) == 0)
            mutant_active = (int)broken[i].mutant;
    struct world_plan plan = plan_of(number_of("SEED", 1));
    struct world_result result;
    if (getenv("SHRINK") && breaks(&plan, &result))
        shrink(&plan);
    tell(&plan);
    mutant_active = -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random), cmocka_unit_test(test_mutants),
        cmocka_unit_test(test_partition), cmocka_unit_test(test_how_long)};
    const struct CMUnitTest one[] = {cmocka_unit_test(test_one)};
    return getenv("SEED") ? cmocka_run_group_tests(one, NULL, NULL)
                          : cmocka_run_group_tests(tests, NULL, NULL);
}
