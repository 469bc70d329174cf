// SPDX-License-Identifier: Apache-2.0
// assent-order take: clients that order. Each may die at any line of take_order: what it leaves is
// an order that payment and stock are told of, or none.
#include <getopt.h>
#include <stdio.h>

#include "kit/command.h"
#include "kit/crowd.h"
#include "kit/local.h"
#include "order.h"

static const char usage[] =
    "Usage: assent-order take [OPTION]... DIR\n"
    "Takes random orders, which are rows in DIR/orders. Of ten customers one changes his mind.\n"
    "\n"
    "      --topic NAME       publish them to this topic (default: send them to payment and "
    "stock)\n"
    "      --patience-ms N    how long after the preparation the coordinator asks the shop "
    "whether\n"
    "                         the order was made, if it has not heard (default 2000)\n"
    "      --delay-ms N       they are delivered so long after that (default 0)\n" CROWD_USAGE
    "  -h, --help             show this help\n";

enum { CUSTOMERS = 50, ARTICLES = 20 };

struct taking {
    struct local *db;
    const char *topic;
    int64_t patience_ms, delay_ms;
};

static int address(const struct taking *t, assent_tx *tx, const struct order *order,
                   assent_error *error)
{
    char text[ORDER_TEXT_MAX];
    size_t size = order_print(order, text);
    uint32_t delay_ms = (uint32_t)t->delay_ms;
    int code = assent_sender(tx, order_services[ORDERS], error);
    if (code == ASSENT_OK && t->topic)
        return assent_publish(tx, t->topic, text, size, delay_ms, error);
    for (unsigned i = PAYMENT; i <= STOCK && code == ASSENT_OK; i++)
        code = assent_deliver(tx, order_services[i], text, size, delay_ms, error);
    return code;
}

// The local transaction: the order, and with it the barrier's row that says so to whoever asks.
static bool insert(struct local *db, const char *gtid, const struct order *o, bool changes_his_mind)
{
    assent_barrier_entry entry;
    if (!local_enter(db, gtid, SENDER_BRANCH, ASSENT_BARRIER_SEND, &entry))
        return false;
    // REFUSED: this client was so slow that the coordinator has asked, and was told no.
    if (entry.verdict == ASSENT_BARRIER_RUN &&
        local_run(db, "INSERT INTO orders VALUES (%Q, %lld, %lld, %lld, %lld)", gtid,
                  (long long)o->customer, (long long)o->amount, (long long)o->article,
                  (long long)o->pieces) &&
        !changes_his_mind) {
        local_commit(db);
        return true;
    }
    local_rollback(db);
    return false;
}

static void take_order(struct crowd *crowd, const struct taking *t, assent_tx *tx,
                       const struct order *order, bool changes_his_mind)
{
    assent_result result;
    int code = address(t, tx, order, NULL);
    if (code == ASSENT_OK)
        code = assent_prepare(tx, NULL);
    // From here on the coordinator will find out by itself.
    if (code == ASSENT_OK && insert(t->db, assent_tx_gtid(tx), order, changes_his_mind))
        crowd_commit(crowd, tx); // the order stands; this only makes its delivery quicker
    else if (assent_rollback(tx, &result, NULL) == ASSENT_OK &&
             result.outcome != ASSENT_IN_PROGRESS)
        crowd_record(crowd, &result);
    else if (code == ASSENT_OK)
        crowd_settle(crowd, assent_tx_gtid(tx));
    else
        crowd_refused(crowd);
}

static void take_once(struct crowd *crowd, uint64_t *random)
{
    const struct taking *t = crowd->context;
    struct order order = {.customer = crowd_draw(random, CUSTOMERS),
                          .amount = 1 + crowd_draw(random, 10000),
                          .article = crowd_draw(random, ARTICLES),
                          .pieces = 1 + crowd_draw(random, 9)};
    bool changes_his_mind = crowd_draw(random, 10) == 0;
    assent_tx_options options = {.protocol = ASSENT_MESSAGE,
                                 .timeout_ms = (uint32_t)t->patience_ms};
    assent_tx *tx;
    if (!crowd_begin(crowd, &options, &tx))
        return;
    take_order(crowd, t, tx, &order, changes_his_mind);
    assent_tx_destroy(&tx);
}

int command_take(int argc, char **argv)
{
    static const struct option options[] = {{"topic", required_argument, NULL, 'T'},
                                            {"patience-ms", required_argument, NULL, 'P'},
                                            {"delay-ms", required_argument, NULL, 'd'},
                                            CROWD_OPTIONS,
                                            {0}};
    struct taking t = {.patience_ms = 2000};
    struct crowd crowd = {.once = take_once, .context = &t};
    crowd_defaults(&crowd);
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        bool good = true;
        switch (c) {
        case 'T': t.topic = optarg; break;
        case 'P': good = number_parse("patience-ms", optarg, 1, 3600000, &t.patience_ms); break;
        case 'd': good = number_parse("delay-ms", optarg, 0, 3600000, &t.delay_ms); break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        default: good = crowd_option(&crowd, c, optarg, &good) && good; break;
        }
        if (!good)
            return EXIT_USAGE;
    }
    if (optind + 1 != argc)
        return complain(EXIT_USAGE, "take needs one directory; see assent-order take --help");
    char path[512];
    assent_error error;
    order_path(argv[optind], order_services[ORDERS], path);
    if (local_open(path, order_setups[ORDERS], &t.db, &error) != ASSENT_OK)
        return complain(EXIT_TROUBLE, "%s", error.message);
    int status = crowd_run(&crowd);
    local_close(&t.db);
    return status;
}
