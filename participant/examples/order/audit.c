// SPDX-License-Identifier: Apache-2.0
// assent-order audit: was each order that stands told to each consumer, once, and no other?
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kit/books.h"
#include "kit/command.h"
#include "kit/local.h"
#include "kit/pause.h"
#include "order.h"

static const char usage[] =
    "Usage: assent-order audit [OPTION]... DIR\n"
    "Looks into the databases of all services in DIR, running or not: payment and stock must have\n"
    "taken each order, once and as it is, and nothing else; sums have to be right, and no row of "
    "the\n"
    "barrier may be left but the fences of the sender.\n"
    "\n" BOOKS_USAGE;

enum { ALL = (1 << SERVICE_COUNT) - 1 };

// In account.numbers: what was ordered, what was taken, how often.
enum { ORDERED_AMOUNT, ORDERED_PIECES, PAID, PACKED, PAYMENTS, PARCELS };

struct audit {
    const char *root;
    struct local *services[SERVICE_COUNT];
    struct books *books;
    unsigned service; // that is being read
    int64_t rows, wrong;
    bool json;
};

static const char *service_name(unsigned bit)
{
    return order_services[bit];
}

static void see_row(void *arg, int columns, const char *const *values)
{
    (void)columns;
    struct audit *a = arg;
    struct account *account = books_account(a->books, values[0]);
    account->seen |= 1u << a->service;
    int64_t number = strtoll(values[1], NULL, 10);
    if (a->service == ORDERS) {
        account->numbers[ORDERED_AMOUNT] += number;
        account->numbers[ORDERED_PIECES] += strtoll(values[2], NULL, 10);
    } else {
        account->numbers[a->service == PAYMENT ? PAID : PACKED] += number;
        account->numbers[a->service == PAYMENT ? PAYMENTS : PARCELS]++;
    }
}

static bool read_service(struct audit *a)
{
    struct local *db = a->services[a->service];
    int64_t rows = 0, sums = 0;
    bool orders = a->service == ORDERS;
    if (!local_number(db, &rows, "SELECT count(*) FROM assent_barrier WHERE state = 'done' OR %d",
                      !orders))
        return false;
    a->rows += rows;
    if (orders)
        return local_each(db, see_row, a, "SELECT gtid, amount, pieces FROM orders");
    if (!local_number(db, &sums,
                      "SELECT count(*) FROM totals WHERE quantity <>"
                      " (SELECT sum(quantity) FROM received WHERE received.item = totals.item)"))
        return false;
    a->wrong += sums;
    if (sums)
        complain(EXIT_FOUND_WRONG, "%s: %" PRId64 " sums are not right", service_name(a->service),
                 sums);
    return local_each(db, see_row, a, "SELECT gtid, quantity FROM received");
}

static bool read_all(struct audit *a)
{
    books_close(&a->books);
    a->books = books_open();
    a->rows = a->wrong = 0;
    for (a->service = 0; a->service < SERVICE_COUNT; a->service++) {
        if (!local_begin(a->services[a->service]))
            return false;
        bool good = read_service(a);
        local_rollback(a->services[a->service]);
        if (!good)
            return false;
    }
    return true;
}

static void check_once(void *arg, const struct account *account)
{
    struct audit *a = arg;
    const int64_t *n = account->numbers;
    if (account->seen != ALL)
        return; // told otherwise
    if (n[PAYMENTS] == 1 && n[PARCELS] == 1 && n[PAID] == n[ORDERED_AMOUNT] &&
        n[PACKED] == n[ORDERED_PIECES])
        return;
    a->wrong++;
    complain(EXIT_FOUND_WRONG, "%s was paid %" PRId64 " times and packed %" PRId64 " times",
             account->gtid, n[PAYMENTS], n[PARCELS]);
}

static int look(struct audit *a, struct books_check *check, int64_t wait_s)
{
    assent_error error;
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        char path[512];
        order_path(a->root, order_services[i], path);
        if (local_look(path, &a->services[i], &error) != ASSENT_OK)
            return complain(EXIT_TROUBLE, "%s", error.message);
    }
    time_t until = time(NULL) + wait_s;
    for (;;) {
        if (!read_all(a))
            return EXIT_TROUBLE;
        if (((a->rows == 0 || !check->rows) && books_whole(a->books, ALL)) || time(NULL) >= until)
            break;
        pause_ms(200);
    }
    books_each(a->books, check_once, a);
    int64_t wrong = books_check(a->books, check);
    if (wrong < 0)
        return EXIT_TROUBLE;
    a->wrong += wrong;
    return EXIT_GOOD;
}

static int report(const struct audit *a, const struct books_check *check)
{
    bool good = a->wrong == 0 && (a->rows == 0 || !check->rows);
    uint64_t orders = books_count(a->books);
    if (a->json)
        printf("{\"schema\":1,\"ok\":%s,\"orders\":%" PRIu64 ",\"barrier_rows\":%" PRId64
               ",\"wrong\":%" PRId64 ",\"told\":%" PRIu64 ",\"asked\":%" PRIu64 "}\n",
               good ? "true" : "false", orders, a->rows, a->wrong, check->told, check->asked);
    else
        printf("%" PRIu64 " orders, %" PRId64 " rows of the barrier, %" PRId64 " wrong; %" PRIu64
               " answers were kept, %" PRIu64 " outcomes asked for\n%s\n",
               orders, a->rows, a->wrong, check->told, check->asked,
               good ? "all is well" : "SOMETHING IS WRONG");
    return good ? EXIT_GOOD : EXIT_FOUND_WRONG;
}

int command_audit(int argc, char **argv)
{
    struct audit a = {0};
    struct books_check check = {.all = ALL, .part_name = service_name};
    int64_t wait_s = 0;
    int status = books_options(argc, argv, usage, &check, &wait_s, &a.json);
    if (status >= 0)
        return status;
    a.root = argv[argc - 1];
    status = look(&a, &check, wait_s);
    if (status == EXIT_GOOD)
        status = report(&a, &check);
    for (unsigned i = 0; i < SERVICE_COUNT; i++)
        local_close(&a.services[i]);
    books_close(&a.books);
    return status;
}
