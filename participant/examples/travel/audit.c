// SPDX-License-Identifier: Apache-2.0
// assent-travel audit: is every trip booked in whole or not at all, and nothing left half done?
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kit/books.h"
#include "kit/command.h"
#include "kit/local.h"
#include "kit/pause.h"
#include "travel.h"

static const char usage[] =
    "Usage: assent-travel audit [OPTION]... DIR\n"
    "Looks into the databases of all services in DIR, running or not: each trip has to be booked "
    "at\n"
    "every service or at none, and for the right day; nothing may be reserved; what is free and "
    "what\n"
    "is booked has to add up.\n"
    "\n" BOOKS_USAGE;

enum { ALL = (1 << SERVICE_COUNT) - 1 };

struct audit {
    const char *root;
    struct local *services[SERVICE_COUNT];
    struct books *books;
    unsigned service; // that is being read
    int64_t reserved, rows, wrong;
    bool json;
};

static const char *service_name(unsigned bit)
{
    return travel_services[bit];
}

static void say_wrong(struct audit *a, const char *what, int64_t count)
{
    if (count == 0)
        return;
    a->wrong += count;
    complain(EXIT_FOUND_WRONG, "%s: %" PRId64 " %s", travel_services[a->service], count, what);
}

static void see_booking(void *arg, int columns, const char *const *values)
{
    (void)columns;
    struct audit *a = arg;
    struct account *account = books_account(a->books, values[0]);
    account->seen |= 1u << a->service;
    // The flight's day and the hotel's have to fit, whoever has found that out.
    if (a->service == FLIGHT || a->service == HOTEL) {
        int64_t day = strtoll(values[1], NULL, 10);
        account->numbers[a->service] = a->service == FLIGHT ? travel_arrival(day) : day;
    }
}

// Adds what the query counts to *sum.
static bool count(const struct audit *a, int64_t *sum, const char *sql)
{
    int64_t number;
    if (!local_number(a->services[a->service], &number, "%s", sql))
        return false;
    *sum += number;
    return true;
}

static bool read_service(struct audit *a)
{
    int64_t uneven = 0;
    if (!count(a, &a->reserved, "SELECT count(*) FROM bookings WHERE state = 'reserved'") ||
        !count(a, &a->rows, "SELECT count(*) FROM assent_barrier") ||
        !count(a, &uneven,
               "SELECT count(*) FROM offers WHERE capacity <> free +"
               " (SELECT count(*) FROM bookings WHERE bookings.item = offers.item)"))
        return false;
    if (a->service == FLIGHT && !count(a, &a->reserved,
                                       "SELECT count(*) FROM bookings"
                                       " WHERE protocol = 'saga' AND state <> 'ticketed'"))
        return false;
    say_wrong(a, "items do not add up", uneven);
    return local_each(a->services[a->service], see_booking, a, "SELECT gtid, item FROM bookings");
}

static bool read_all(struct audit *a)
{
    books_close(&a->books);
    a->books = books_open();
    a->reserved = a->rows = a->wrong = 0;
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

static bool at_rest(const struct audit *a, const struct books_check *check)
{
    return a->reserved == 0 && (a->rows == 0 || !check->rows) && books_whole(a->books, ALL);
}

static void check_days(void *arg, const struct account *account)
{
    struct audit *a = arg;
    if (account->seen != ALL || account->numbers[FLIGHT] == account->numbers[HOTEL])
        return;
    a->wrong++;
    complain(EXIT_FOUND_WRONG, "%s: the hotel is not booked for the day of arrival", account->gtid);
}

static int look(struct audit *a, struct books_check *check, int64_t wait_s)
{
    assent_error error;
    for (unsigned i = 0; i < SERVICE_COUNT; i++) {
        char path[512];
        travel_path(a->root, travel_services[i], path);
        if (local_look(path, &a->services[i], &error) != ASSENT_OK)
            return complain(EXIT_TROUBLE, "%s", error.message);
    }
    time_t until = time(NULL) + wait_s;
    for (;;) {
        if (!read_all(a))
            return EXIT_TROUBLE;
        if (at_rest(a, check) || time(NULL) >= until)
            break;
        pause_ms(200);
    }
    books_each(a->books, check_days, a);
    int64_t wrong = books_check(a->books, check);
    if (wrong < 0)
        return EXIT_TROUBLE;
    a->wrong += wrong;
    return EXIT_GOOD;
}

static int report(const struct audit *a, const struct books_check *check)
{
    bool good = a->wrong == 0 && at_rest(a, check);
    uint64_t trips = books_count(a->books);
    if (a->json)
        printf("{\"schema\":1,\"ok\":%s,\"trips\":%" PRIu64 ",\"reserved\":%" PRId64
               ",\"barrier_rows\":%" PRId64 ",\"wrong\":%" PRId64 ",\"told\":%" PRIu64
               ",\"asked\":%" PRIu64 "}\n",
               good ? "true" : "false", trips, a->reserved, a->rows, a->wrong, check->told,
               check->asked);
    else
        printf("%" PRIu64 " trips, %" PRId64 " half done, %" PRId64 " rows of the barrier, %" PRId64
               " wrong; %" PRIu64 " answers were kept, %" PRIu64 " outcomes asked for\n%s\n",
               trips, a->reserved, a->rows, a->wrong, check->told, check->asked,
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
