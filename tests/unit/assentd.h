// SPDX-License-Identifier: Apache-2.0
// A real assentd, of tests in C: with its data in a directory of the test's, killed and started
// again as the test likes, and dead when the test is.
#ifndef UNIT_ASSENTD_H
#define UNIT_ASSENTD_H

#include <sys/types.h>

struct assentd {
    char data[112]; // its --data-dir
    char endpoint[160];
    pid_t pid; // 0: does not run
};

void assentd_init(struct assentd *d, const char *dir);
void assentd_start(struct assentd *d); // and waits until it is ready; fails the test
void assentd_end(struct assentd *d, int signal_number);

#endif
