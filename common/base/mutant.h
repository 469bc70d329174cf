// SPDX-License-Identifier: Apache-2.0
// Deliberately broken variants of the code: the proof that the simulator would find the bug. They
// exist only where ASSENT_MUTANTS is defined, which is assent-sim-mutants and nothing that ships;
// elsewhere the compiler sees a constant, and nothing is left of them.
//
// docs/verification.md lists how many seeds it took to find each, and by which invariant.
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

#include <stdbool.h>

// X(identifier, name, what it breaks)
#define MUTANTS(X) X(VOTE_EARLY, "vote-early", "a yes is sent before it is in the journal")

enum mutant {
#define X(identifier, name, about) MUTANT_##identifier,
    MUTANTS(X)
#undef X
        MUTANT_COUNT
};

#ifdef ASSENT_MUTANTS
extern int mutant_active; // -1: none
#define MUTANT(identifier) (mutant_active == MUTANT_##identifier)
#else
#define MUTANT(identifier) false
#endif

#endif
