// SPDX-License-Identifier: Apache-2.0
#include "faults.h"

#include "base/check.h"

// Of those that came later the streams are drawn otherwise, so that old seeds stay what they were.
enum { MILLION = 1000000, FAULTS_FIRST = FAULT_RM_HEURISTIC };

static const struct {
    const char *name, *opportunity, *about;
} texts[] = {
#define X(identifier, name, opportunity, about) {name, opportunity, about},
    FAULTS(X)
#undef X
};

const char *fault_name(enum fault fault)
{
    return texts[fault].name;
}

const char *fault_opportunity(enum fault fault)
{
    return texts[fault].opportunity;
}

const char *fault_about(enum fault fault)
{
    return texts[fault].about;
}

void faults_init(struct faults *self, uint64_t seed)
{
    *self = (struct faults){0};
    for (unsigned i = 0; i < FAULTS_FIRST; i++)
        rng_seed(&self->rng[i], seed * FAULTS_FIRST + i + 1);
    for (unsigned i = FAULTS_FIRST; i < FAULT_COUNT; i++)
        rng_seed(&self->rng[i], (seed ^ UINT64_C(0xfa0175)) * FAULT_COUNT + i + 1);
}

static bool is_wanted(const struct strikes *only, enum fault fault, uint32_t number)
{
    for (size_t i = 0; i < only->count; i++) {
        if (only->items[i].fault == fault && only->items[i].number == number)
            return true;
    }
    return false;
}

bool faults_strike(struct faults *self, enum fault fault)
{
    uint32_t rate = self->rate[fault];
    if (rate == 0 || self->over || rng_below(&self->rng[fault], MILLION) >= rate)
        return false;
    uint32_t number = self->drawn[fault]++;
    if (self->only && !is_wanted(self->only, fault, number))
        return false;
    if (self->log && self->log->count < self->log->capacity)
        self->log->items[self->log->count++] = (struct strike){(uint16_t)fault, number};
    self->happened[fault]++;
    self->total++;
    return true;
}

uint64_t faults_below(struct faults *self, enum fault fault, uint64_t bound)
{
    CHECK(bound > 0);
    return rng_below(&self->rng[fault], bound);
}
