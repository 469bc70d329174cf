// SPDX-License-Identifier: Apache-2.0
#include "assent/client.h"
#include "core/message.h"

// The public numbers are those of the wire.
_Static_assert((int)ASSENT_IN_PROGRESS == OUTCOME_NONE &&
                   (int)ASSENT_COMMITTED == OUTCOME_COMMITTED &&
                   (int)ASSENT_ABORTED == OUTCOME_ABORTED &&
                   (int)ASSENT_OUTCOME_UNKNOWN == OUTCOME_UNKNOWN,
               "outcomes");
_Static_assert((int)ASSENT_REASON_VOTED_NO == REASON_VOTED_NO &&
                   (int)ASSENT_REASON_SHUTDOWN == REASON_SHUTDOWN,
               "reasons");
_Static_assert(ASSENT_GTID_MAX == LIMIT_GTID_BYTES && ASSENT_TEXT_MAX == LIMIT_REASON_BYTES,
               "sizes");

const char *assent_outcome_text(assent_outcome outcome)
{
    return outcome_name((enum outcome)outcome);
}

const char *assent_reason_text(assent_reason reason)
{
    return reason_text((enum abort_reason)reason);
}

const char *assent_version(void)
{
    return ASSENT_VERSION_TEXT;
}
