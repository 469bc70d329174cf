// SPDX-License-Identifier: Apache-2.0
#include "core/participant.h"

static const struct sm_state states[] = {
    [PART_WORKING] =
        {
            .name = "working",
            .moves = SM_TO(PART_PREPARING) | SM_TO(PART_DECIDING) | SM_TO(PART_ROLLING_BACK),
            .about = "the application works here; nothing was promised",
        },
    [PART_PREPARING] =
        {
            .name = "preparing",
            .moves = SM_TO(PART_VOTING) | SM_TO(PART_PREPARED) | SM_TO(PART_DECIDING) |
                     SM_TO(PART_ROLLING_BACK) | SM_TO(PART_FINISHING),
            .about = "the resource manager is asked to prepare",
        },
    [PART_VOTING] =
        {
            .name = "voting",
            .moves = SM_TO(PART_PREPARED),
            .about = "the yes is on its way to the journal",
        },
    [PART_PREPARED] =
        {
            .name = "prepared",
            .moves = SM_TO(PART_DECIDING) | SM_TO(PART_COMMITTING) | SM_TO(PART_ROLLING_BACK) |
                     SM_TO(PART_FINISHING),
            .about = "in doubt: voted yes, the decision is not known",
        },
    [PART_DECIDING] =
        {
            .name = "deciding",
            .moves = SM_TO(PART_COMMITTING) | SM_TO(PART_ROLLING_BACK) | SM_TO(PART_FINISHING),
            .about = "a one-phase commit, an operator's word, or that it never votes yes (3pc), is "
                     "on its way to the journal",
        },
    [PART_COMMITTING] =
        {
            .name = "committing",
            .moves = SM_TO(PART_FINISHING),
            .about = "the resource manager is asked to commit, until it has",
        },
    [PART_ROLLING_BACK] =
        {
            .name = "rolling back",
            .moves = SM_TO(PART_FINISHING),
            .about = "the resource manager is asked to roll back, until it has",
        },
    [PART_FINISHING] =
        {
            .name = "finishing",
            .moves = SM_TO(PART_FINISHED),
            .about = "the outcome is on its way to the journal",
        },
    [PART_FINISHED] =
        {
            .name = "finished",
            .moves = SM_TO(PART_COMMITTING) | SM_TO(PART_ROLLING_BACK) | SM_TO(PART_FORGETTING),
            .about = "remembered, to answer duplicates, until the fence has passed it (admitted "
                     "protocols: and its transaction has ended); at start, done again when the "
                     "resource manager still holds it",
        },
    [PART_FORGETTING] =
        {
            .name = "forgetting",
            .about = "the resource manager is asked to forget it, too",
        },
};

const struct sm_table part_table = {
    .name = "participant",
    .count = PART_FORGETTING + 1,
    .states = states,
};
