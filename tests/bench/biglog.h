// SPDX-License-Identifier: Apache-2.0
#ifndef BENCH_BIGLOG_H
#define BENCH_BIGLOG_H

// Writes a coordinator's log in the new directory `dir`, of so many transactions that are decided
// and acknowledged by none of their branches, at the participants bench-0, bench-1, ...
void biglog_write(const char *dir, unsigned transactions, unsigned branches);

#endif
