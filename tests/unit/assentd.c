// SPDX-License-Identifier: Apache-2.0
#include "assentd.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

void assentd_init(struct assentd *d, const char *dir)
{
    *d = (struct assentd){.pid = 0};
    snprintf(d->data, sizeof d->data, "%s/data", dir);
    snprintf(d->endpoint, sizeof d->endpoint, "ipc://%s/assentd.sock", d->data);
}

void assentd_start(struct assentd *d)
{
    char program[512];
    int ready[2];
    const char *bin = getenv("ASSENT_BIN_DIR");
    snprintf(program, sizeof program, "%s/assentd", bin ? bin : "bin");
    assert_int_equal(pipe(ready), 0);
    d->pid = fork();
    assert_true(d->pid >= 0);
    if (d->pid == 0) {
        char number[16];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        snprintf(number, sizeof number, "%d", ready[1]);
        execl(program, "assentd", "--data-dir", d->data, "--ready-fd", number, "--log-level",
              "warn", (char *)NULL);
        fprintf(stderr, "%s: %s\n", program, strerror(errno));
        _exit(126);
    }
    close(ready[1]);
    char byte;
    ssize_t got = read(ready[0], &byte, 1);
    close(ready[0]);
    if (got != 1)
        fail_msg("%s did not start", program);
}

void assentd_end(struct assentd *d, int signal_number)
{
    if (d->pid <= 0)
        return;
    kill(d->pid, signal_number);
    waitpid(d->pid, NULL, 0);
    d->pid = 0;
}
