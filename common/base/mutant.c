// SPDX-License-Identifier: Apache-2.0
#include "base/mutant.h"

#ifdef ASSENT_MUTANTS
int mutant_active = -1;
#else
typedef int nothing_is_broken; // a file needs something
#endif
