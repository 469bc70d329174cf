// SPDX-License-Identifier: Apache-2.0
// Between tx_switch.c and tx_world.c.
#ifndef TX_SWITCH_H
#define TX_SWITCH_H

#include <assent/participant.h>

#include "tx_world.h"

void switch_reset(void);
// A prepared branch becomes 'c' or 'r'; a heuristic answers so.
assent_done_code switch_finish(int rmid, const char *gtid, char to);
void switch_forget(int rmid, const char *gtid);

#endif
