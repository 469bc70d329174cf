// SPDX-License-Identifier: Apache-2.0
// An application in one command:
//
//   integration-caller PROTOCOL GTID [RESOURCE WORK]...
//
// GTID "-": the coordinator's. WORK: a payload, for a call, a step of a saga or a consumer;
// "@enlist", or "@enlist PAYLOAD" in tcc: a branch that the application works on itself; "@sender":
// on whose behalf a message is sent. Prints the outcome, with its reason where there is one.
//
// Where there are enlisted branches or a sender it first prints, for each, "GTID BRANCH" and, of an
// enlisted one, its XID as MariaDB has it; then it waits for a line on standard input: "commit",
// "rollback", or anything else, at which it dies.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assent/assent.h"
#include "assent/xa_manager.h"

struct request {
    assent_protocol protocol;
    assent_tx *tx;
    bool waits; // for a word on standard input
};

static void print_hex(const char *data, long size)
{
    for (long i = 0; i < size; i++)
        printf("%02x", (unsigned char)data[i]);
}

static int enlist(struct request *r, const char *resource, const char *payload, assent_error *error)
{
    uint16_t branch;
    XID xid;
    int code = r->protocol == ASSENT_TCC
                   ? assent_enlist_with(r->tx, resource, payload, strlen(payload), &branch, error)
                   : assent_enlist(r->tx, resource, &branch, error);
    if (!code)
        code = assent_xid_enlisted(assent_tx_gtid(r->tx), branch, resource, &xid, error);
    if (code)
        return code;
    printf("%s %u X'", assent_tx_gtid(r->tx), branch);
    print_hex(xid.data, xid.gtrid_length);
    printf("',X'");
    print_hex(xid.data + xid.gtrid_length, xid.bqual_length);
    printf("',%ld\n", xid.formatID);
    r->waits = true;
    return ASSENT_OK;
}

static int add(struct request *r, const char *resource, const char *work, assent_error *error)
{
    size_t size = strlen(work);
    if (strncmp(work, "@enlist", 7) == 0)
        return enlist(r, resource, work + (work[7] ? 8 : 7), error);
    if (strcmp(work, "@sender") == 0) {
        printf("%s 0\n", assent_tx_gtid(r->tx));
        r->waits = true;
        return assent_sender(r->tx, resource, error);
    }
    if (r->protocol == ASSENT_SAGA)
        return assent_step(r->tx, resource, work, size, NULL, NULL, error);
    if (r->protocol == ASSENT_MESSAGE)
        return assent_deliver(r->tx, resource, work, size, 0, error);
    return assent_call(r->tx, resource, work, size, NULL, error);
}

static int finish(struct request *r, assent_result *result, assent_error *error)
{
    char word[20] = "commit\n";
    int code = ASSENT_OK;
    if (r->waits && r->protocol == ASSENT_MESSAGE)
        code = assent_prepare(r->tx, error);
    if (code)
        return code;
    fflush(stdout);
    if (r->waits && !fgets(word, sizeof word, stdin))
        _exit(9);
    if (strcmp(word, "commit\n") == 0)
        return assent_commit(r->tx, result, error);
    if (strcmp(word, "rollback\n") == 0)
        return assent_rollback(r->tx, result, error);
    _exit(9);
}

static int run(struct request *r, char **work, assent_error *error)
{
    assent_result result;
    int code = ASSENT_OK;
    for (; work[0] && work[1] && !code; work += 2)
        code = add(r, work[0], work[1], error);
    if (!code)
        code = finish(r, &result, error);
    if (!code)
        printf("%s%s%s\n", assent_outcome_text(result.outcome), *result.text ? ": " : "",
               result.text);
    return code;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {[ASSENT_2PC] = "2pc",
                                        [ASSENT_3PC] = "3pc",
                                        [ASSENT_TCC] = "tcc",
                                        [ASSENT_SAGA] = "saga",
                                        [ASSENT_MESSAGE] = "message"};
    struct request r = {.protocol = ASSENT_2PC};
    const char *timeout_ms = getenv("ASSENT_CALLER_TIMEOUT_MS"); // of the transaction
    assent_tx_options options = {.timeout_ms = timeout_ms ? (uint32_t)atoi(timeout_ms) : 0};
    assent_client *client;
    assent_error error;
    if (argc < 3)
        return fprintf(stderr, "usage: see the source\n"), 2;
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i] && strcmp(argv[1], names[i]) == 0)
            options.protocol = r.protocol = (assent_protocol)i;
    int code = assent_client_open(NULL, &client, &error);
    if (!code) {
        code = assent_begin(client, strcmp(argv[2], "-") ? argv[2] : NULL, &options, &r.tx, &error);
        if (!code)
            code = run(&r, argv + 3, &error);
        assent_tx_destroy(&r.tx);
        assent_client_close(&client);
    }
    if (code)
        fprintf(stderr, "integration-caller: %s: %s\n", assent_code_name(code), error.message);
    return code ? 1 : 0;
}
