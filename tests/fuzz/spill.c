// SPDX-License-Identifier: Apache-2.0
#include "spill.h"

#include "base/check.h"

FILE *spill(const uint8_t *data, size_t size, char path[SPILL_PATH_BYTES])
{
    FILE *file = tmpfile();
    CHECK(file && fwrite(data, 1, size, file) == size && fflush(file) == 0);
    snprintf(path, SPILL_PATH_BYTES, "/proc/self/fd/%d", fileno(file));
    return file;
}
