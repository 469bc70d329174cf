// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash_point.h"

// Passes two points in turn, ten times, in a child with ASSENT_CRASH_POINT set. Returns how often
// it came between the two; *ret_status is that of waitpid.
static int turns_of(const char *setting, int *ret_status)
{
    int pipe_ends[2];
    char byte;
    int count = 0;
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("ASSENT_CRASH_POINT", setting, 1);
        close(STDERR_FILENO);
        if (crash_point_arm(NULL) != ASSENT_OK)
            _exit(2);
        for (int i = 0; i < 10; i++) {
            CRASH_POINT(coord_before_log);
            if (write(pipe_ends[1], "x", 1) != 1)
                _exit(3);
            CRASH_POINT(coord_after_log);
        }
        _exit(0);
    }
    close(pipe_ends[1]);
    while (read(pipe_ends[0], &byte, 1) == 1)
        count++;
    close(pipe_ends[0]);
    assert_int_equal(waitpid(pid, ret_status, 0), pid);
    return count;
}

static void it_dies_at_the_nth_pass(void **state)
{
    (void)state;
    int status;
    assert_int_equal(turns_of("coord_before_log", &status), 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(turns_of("coord_after_log", &status), 1);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(turns_of("coord_after_log:7", &status), 7);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(turns_of("coord_after_log:11", &status), 10);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(turns_of("part_after_vote", &status), 10);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(turns_of("", &status), 10);
}

static void it_stops_and_goes_on(void **state)
{
    (void)state;
    const char *const settings[] = {"coord_after_log:stop", "coord_after_log:3:stop"};
    for (size_t i = 0; i < 2; i++) {
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            setenv("ASSENT_CRASH_POINT", settings[i], 1);
            close(STDERR_FILENO);
            if (crash_point_arm(NULL) != ASSENT_OK)
                _exit(2);
            for (int turn = 0; turn < 10; turn++)
                CRASH_POINT(coord_after_log);
            _exit(7);
        }
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    }
}

static void mistyped_names_are_refused(void **state)
{
    (void)state;
    const char *const wrong[] = {"coord_after_lo",
                                 "coord_after_logs",
                                 "coord_after_log:",
                                 "coord_after_log:0",
                                 ":1",
                                 "coord_after_log:-1",
                                 "coord_after_log:1x",
                                 "COORD_AFTER_LOG",
                                 "coord_after_log :1",
                                 ":stop",
                                 "coord_after_log:stop:2",
                                 "coord_after_log:stopp",
                                 "coord_after_log::stop",
                                 "coord_after_log:99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assent_error error = {0};
        setenv("ASSENT_CRASH_POINT", wrong[i], 1);
        assert_int_equal(crash_point_arm(&error), ASSENT_INVALID);
        assert_non_null(strstr(error.message, wrong[i]));
        assert_int_equal(crash_point_armed, -1);
    }
    unsetenv("ASSENT_CRASH_POINT");
    assert_int_equal(crash_point_arm(NULL), ASSENT_OK);
    assert_int_equal(crash_point_armed, -1);
}

static void the_list_names_each_once(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    crash_point_list(out);
    fclose(out);
    int lines = 0;
    for (const char *p = text; *p; p++)
        lines += *p == '\n';
    assert_int_equal(lines, CRASH_POINT_COUNT);
    assert_non_null(strstr(text, "coord_after_log         coordinator  a decision is durable"));
    assert_non_null(strstr(text, "\npart_in_recovery"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_dies_at_the_nth_pass),
        cmocka_unit_test(it_stops_and_goes_on),
        cmocka_unit_test(mistyped_names_are_refused),
        cmocka_unit_test(the_list_names_each_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
