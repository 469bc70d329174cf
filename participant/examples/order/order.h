// SPDX-License-Identifier: Apache-2.0
// Orders as transactional messages: an order is a row in the shop's own database, and whoever has
// to act on it, payment and stock, is told by a message that is sent if, and only if, that row is
// there. Nobody waits for payment or stock, and neither can say no.
#ifndef ORDER_ORDER_H
#define ORDER_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "assent/participant.h"

// The sender, and the consumers.
extern const char *const order_services[];
enum { ORDERS, PAYMENT, STOCK, SERVICE_COUNT };

// What an order is, and what its message says: "<customer> <amount> <article> <pieces>".
struct order {
    int64_t customer, amount, article, pieces;
};
enum { ORDER_TEXT_MAX = 96 };
size_t order_print(const struct order *order, char text[ORDER_TEXT_MAX]);

// Where a service's database is, in the directory of all.
void order_path(const char *root, const char *service, char path[512]);
extern const char *const order_setups[]; // make the tables of each

// Handlers; the context is a struct local *.
extern const assent_handlers sender_handlers, payment_handlers, stock_handlers;

// What the sender does now and then.
void sender_tidy(void *context);
enum { SENDER_BRANCH = 0 };

int command_serve(int argc, char **argv);
int command_take(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_run(int argc, char **argv);

#endif
