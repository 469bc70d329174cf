// SPDX-License-Identifier: Apache-2.0
#include "spill.h"

#include "base/check.h"

// CZMQ prints a line about each file that it cannot read, and has no switch for that.
__attribute__((visibility("default"))) void zclock_log(const char *format, ...);
void zclock_log(const char *format, ...)
{
    (void)format;
}

FILE *spill(const uint8_t *data, size_t size, char path[SPILL_PATH_BYTES])
{
    FILE *file = tmpfile();
    CHECK(file && fwrite(data, 1, size, file) == size && fflush(file) == 0);
    snprintf(path, SPILL_PATH_BYTES, "/proc/self/fd/%d", fileno(file));
    return file;
}
