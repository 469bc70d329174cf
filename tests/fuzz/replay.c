// SPDX-License-Identifier: Apache-2.0
// Stands in for libFuzzer where there is none: feeds every file of the directories, and the files,
// that are named on the command line to the target, once.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { INPUT_BYTES_MAX = 8 << 20 };

static unsigned inputs;

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

int main(int argc, char **argv)
{
    int failures = 0;
    for (int i = 1; i < argc; i++)
        failures += replay(argv[i]);
    printf("%u inputs replayed\n", inputs);
    return failures > 0 || inputs == 0;
}
