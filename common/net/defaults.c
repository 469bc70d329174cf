// SPDX-License-Identifier: Apache-2.0
#include "net/defaults.h"

#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 4, 5))) static int put(char *ret, size_t size, assent_error *error,
                                                     const char *format, ...)
{
    char text[PATH_MAX + 64];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof text || (size_t)length >= size)
        return error_set(error, ASSENT_LIMIT, "net: a default path is longer than %zu bytes",
                         size - 1);
    memcpy(ret, text, (size_t)length + 1);
    return ASSENT_OK;
}

int default_data_dir(char *ret, size_t size, assent_error *error)
{
    if (geteuid() == 0)
        return put(ret, size, error, "/var/lib/assent");
    // The base-directory specification wants relative paths ignored.
    const char *state = getenv("XDG_STATE_HOME");
    if (state && state[0] == '/')
        return put(ret, size, error, "%s/assent", state);
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return put(ret, size, error, "%s/.local/state/assent", home);
    struct passwd entry, *found = NULL;
    char memory[4096];
    if (getpwuid_r(geteuid(), &entry, memory, sizeof memory, &found) == 0 && found &&
        found->pw_dir && found->pw_dir[0] == '/')
        return put(ret, size, error, "%s/.local/state/assent", found->pw_dir);
    return error_set(error, ASSENT_CONFIG,
                     "net: no home directory to put data in; set HOME or name a data directory");
}

int default_endpoint(const char *data_dir, char *ret, size_t size, assent_error *error)
{
    char fallback[PATH_MAX];
    if (!data_dir) {
        int code = default_data_dir(fallback, sizeof fallback, error);
        if (code != ASSENT_OK)
            return code;
        data_dir = fallback;
    }
    return put(ret, size, error, "ipc://%s/assentd.sock", data_dir);
}

int default_client_endpoint(char *ret, size_t size, assent_error *error)
{
    const char *told = getenv("ASSENT_ENDPOINT");
    if (told && told[0] != '\0')
        return put(ret, size, error, "%s", told);
    return default_endpoint(NULL, ret, size, error);
}
