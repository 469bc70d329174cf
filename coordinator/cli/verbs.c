// SPDX-License-Identifier: Apache-2.0
// The verbs: what each takes, and what its help says.
#include "options.h"
#include "views.h"

#define OPT_FORCE (OPT_COMMON | OPT_BIT(REASON) | OPT_BIT(YES))

const struct verb cli_verbs[] = {
    {"status", "", 0, 0, OPT_COMMON, "How the coordinator is doing", NULL, verb_status},
    {"list", "", 0, 0,
     OPT_COMMON | OPT_BIT(STATE) | OPT_BIT(PROTOCOL) | OPT_BIT(IN_DOUBT) | OPT_BIT(FINISHED) |
         OPT_BIT(PARTICIPANT) | OPT_BIT(OLDER) | OPT_BIT(YOUNGER) | OPT_BIT(LIMIT) | OPT_BIT(AFTER),
     "Transactions in flight, oldest first; or finished ones",
     "A transaction is in doubt while a participant may have promised to commit and has not\n"
     "acknowledged the outcome. In-doubt branches of other coordinators are listed apart.",
     verb_list},
    {"show", "GTID", 1, 1, OPT_COMMON, "One transaction: branches, votes, what happened when", NULL,
     verb_show},
    {"explain", "GTID", 1, 1, OPT_COMMON,
     "Why it is not finished, on whom it waits, what can be done", NULL, verb_explain},
    {"watch", "", 0, 0,
     OPT_COMMON | OPT_BIT(IN_DOUBT) | OPT_BIT(LIMIT) | OPT_BIT(INTERVAL) | OPT_BIT(COUNT),
     "Status and transactions in flight, again and again",
     "On a terminal the picture is refreshed in place; elsewhere each look follows the one\n"
     "before. A coordinator that goes away is waited for.",
     verb_watch},
    {"participants", "", 0, 0, OPT_COMMON, "Who answers for branches, and what they owe", NULL,
     verb_participants},
    {"commit", "GTID", 1, 1, OPT_FORCE, "Force branches in doubt to commit (heuristic)",
     "A last resort. Against a decision it makes the transaction mixed: no longer all or\n"
     "nothing. Says what it will do and asks first; without a terminal it needs --yes.",
     verb_commit},
    {"abort", "GTID", 1, 1, OPT_FORCE,
     "Abort what is undecided; force branches in doubt to roll back (heuristic)",
     "Harmless while nothing is decided. Against a decision it is a last resort that makes the\n"
     "transaction mixed: no longer all or nothing. Says what it will do and asks first; without\n"
     "a terminal it needs --yes.",
     verb_abort},
    {"forget", "GTID", 1, 1, OPT_FORCE | OPT_BIT(LOST),
     "Give up waiting for lost branches; let go of a heuristic",
     "Of a transaction that is decided but not acknowledged: branches that have not answered are\n"
     "no longer told, but the record stays for those that come back and ask, unless --lost says\n"
     "that none will. (A three-phase transaction goes with --lost only.) Of one that ended with\n"
     "a heuristic: its record goes after the retention. Says what it will do and asks first;\n"
     "without a terminal it needs --yes.",
     verb_forget},
    {"retry", "[GTID]", 0, 1, OPT_COMMON | OPT_BIT(ALL),
     "Ask now those that have not answered; always safe", NULL, verb_retry},
    {"saga submit", "FILE", 1, 1, OPT_COMMON | OPT_BIT(WAIT) | OPT_BIT(GTID),
     "Begin a saga whose steps stand in a file; - is standard input",
     "FILE is JSON (docs/protocols/saga-file.md):\n"
     "  {\"steps\": [{\"name\": \"seat\", \"resource\": \"airline\", \"payload\": \"2A\"},\n"
     "             {\"name\": \"pay\", \"resource\": \"bank\", \"payload_json\": {\"cents\": "
     "900}}]}\n"
     "Further fields of a step: after (a list of names; else it follows the one before), pivot,\n"
     "compensate, attempts, timeout_ms, backoff_ms, backoff_max_ms; of the file: gtid, "
     "timeout_ms.\n"
     "Prints the gtid once the saga is durable at the coordinator. With --wait it waits for the "
     "end,\n"
     "for ever or as long as --timeout says, and the exit status is 8 when it was compensated.\n"
     "Needs a certificate of a client, where there are any.",
     verb_saga_submit},
    {"saga show", "GTID", 1, 1, OPT_COMMON | OPT_BIT(DOT),
     "Draw a saga's graph with how far each step is", NULL, verb_saga_show},
    {"log verify", "DIR", 1, 1, OPT_LOCAL, "Check a log that nobody has open, record by record",
     "DIR is a coordinator's data directory or a participant's journal. Nothing in it is changed;\n"
     "meanwhile nobody can open it. Exit status 5 when it is damaged.",
     verb_log_verify},
    {"log dump", "DIR [GTID]", 1, 2, OPT_LOCAL, "Print the records of a log that nobody has open",
     "Oldest first; with GTID only those of that transaction. With --json one record a line.",
     verb_log_dump},
    {"doctor", "", 0, 0,
     OPT_COMMON | OPT_BIT(DATABASE) | OPT_BIT(CONFIG) | OPT_BIT(JOURNAL) | OPT_BIT(DATA_DIR) |
         OPT_BIT(OLDER) | OPT_BIT(FIX),
     "What databases hold prepared, against the coordinator and the journals",
     "Names orphans, stragglers, what is long in doubt, what contradicts, and what is somebody\n"
     "else's, each with the commands that end it. --database, --config and --journal may be given\n"
     "several times. What is younger than --older (default 60s) is left alone. --fix never makes\n"
     "a heuristic decision. A database that tells no ages (MariaDB) is then looked at twice, so\n"
     "far apart. Exit status: 0 nothing is wrong, 9 something is, 10 something could not be asked.",
     verb_doctor},
    {"config", "", 0, 0, OPT_COMMON, "The configuration in force, and where each value is from",
     NULL, verb_config},
    {"keygen", "FILE", 1, 1, OPT_LOCAL | OPT_BIT(NAME) | OPT_BIT(ROLE) | OPT_BIT(RESOURCES),
     "Make a certificate: FILE and FILE_secret",
     "Without --role it is for a coordinator. The name, by default that of the file, is what\n"
     "operators see as the owner of transactions and in records of their orders.",
     verb_keygen},
    {0},
};
