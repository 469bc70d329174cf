// SPDX-License-Identifier: Apache-2.0
#include "mutants.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mutant.h"

static const struct {
    const char *name, *protocol, *about;
} mutants[] = {
#define X(identifier, name, about) {name, "2pc", about},
    MUTANTS(X)
#undef X
#define X(identifier, name, protocol, about) {name, protocol, about},
        MUTANTS_OF_BUSINESS(X)
#undef X
// Not listed yet: not all are found out by seeds alone.
#define X(identifier, name, about) {name, "3pc", about},
            MUTANTS_OF_QUORUM(X)
#undef X
};

enum { COUNT = sizeof mutants / sizeof mutants[0] };

void mutant_list(FILE *out)
{
    for (int i = 0; i < MUTANT_COUNT; i++)
        fprintf(out, "%-26s %-8s %s\n", mutants[i].name, mutants[i].protocol, mutants[i].about);
}

static int mutant_of(const char *name)
{
    for (int i = 0; i < COUNT; i++) {
        if (strcmp(mutants[i].name, name) == 0)
            return i;
    }
    fprintf(stderr, "assent-sim: no mutant is named '%s'; see assent-sim --list-mutants\n", name);
    return -1;
}

const char *mutant_protocol(const char *name)
{
    int index = mutant_of(name);
    return index < 0 ? NULL : mutants[index].protocol;
}

#ifdef ASSENT_MUTANTS

int mutant_choose(const char *name, char **argv)
{
    (void)argv;
    mutant_active = mutant_of(name);
    return mutant_active < 0 ? 2 : -1;
}

#else

int mutant_choose(const char *name, char **argv)
{
    char path[4096];
    static const char suffix[] = "-mutants";
    if (mutant_of(name) < 0)
        return 2;
    ssize_t size = readlink("/proc/self/exe", path, sizeof path - sizeof suffix);
    if (size < 0) {
        fprintf(stderr, "assent-sim: /proc/self/exe: %s\n", strerror(errno));
        return 2;
    }
    memcpy(path + size, suffix, sizeof suffix);
    execv(path, argv);
    fprintf(stderr, "assent-sim: %s: %s\n", path, strerror(errno));
    return 2;
}

#endif
