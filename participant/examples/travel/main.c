// SPDX-License-Identifier: Apache-2.0
// assent-travel: trips booked as sagas and as tcc transactions.
#include "kit/command.h"
#include "travel.h"

static const char usage[] =
    "Usage: assent-travel COMMAND [OPTION]... [ARGUMENT]...\n"
    "Books trips (a flight, a hotel, a car, and a card that pays) at four services.\n"
    "\n"
    "  run    all of it in one command: a coordinator, the services, bookings, an audit\n"
    "  serve  a service\n"
    "  book   clients that book trips\n"
    "  audit  is every trip booked in whole or not at all?\n"
    "\n"
    "assent-travel COMMAND --help says more. The coordinator is $ASSENT_ENDPOINT, else assentd's\n"
    "default.\n";

int main(int argc, char **argv)
{
    static const struct command commands[] = {{"run", command_run},
                                              {"serve", command_serve},
                                              {"book", command_book},
                                              {"audit", command_audit},
                                              {0}};
    return command_main("assent-travel", usage, commands, argc, argv);
}
