// SPDX-License-Identifier: Apache-2.0
#ifndef ASSENT_ASSENT_H
#define ASSENT_ASSENT_H

#include "assent/barrier.h"         // IWYU pragma: export
#include "assent/barrier_leveldb.h" // IWYU pragma: export
#include "assent/client.h"          // IWYU pragma: export
#include "assent/error.h"           // IWYU pragma: export
#include "assent/participant.h"     // IWYU pragma: export

#endif
