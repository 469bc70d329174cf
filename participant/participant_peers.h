// SPDX-License-Identifier: Apache-2.0
// The way to other participants, for elections of three-phase commit: a door by which they come in,
// and a link to each that is spoken to. A thread of its own has both, so that the engine waits for
// none of them. What finds no room is lost, like on a network.
#ifndef PARTICIPANT_PARTICIPANT_PEERS_H
#define PARTICIPANT_PARTICIPANT_PEERS_H

#include "base/list.h"
#include "participant_handle.h"

struct peers;

// A message from or to another participant. Its texts are in it, or are the participant's own.
struct peer_word {
    struct list link;
    struct msg msg;
    char resource[LIMIT_NAME_BYTES + 1], address[LIMIT_ADDRESS_BYTES + 1]; // the other one's
};

// Opens the door as the options say, and writes where the others reach it; nothing when there is
// none. A default one that cannot be opened is told in the log. Errors: those of net_server_open.
int peers_open(assent_participant *p, const assent_participant_options *options,
               char ret_address[LIMIT_ADDRESS_BYTES + 1], assent_error *error);
int peers_start(assent_participant *p, assent_error *error); // the thread
void peers_close(assent_participant *p);
// In the engine.
void peers_tell(assent_participant *p, const struct effect_tell *tell);
// Lock held, and let go of meanwhile: what the others have said goes into the core.
void peers_take(assent_participant *p);

#endif
