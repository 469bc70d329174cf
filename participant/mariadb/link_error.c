// SPDX-License-Identifier: Apache-2.0
// What the server's numbers of errors mean: one table.
#include <stddef.h>

#include "assent/xopen/xa.h"
#include "base/error.h"
#include "link.h"

static const struct meaning {
    unsigned from, to; // numbers, both ends
    int code;
} meanings[] = {
    // The connection is gone, or was not made: no such server, too many connections, shutdown,
    // killed, lost on the way, packets out of order, a limit of connections for this user.
    {1040, 1040, ASSENT_UNAVAILABLE},
    {1042, 1043, ASSENT_UNAVAILABLE},
    {1053, 1053, ASSENT_UNAVAILABLE},
    {1077, 1080, ASSENT_UNAVAILABLE},
    {1129, 1129, ASSENT_UNAVAILABLE},
    {1152, 1152, ASSENT_UNAVAILABLE},
    {1154, 1161, ASSENT_UNAVAILABLE},
    {1184, 1184, ASSENT_UNAVAILABLE},
    {1203, 1203, ASSENT_UNAVAILABLE},
    {1226, 1226, ASSENT_UNAVAILABLE},
    {1927, 1927, ASSENT_UNAVAILABLE},
    {2000, 2007, ASSENT_UNAVAILABLE},
    {2009, 2014, ASSENT_UNAVAILABLE},
    {2027, 2027, ASSENT_UNAVAILABLE},
    {2055, 2055, ASSENT_UNAVAILABLE},
    {4031, 4031, ASSENT_UNAVAILABLE}, // idle for longer than the server likes
    {5012, 5015, ASSENT_UNAVAILABLE},
    // Another time it may go well: deadlock, lock and statement timeouts, interrupted, a row that
    // has changed since it was read, a branch in another connection's hands.
    {1020, 1020, ASSENT_BUSY},
    {1205, 1206, ASSENT_BUSY},
    {1213, 1213, ASSENT_BUSY},
    {1317, 1317, ASSENT_BUSY},
    {1613, 1614, ASSENT_BUSY},
    {1969, 1969, ASSENT_BUSY},
    {3024, 3024, ASSENT_BUSY},
    {3572, 3572, ASSENT_BUSY},
    // A constraint: keys, foreign keys, NOT NULL, no default, CHECK.
    {1022, 1022, ASSENT_CONFLICT},
    {1048, 1048, ASSENT_CONFLICT},
    {1062, 1062, ASSENT_CONFLICT},
    {1169, 1169, ASSENT_CONFLICT},
    {1216, 1217, ASSENT_CONFLICT},
    {1364, 1364, ASSENT_CONFLICT},
    {1440, 1440, ASSENT_CONFLICT},
    {1451, 1452, ASSENT_CONFLICT},
    {1557, 1557, ASSENT_CONFLICT},
    {1586, 1586, ASSENT_CONFLICT},
    {1761, 1762, ASSENT_CONFLICT},
    {4025, 4025, ASSENT_CONFLICT},
    // Rights, and servers that are read-only.
    {1044, 1045, ASSENT_DENIED},
    {1095, 1095, ASSENT_DENIED},
    {1142, 1143, ASSENT_DENIED},
    {1227, 1227, ASSENT_DENIED},
    {1290, 1290, ASSENT_DENIED},
    {1370, 1370, ASSENT_DENIED},
    {1698, 1698, ASSENT_DENIED},
    {1792, 1792, ASSENT_DENIED},
    {1836, 1836, ASSENT_DENIED},
    // Disks.
    {1021, 1021, ASSENT_IO},
    {1026, 1026, ASSENT_IO},
    {1028, 1028, ASSENT_IO},
    {1030, 1030, ASSENT_IO},
    {1114, 1114, ASSENT_IO},
    {1034, 1035, ASSENT_CORRUPT},
    {1194, 1195, ASSENT_CORRUPT},
    {1712, 1712, ASSENT_CORRUPT},
    {1037, 1038, ASSENT_NOMEM},
    {1041, 1041, ASSENT_NOMEM},
    {2008, 2008, ASSENT_NOMEM},
    {1104, 1104, ASSENT_LIMIT},
    {1118, 1118, ASSENT_LIMIT},
    {1153, 1153, ASSENT_LIMIT},
    {1461, 1461, ASSENT_LIMIT},
    // The branch or transaction is in another state.
    {1399, 1400, ASSENT_STATE},
    {1568, 1568, ASSENT_STATE},
    {1402, 1402, ASSENT_STATE},
};

int link_code(unsigned number)
{
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
        if (number >= meanings[i].from && number <= meanings[i].to)
            return meanings[i].code;
    return ASSENT_INVALID;
}

bool link_is_lost(unsigned number)
{
    return link_code(number) == ASSENT_UNAVAILABLE;
}

static const char *advice_of(unsigned number)
{
    switch (number) {
    case 1040:
    case 1203: return ": raise max_connections or max_user_connections, or lower 'parked'";
    case 1045:
    case 1698: return ": look at user and password";
    case 1049: return ": look at database, or create it";
    case ER_XAER_RMFAIL_NUMBER:
        return ": statements that begin, commit or roll back, also implicitly (CREATE, ALTER, "
               "TRUNCATE, ...), are not for branches";
    default: break;
    }
    return link_code(number) == ASSENT_BUSY ? ": roll back, and begin again" : "";
}

int link_refuse(unsigned number, const char *message, assent_error *error)
{
    return error_set(error, link_code(number), "MariaDB: %s (%u)%s",
                     *message ? message : "no such answer was expected", number, advice_of(number));
}

int link_rollback_code(unsigned number)
{
    switch (number) {
    case ER_XA_RBROLLBACK_NUMBER: return XA_RBROLLBACK;
    case ER_XA_RBTIMEOUT_NUMBER:
    case ER_LOCK_WAIT_TIMEOUT_NUMBER: return XA_RBTIMEOUT;
    case ER_XA_RBDEADLOCK_NUMBER:
    case ER_LOCK_DEADLOCK_NUMBER: return XA_RBDEADLOCK;
    default: return 0;
    }
}

bool link_says_rolled_back(unsigned number)
{
    return number == ER_XA_RBROLLBACK_NUMBER || number == ER_XA_RBTIMEOUT_NUMBER ||
           number == ER_XA_RBDEADLOCK_NUMBER;
}
