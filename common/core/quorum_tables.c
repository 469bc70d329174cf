// SPDX-License-Identifier: Apache-2.0
#include "core/quorum.h"

static const struct sm_state states[] = {
    [QUORUM_IDLE] =
        {
            .name = "idle",
            .moves = SM_TO(QUORUM_VOTING) | SM_TO(QUORUM_REFUSING) | SM_TO(QUORUM_ABORTED),
            .about = "has not voted, and may still vote no",
        },
    [QUORUM_VOTING] =
        {
            .name = "voting",
            .moves = SM_TO(QUORUM_WAITING) | SM_TO(QUORUM_ABORTED),
            .about = "the yes is on its way to the journal",
        },
    [QUORUM_WAITING] =
        {
            .name = "waiting",
            .moves = SM_TO(QUORUM_PRE_COMMITTED) | SM_TO(QUORUM_PRE_ABORTED) |
                     SM_TO(QUORUM_COMMITTED) | SM_TO(QUORUM_ABORTED),
            .about = "in doubt: voted yes",
        },
    [QUORUM_PRE_COMMITTED] =
        {
            .name = "pre-committed",
            .moves = SM_TO(QUORUM_PRE_COMMITTED) | SM_TO(QUORUM_PRE_ABORTED) |
                     SM_TO(QUORUM_COMMITTED) | SM_TO(QUORUM_ABORTED),
            .about = "in doubt: its last attempt was to commit",
        },
    [QUORUM_PRE_ABORTED] =
        {
            .name = "pre-aborted",
            .moves = SM_TO(QUORUM_PRE_COMMITTED) | SM_TO(QUORUM_PRE_ABORTED) |
                     SM_TO(QUORUM_COMMITTED) | SM_TO(QUORUM_ABORTED),
            .about = "in doubt: its last attempt was to abort",
        },
    [QUORUM_REFUSING] =
        {
            .name = "refusing",
            .moves = SM_TO(QUORUM_ABORTED),
            .about = "that it will never vote yes is on its way to the journal",
        },
    [QUORUM_COMMITTED] = {.name = "committed", .about = "the outcome is known: commit"},
    [QUORUM_ABORTED] = {.name = "aborted", .about = "the outcome is known: abort"},
};

const struct sm_table quorum_table = {
    .name = "quorum",
    .count = QUORUM_ABORTED + 1,
    .states = states,
};

static const struct sm_state phases[] = {
    [QUORUM_RESTING] =
        {
            .name = "resting",
            .moves = SM_TO(QUORUM_GATHERING) | SM_TO(QUORUM_ASKING) | SM_TO(QUORUM_ENDED),
            .about = "no election of its own",
        },
    [QUORUM_GATHERING] =
        {
            .name = "gathering",
            .moves = SM_TO(QUORUM_TRYING) | SM_TO(QUORUM_ENDED),
            .about = "the coordinator that admitted it awaits the votes",
        },
    [QUORUM_ASKING] =
        {
            .name = "asking",
            .moves = SM_TO(QUORUM_RESTING) | SM_TO(QUORUM_TRYING) | SM_TO(QUORUM_ENDED),
            .about = "states are collected under its number",
        },
    [QUORUM_TRYING] =
        {
            .name = "trying",
            .moves = SM_TO(QUORUM_RESTING) | SM_TO(QUORUM_ENDED),
            .about = "a majority is asked to make its attempt durable",
        },
    [QUORUM_ENDED] = {.name = "ended", .about = "the outcome is known"},
};

const struct sm_table quorum_phase_table = {
    .name = "elector",
    .count = QUORUM_ENDED + 1,
    .states = phases,
};
