// SPDX-License-Identifier: Apache-2.0
// assent-travel book: clients that book trips.
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kit/command.h"
#include "kit/crowd.h"
#include "travel.h"

static const char usage[] = "Usage: assent-travel book [OPTION]...\n"
                            "Books trips of random days and travellers.\n"
                            "\n"
                            "      --saga, --tcc      only so (default: both)\n"
                            "      --leave            sagas are handed over, and not waited for\n"
                            "      --days N           of the flights (default 30)\n"
                            "      --travellers N     (default 100)\n" CROWD_USAGE
                            "  -h, --help             show this help\n";

struct trip {
    int64_t day, traveller;
};

struct booking {
    bool saga, tcc, leave;
    int64_t days, travellers;
};

// ---- a trip as a saga ----

// Any of them may be full, so all that is tried before the card pays can be given back; the card is
// the pivot. The hotel needs to know when the flight arrives, the car is booked at the same time.
// What is not done in so many attempts is given up, but once it is paid the ticket is issued
// whatever it takes.
static int trip_saga(assent_tx *tx, const struct trip *trip, assent_error *error)
{
    assent_step_options first = {.anywhere = 1, .attempts = 5, .timeout_ms = 2000};
    assent_step_options later = first, pay = first, last = {0};
    char text[32];
    uint16_t flight = 0, hotel = 0, car = 0, card = 0;

    int size = snprintf(text, sizeof text, "book %" PRId64, trip->day);
    int code = assent_step(tx, "flight", text, (size_t)size, &first, &flight, error);
    if (code == ASSENT_OK)
        code = assent_step(tx, "car", text, (size_t)size, &first, &car, error);

    later.after = (uint16_t[]){flight};
    later.after_count = 1;
    size = snprintf(text, sizeof text, "book @%u", flight);
    if (code == ASSENT_OK)
        code = assent_step(tx, "hotel", text, (size_t)size, &later, &hotel, error);

    pay.pivot = 1;
    pay.after = (uint16_t[]){hotel, car};
    pay.after_count = 2;
    size = snprintf(text, sizeof text, "book %" PRId64, trip->traveller);
    if (code == ASSENT_OK)
        code = assent_step(tx, "card", text, (size_t)size, &pay, &card, error);

    last.after = (uint16_t[]){card};
    last.after_count = 1;
    size = snprintf(text, sizeof text, "ticket @%u", flight);
    if (code == ASSENT_OK)
        code = assent_step(tx, "flight", text, (size_t)size, &last, NULL, error);
    return code;
}

// ---- a trip as a tcc transaction ----

// All tries are made at once, so none can use what another returns: the client has to know when a
// flight arrives.
static int trip_tcc(assent_tx *tx, const struct trip *trip, assent_error *error)
{
    const int64_t items[SERVICE_COUNT] = {[FLIGHT] = trip->day,
                                          [HOTEL] = travel_arrival(trip->day),
                                          [CAR] = trip->day,
                                          [CARD] = trip->traveller};
    int code = ASSENT_OK;
    for (unsigned i = 0; i < SERVICE_COUNT && code == ASSENT_OK; i++) {
        char text[32];
        int size = snprintf(text, sizeof text, "book %" PRId64, items[i]);
        code = assent_call(tx, travel_services[i], text, (size_t)size, NULL, error);
    }
    return code;
}

// ---- clients ----

static void book_once(struct crowd *crowd, uint64_t *random)
{
    const struct booking *b = crowd->context;
    struct trip trip = {1 + crowd_draw(random, b->days), 1 + crowd_draw(random, b->travellers)};
    bool saga = b->saga && (!b->tcc || crowd_draw(random, 2));
    assent_tx_options options = {.protocol = saga ? ASSENT_SAGA : ASSENT_TCC,
                                 .timeout_ms = saga ? 0 : 10000};
    assent_tx *tx;
    assent_error error;
    if (!crowd_begin(crowd, &options, &tx))
        return;
    int code = saga ? trip_saga(tx, &trip, &error) : trip_tcc(tx, &trip, &error);
    if (code == ASSENT_OK && saga && b->leave) {
        // From here on it is the coordinator's: this program may die, or ask tomorrow.
        code = assent_submit(tx, &error);
        if (code == ASSENT_OK)
            crowd_settle(crowd, assent_tx_gtid(tx));
    } else if (code == ASSENT_OK) {
        crowd_commit(crowd, tx);
    }
    if (code != ASSENT_OK)
        crowd_refused(crowd);
    assent_tx_destroy(&tx);
}

int command_book(int argc, char **argv)
{
    static const struct option options[] = {{"saga", no_argument, NULL, 'g'},
                                            {"tcc", no_argument, NULL, 'T'},
                                            {"leave", no_argument, NULL, 'l'},
                                            {"days", required_argument, NULL, 'd'},
                                            {"travellers", required_argument, NULL, 'v'},
                                            CROWD_OPTIONS,
                                            {0}};
    struct booking b = {.days = 30, .travellers = 100};
    struct crowd crowd = {.once = book_once, .context = &b};
    crowd_defaults(&crowd);
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        bool good = true;
        switch (c) {
        case 'g': b.saga = true; break;
        case 'T': b.tcc = true; break;
        case 'l': b.leave = true; break;
        case 'd': good = number_parse("days", optarg, 1, 1000000, &b.days); break;
        case 'v': good = number_parse("travellers", optarg, 1, 1000000, &b.travellers); break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        default: good = crowd_option(&crowd, c, optarg, &good) && good; break;
        }
        if (!good)
            return EXIT_USAGE;
    }
    if (optind != argc)
        return complain(EXIT_USAGE, "book takes no arguments; see assent-travel book --help");
    if (!b.saga && !b.tcc)
        b.saga = b.tcc = true;
    return crowd_run(&crowd);
}
