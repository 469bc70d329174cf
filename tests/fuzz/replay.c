// SPDX-License-Identifier: Apache-2.0
// Stands in for libFuzzer where there is none: feeds every file of the directories, and the files,
// that are named on the command line to the target, once; with --mutate N, then N inputs that are
// made of them by chance, the same ones each time.
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "fuzz.h"

enum { INPUT_BYTES_MAX = 8 << 20, KEPT_MAX = 1024, KEPT_BYTES_MAX = 4096, MUTATIONS_MAX = 6 };

struct input {
    size_t size;
    uint8_t bytes[KEPT_BYTES_MAX];
};

static unsigned inputs;
static struct input *kept[KEPT_MAX]; // to be mutated
static size_t kept_count;
static struct input tried; // that runs now
static const char *program;

static void keep(const uint8_t *bytes, size_t size)
{
    struct input *input =
        kept_count < KEPT_MAX && size <= KEPT_BYTES_MAX ? malloc(sizeof *input) : NULL;
    if (!input)
        return;
    input->size = size;
    memcpy(input->bytes, bytes, size);
    kept[kept_count++] = input;
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    static uint8_t buffer[INPUT_BYTES_MAX];
    size_t size = fread(buffer, 1, sizeof buffer, file);
    fclose(file);
    // Exactly as long as the input, so that a sanitizer sees any step past its end.
    uint8_t *input = malloc(size > 0 ? size : 1);
    if (!input)
        return 1;
    memcpy(input, buffer, size);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(input, size);
    keep(input, size);
    free(input);
    inputs++;
    return 0;
}

static int replay(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory)
        return replay_file(path);
    int failures = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        failures += replay_file(inner);
    }
    closedir(directory);
    return failures;
}

// ---- mutated inputs ----

static void insert(struct input *input, size_t at, const uint8_t *bytes, size_t size)
{
    if (size > KEPT_BYTES_MAX - input->size)
        size = KEPT_BYTES_MAX - input->size;
    memmove(input->bytes + at + size, input->bytes + at, input->size - at);
    memcpy(input->bytes + at, bytes, size);
    input->size += size;
}

static void mutate(struct rng *rng, struct input *input)
{
    static const uint8_t telling[] = {0, 1, 2, 0x7f, 0x80, 0xff};
    const struct input *other = kept[rng_below(rng, kept_count)];
    size_t at = (size_t)rng_below(rng, input->size + 1), from = 0;
    uint8_t byte = (uint8_t)rng_next(rng);
    if (other->size)
        from = (size_t)rng_below(rng, other->size);
    switch (rng_below(rng, 6)) {
    case 0:
        if (at < input->size)
            input->bytes[at] ^= (uint8_t)(1u << rng_below(rng, 8));
        break;
    case 1:
        if (at < input->size)
            input->bytes[at] = telling[rng_below(rng, sizeof telling)];
        break;
    case 2: insert(input, at, &byte, 1); break;
    case 3: insert(input, at, other->bytes + from, other->size - from); break;
    case 4: input->size = at; break;
    case 5: { // a stretch goes
        size_t size = (size_t)rng_below(rng, input->size - at + 1);
        memmove(input->bytes + at, input->bytes + at + size, input->size - at - size);
        input->size -= size;
        break;
    }
    }
}

// Leaves the input that broke something where it can be tried again.
static void leave(int signal_number)
{
    char path[4096];
    snprintf(path, sizeof path, "%s-failed-input", program);
    FILE *file = fopen(path, "wb");
    if (file) {
        fwrite(tried.bytes, 1, tried.size, file);
        fclose(file);
        fprintf(stderr, "the input is in %s\n", path);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void try_mutated(unsigned long count)
{
    struct rng rng;
    rng_seed(&rng, 1);
    signal(SIGABRT, leave);
    signal(SIGSEGV, leave);
    for (unsigned long i = 0; i < count && kept_count > 0; i++) {
        tried = *kept[rng_below(&rng, kept_count)];
        for (uint64_t n = 1 + rng_below(&rng, MUTATIONS_MAX); n > 0; n--)
            mutate(&rng, &tried);
        uint8_t *input = malloc(tried.size > 0 ? tried.size : 1);
        if (!input)
            return;
        memcpy(input, tried.bytes, tried.size);
        LLVMFuzzerTestOneInput(input, tried.size);
        free(input);
    }
    printf("%lu inputs made of them\n", count);
}

static int by_bytes(const void *a, const void *b)
{
    const struct input *one = *(struct input *const *)a, *two = *(struct input *const *)b;
    size_t size = one->size < two->size ? one->size : two->size;
    int order = memcmp(one->bytes, two->bytes, size);
    return order ? order : (one->size > two->size) - (one->size < two->size);
}

int main(int argc, char **argv)
{
    int failures = 0;
    unsigned long count = 0;
    program = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--mutate") == 0 && i + 1 < argc)
            count = strtoul(argv[++i], NULL, 10);
        else
            failures += replay(argv[i]);
    }
    printf("%u inputs replayed\n", inputs);
    qsort(kept, kept_count, sizeof kept[0], by_bytes); // directories have no order of their own
    try_mutated(count);
    while (kept_count > 0)
        free(kept[--kept_count]);
    return failures > 0 || inputs == 0;
}
