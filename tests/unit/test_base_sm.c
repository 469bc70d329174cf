// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/sm.h"

enum { IDLE, BUSY, DONE };

static const struct sm_state states[] = {
    [IDLE] = {"idle", SM_TO(BUSY) | SM_TO(DONE), "nothing asked yet"},
    [BUSY] = {"at work", SM_TO(BUSY) | SM_TO(DONE), "busy"},
    [DONE] = {"done", 0, "finished"},
};
static const struct sm_table table = {"job", 3, states};

static void the_table_says_what_is_allowed(void **state)
{
    (void)state;
    const bool allowed[3][3] = {{false, true, true}, {false, true, true}, {false, false, false}};
    for (int from = 0; from < 3; from++)
        for (int to = 0; to < 3; to++)
            assert_int_equal(sm_allowed(&table, from, to), allowed[from][to]);
    assert_false(sm_allowed(&table, IDLE, 3));
    assert_false(sm_allowed(&table, 3, IDLE));
    assert_false(sm_allowed(&table, -1, BUSY));
    assert_int_equal(sm_move(&table, IDLE, BUSY), BUSY);
    assert_string_equal(sm_name(&table, DONE), "done");
    assert_string_equal(sm_name(&table, 3), "?");
    assert_string_equal(sm_name(&table, -1), "?");
}

// Runs `die` in a child; *ret_said gets what it wrote on standard error. True if it aborted.
static bool aborts(void (*die)(void), char ret_said[512])
{
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(pipe_ends[1], STDERR_FILENO);
        die();
        _exit(0);
    }
    close(pipe_ends[1]);
    size_t size = 0;
    ssize_t got;
    while (size < 511 && (got = read(pipe_ends[0], ret_said + size, 511 - size)) > 0)
        size += (size_t)got;
    ret_said[size] = '\0';
    close(pipe_ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void move_back(void)
{
    sm_move(&table, DONE, IDLE);
}

static void check_fails(void)
{
    CHECK(1 + 1 == 3);
}

static void check_holds(void)
{
    CHECK(1 + 1 == 2);
}

static void broken_invariants_abort(void **state)
{
    (void)state;
    char said[512];
    assert_true(aborts(move_back, said));
    assert_non_null(strstr(said, "job may not move from done to idle"));
    assert_true(aborts(check_fails, said));
    assert_non_null(strstr(said, "check_fails: broken invariant: 1 + 1 == 3"));
    assert_false(aborts(check_holds, said));
    assert_string_equal(said, "");
}

static void the_diagram_comes_from_the_table(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    assert_true(sm_diagram(&table, &out));
    assert_true(slice_equal(buf_slice(&out), slice_text("stateDiagram-v2\n"
                                                        "    idle: idle\n"
                                                        "    at_work: at work\n"
                                                        "    done: done\n"
                                                        "    [*] --> idle\n"
                                                        "    idle --> at_work\n"
                                                        "    idle --> done\n"
                                                        "    at_work --> at_work\n"
                                                        "    at_work --> done\n"
                                                        "    done --> [*]\n")));
    buf_free(&out);
    buf_init(&out, 20);
    assert_false(sm_diagram(&table, &out));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_says_what_is_allowed),
        cmocka_unit_test(broken_invariants_abort),
        cmocka_unit_test(the_diagram_comes_from_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
