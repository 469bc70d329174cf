// SPDX-License-Identifier: Apache-2.0
// Every option of the command: X(id, name, short, argument, about). Which verb takes which is said
// in its row of cli_verbs.
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#define CLI_OPTIONS(X)                                                                             \
    X(ENDPOINT, "endpoint", 'e', "ENDPOINT",                                                       \
      "where the coordinator listens: ipc://PATH or tcp://ADDRESS:PORT")                           \
    X(CERTIFICATE, "certificate", 0, "FILE", "your secret certificate (tcp endpoints)")            \
    X(SERVER_CERTIFICATE, "server-certificate", 0, "FILE",                                         \
      "the coordinator's public certificate (tcp endpoints)")                                      \
    X(JSON, "json", 'j', NULL, "print JSON (docs/admin-schema.md) instead of text")                \
    X(NO_COLOR, "no-color", 0, NULL, "no colours, as with NO_COLOR in the environment")            \
    X(TIMEOUT, "timeout", 't', "AGE", "how long to wait for the coordinator; default 5s")          \
    X(HELP, "help", 'h', NULL, "say what can be done, and stop")                                   \
    X(VERSION, "version", 'V', NULL, "print the version, and stop")                                \
    X(STATE, "state", 's', "STATE[,STATE]",                                                        \
      "only in these states: admitting, active, held, preparing, deciding, committing, "           \
      "aborting, ended; or, finished ones: committed, aborted, mixed")                             \
    X(PROTOCOL, "protocol", 0, "NAME[,NAME]", "only of these: 2pc, 3pc, tcc, saga, message")       \
    X(IN_DOUBT, "in-doubt", 'd', NULL, "only what is in doubt")                                    \
    X(FINISHED, "finished", 'f', NULL, "finished ones, from the log, newest first")                \
    X(PARTICIPANT, "participant", 'p', "NAME", "only those with a branch at this participant")     \
    X(OLDER, "older", 0, "AGE", "only those at least so old, such as 30s or 1h30m")                \
    X(YOUNGER, "younger", 0, "AGE", "only those at most so old")                                   \
    X(LIMIT, "limit", 'n', "COUNT", "show at most so many; default 100; 0: all")                   \
    X(AFTER, "after", 0, "CURSOR", "with --finished: go on where 'next' of the last page said")    \
    X(REASON, "reason", 'r', "TEXT", "why; recorded with the order")                               \
    X(YES, "yes", 'y', NULL, "do it without asking")                                               \
    X(LOST, "lost", 0, NULL,                                                                       \
      "its branches that have not acknowledged are lost for good: keep nothing for them")          \
    X(ALL, "all", 'a', NULL, "everything that waits for an answer")                                \
    X(INTERVAL, "interval", 'i', "AGE", "how often to look; default 2s")                           \
    X(COUNT, "count", 'c', "COUNT", "stop after so many looks; default: never")                    \
    X(NAME, "name", 0, "NAME", "the principal: who this is for")                                   \
    X(ROLE, "role", 0, "ROLES", "what it may be: client, participant, operator; several by ','")   \
    X(RESOURCES, "resources", 0, "NAMES", "participants it may speak for, by ','; * for any")      \
    X(WAIT, "wait", 'w', NULL, "wait until it has ended, at most as long as --timeout says")       \
    X(GTID, "gtid", 'g', "GTID", "your own gtid: the same file under it is the same saga")         \
    X(DOT, "dot", 0, NULL, "print the graph for Graphviz (dot)")                                   \
    X(DATABASE, "database", 0, "RESOURCE=ADDRESS",                                                 \
      "a participant's database, as for assent-rm: postgres:CONNINFO or mariadb:WORDS")            \
    X(CONFIG, "config", 0, "FILE", "its resource, database and journal, from a file of assent-rm") \
    X(JOURNAL, "journal", 0, "RESOURCE=DIR", "a participant's journal")                            \
    X(DATA_DIR, "data-dir", 0, "DIR",                                                              \
      "read the log of a coordinator that is down instead of asking a running one")                \
    X(FIX, "fix", 0, NULL, "do what is safe: roll old orphans back, have stragglers asked again")

enum option_id {
#define X(id, name, letter, argument, about) OPT_##id,
    CLI_OPTIONS(X)
#undef X
        OPT_COUNT_ALL
};

#define OPT_BIT(id) (UINT64_C(1) << OPT_##id)

#define OPT_COMMON                                                                                 \
    (OPT_BIT(ENDPOINT) | OPT_BIT(CERTIFICATE) | OPT_BIT(SERVER_CERTIFICATE) | OPT_BIT(JSON) |      \
     OPT_BIT(NO_COLOR) | OPT_BIT(TIMEOUT) | OPT_BIT(HELP) | OPT_BIT(VERSION))
// For verbs that do not talk to a coordinator.
#define OPT_LOCAL (OPT_BIT(JSON) | OPT_BIT(NO_COLOR) | OPT_BIT(HELP) | OPT_BIT(VERSION))

#endif
