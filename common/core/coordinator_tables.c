// SPDX-License-Identifier: Apache-2.0
// The coordinator's states and the moves between them.
#include "core/coordinator.h"

static const struct sm_state tx_states[] = {
    [TX_LOOKING] = {"looking",
                    SM_TO(TX_ADMITTING) | SM_TO(TX_ACTIVE) | SM_TO(TX_PREPARING) |
                        SM_TO(TX_DELEGATING) | SM_TO(TX_DECIDING) | SM_TO(TX_ABORTING) |
                        SM_TO(TX_ENDED),
                    "the register is being read"},
    [TX_ADMITTING] = {"admitting", SM_TO(TX_ACTIVE) | SM_TO(TX_PREPARING) | SM_TO(TX_DECIDING),
                      "what is to be done is on its way to the disk"},
    [TX_ACTIVE] = {"active",
                   SM_TO(TX_ADMITTING) | SM_TO(TX_PREPARING) | SM_TO(TX_DELEGATING) |
                       SM_TO(TX_DECIDING) | SM_TO(TX_ABORTING),
                   "the application is at work"},
    [TX_PREPARING] = {"preparing", SM_TO(TX_DECIDING) | SM_TO(TX_ABORTING),
                      "votes are being gathered"},
    [TX_DECIDING] = {"deciding", SM_TO(TX_COMMITTING) | SM_TO(TX_ABORTING),
                     "the decision is on its way to the disk"},
    [TX_DELEGATING] = {"delegating",
                       SM_TO(TX_DELEGATED) | SM_TO(TX_COMMITTING) | SM_TO(TX_ABORTING),
                       "that one branch will decide is on its way to the disk"},
    [TX_DELEGATED] = {"delegated", SM_TO(TX_ENDING), "one branch alone decides"},
    [TX_COMMITTING] = {"committing", SM_TO(TX_ENDING), "branches are told to commit"},
    [TX_ABORTING] = {"aborting", SM_TO(TX_ENDING), "branches are told to roll back"},
    [TX_ENDING] = {"ending", SM_TO(TX_ENDED), "all acknowledged; the end is being recorded"},
    [TX_ENDED] = {"ended", 0, "only the register knows of it"},
};

const struct sm_table tx_table = {"transaction", TX_ENDED + 1, tx_states};

static const struct sm_state branch_states[] = {
    [BRANCH_ACTIVE] = {"active",
                       SM_TO(BRANCH_PREPARING) | SM_TO(BRANCH_PAUSED) | SM_TO(BRANCH_COMMITTING) |
                           SM_TO(BRANCH_ABORTING) | SM_TO(BRANCH_DONE),
                       "enlisted, or not sent yet"},
    [BRANCH_PREPARING] = {"preparing",
                          SM_TO(BRANCH_PAUSED) | SM_TO(BRANCH_PREPARED) | SM_TO(BRANCH_COMMITTING) |
                              SM_TO(BRANCH_ABORTING) | SM_TO(BRANCH_DONE),
                          "asked to prepare, or for a step or delivery"},
    [BRANCH_PAUSED] = {"paused",
                       SM_TO(BRANCH_PREPARING) | SM_TO(BRANCH_COMMITTING) | SM_TO(BRANCH_ABORTING) |
                           SM_TO(BRANCH_DONE),
                       "a step or delivery that is asked for later, perhaps again"},
    [BRANCH_PREPARED] = {"prepared",
                         SM_TO(BRANCH_COMMITTING) | SM_TO(BRANCH_ABORTING) | SM_TO(BRANCH_DONE),
                         "voted yes"},
    [BRANCH_COMMITTING] = {"committing", SM_TO(BRANCH_DONE) | SM_TO(BRANCH_ABORTING),
                           "told to commit"},
    [BRANCH_ABORTING] = {"aborting", SM_TO(BRANCH_DONE) | SM_TO(BRANCH_COMMITTING),
                         "told to roll back"},
    [BRANCH_DONE] = {"done", 0, "nothing more is owed to it"},
};

const struct sm_table tx_branch_table = {"branch", BRANCH_DONE + 1, branch_states};
