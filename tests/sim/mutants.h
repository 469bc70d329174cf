// SPDX-License-Identifier: Apache-2.0
// The ways in which the code can be broken on purpose (base/mutant.h), as assent-sim knows them.
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

#include <stdio.h>

void mutant_list(FILE *out);
// Where it is found out; NULL: there is none of that name, and it was said.
const char *mutant_protocol(const char *name);
// From now on the code is broken so. assent-sim itself has nothing but the code that ships: there
// the command line goes on in assent-sim-mutants, which lies beside it. -1: go on; else the exit
// status.
int mutant_choose(const char *name, char **argv);

#endif
