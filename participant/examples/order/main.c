// SPDX-License-Identifier: Apache-2.0
// assent-order: orders that payment and stock are told of by transactional messages.
#include "kit/command.h"
#include "order.h"

static const char usage[] =
    "Usage: assent-order COMMAND [OPTION]... [ARGUMENT]...\n"
    "Takes orders, and tells payment and stock of each that stands.\n"
    "\n"
    "  run    all of it in one command: a coordinator, the services, orders, an audit\n"
    "  serve  a service\n"
    "  take   clients that order\n"
    "  audit  was each order that stands told to each consumer, once, and no other?\n"
    "\n"
    "assent-order COMMAND --help says more. The coordinator is $ASSENT_ENDPOINT, else assentd's\n"
    "default.\n";

int main(int argc, char **argv)
{
    static const struct command commands[] = {{"run", command_run},
                                              {"serve", command_serve},
                                              {"take", command_take},
                                              {"audit", command_audit},
                                              {0}};
    return command_main("assent-order", usage, commands, argc, argv);
}
