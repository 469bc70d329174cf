// SPDX-License-Identifier: Apache-2.0
// A store to test, on either back end, with short ways to write to it and look at it.
#ifndef UNIT_SHELF_H
#define UNIT_SHELF_H

#include "store/memory.h"
#include "unit.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SHELF_SANITIZED = 1 }; // everything is slow
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SHELF_SANITIZED = 1 };
#else
enum { SHELF_SANITIZED = 0 };
#endif
#else
enum { SHELF_SANITIZED = 0 };
#endif

struct shelf {
    char *dir;                // LevelDB
    struct memory_disk *disk; // memory
    struct store *store;
    struct store_options options;
    char text[8192]; // what was asked last
};

enum shelf_flag {
    SHELF_OPEN = 1,
    SHELF_DECIDE = 2,
    SHELF_DECIDED = 4,
    SHELF_FORGET = 8,
    SHELF_LAZY = 16, // not synced
};

// For cmocka: *state is a struct shelf with a new store.
int shelf_setup_leveldb(void **state);
int shelf_setup_memory(void **state);
int shelf_teardown(void **state);

// A test of cmocka's that runs on both back ends.
#define SHELF_ON_BOTH(test)                                                                        \
    {#test " (leveldb)", test, shelf_setup_leveldb, shelf_teardown, NULL},                         \
    {                                                                                              \
#test " (memory)", test, shelf_setup_memory, shelf_teardown, NULL                          \
    }

struct shelf *shelf_new(bool leveldb, uint64_t id); // id 0: of its own choice
void shelf_destroy(struct shelf *self);
void shelf_open(struct shelf *self);
void shelf_close(struct shelf *self);
void shelf_reopen(struct shelf *self);

struct store_put shelf_a_put(const char *key, const char *value, unsigned flags, uint64_t stamp);
// Applies one put. Returns its answer; of STORE_OTHER, self->text has what stands.
enum store_answer shelf_put(struct shelf *self, const char *key, const char *value, unsigned flags,
                            uint64_t stamp);
// What stands under the key, in self->text; NULL when nothing does.
const char *shelf_value(struct shelf *self, const char *key);
// "key=value key=value ...", open ones with a star: "key*=value".
const char *shelf_list(struct shelf *self, bool open_only, bool newest_first, uint64_t from_seq);
// Collects until there is no more to do.
void shelf_collect(struct shelf *self, uint64_t horizon);
struct store_info shelf_info(const struct shelf *self);

// Copies a directory with all that is in it; `to` is made.
void shelf_copy_dir(const char *from, const char *to);
// Bytes of all files below a directory.
uint64_t shelf_dir_bytes(const char *dir);

#endif
