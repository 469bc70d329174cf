// SPDX-License-Identifier: Apache-2.0
// Booking a trip: a flight, a hotel, a car, and a card that pays; each a service with a database of
// its own. A trip is booked as a saga or as a tcc transaction, at the same services.
//
// What each service has are *offers*: an item and how many of it there are: days with seats, rooms
// or cars; and, at the card, travellers with the trips that they can pay. A flight of an odd day
// arrives a day later, which only the flight knows: a saga's hotel is booked for the day that the
// flight has returned.
#ifndef TRAVEL_TRAVEL_H
#define TRAVEL_TRAVEL_H

#include <stdint.h>

#include "assent/participant.h"

// The services' resources.
extern const char *const travel_services[];
enum { FLIGHT, HOTEL, CAR, CARD, SERVICE_COUNT };

// Where a service's database is, in the directory of all.
void travel_path(const char *root, const char *service, char path[512]);
// The day that a flight arrives.
int64_t travel_arrival(int64_t day);

// Handlers whose context is a struct local *.
extern const assent_handlers travel_handlers;
// Makes the tables.
extern const char travel_setup[];

int command_serve(int argc, char **argv);
int command_book(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_run(int argc, char **argv);

#endif
