// SPDX-License-Identifier: Apache-2.0
// Who subscribes to which topic: the items of topics/subscription, each "TOPIC RESOURCE ...".
#ifndef COORDINATOR_TOPICS_H
#define COORDINATOR_TOPICS_H

#include "config.h"
#include "core/coordinator.h"

// As the core wants them; everything is owned, in one piece of memory.
struct topics {
    struct coordinator_topic *items; // NULL while empty
    size_t count;
};

// May `text` be added to the list? ASSENT_CONFIG, with what is wrong behind the path; ASSENT_NOMEM.
int topics_check(const struct config_list *list, const char *path, const char *text,
                 assent_error *error);
// From a list whose items were all checked. ASSENT_NOMEM: *ret is untouched.
int topics_make(const struct config_list *list, struct topics *ret, assent_error *error);
void topics_free(struct topics *topics);
// The most participants that subscribe to one topic, and which topic that is (borrowed, not
// terminated).
size_t topics_most(const struct config_list *list, struct slice *ret_name);

#endif
