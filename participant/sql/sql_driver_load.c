// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <string.h>

#include "base/error.h"
#include "sql/sql_driver.h"

static const struct {
    const char *prefix; // of an address
    const char *library;
    const char *symbol;
    const char *package; // that has the database's own client library
} drivers[] = {
    {"postgres:", "libassent-postgres.so.0", "assent_sql_postgres", "libpq"},
    {"mariadb:", "libassent-mariadb.so.0", "assent_sql_mariadb", "libmariadb"},
};

int sql_driver_load(const char *address, const struct sql_driver **ret, const char **ret_where,
                    assent_error *error)
{
    for (size_t i = 0; i < sizeof drivers / sizeof drivers[0]; i++) {
        size_t size = strlen(drivers[i].prefix);
        if (strncmp(address, drivers[i].prefix, size) != 0)
            continue;
        void *library = dlopen(drivers[i].library, RTLD_NOW | RTLD_LOCAL);
        if (!library)
            return error_set(error, ASSENT_CONFIG,
                             "%s (it comes with Assent where that was built with %s)", dlerror(),
                             drivers[i].package);
        const struct sql_driver *driver = dlsym(library, drivers[i].symbol);
        if (!driver)
            return error_set(error, ASSENT_CONFIG, "%s has no %s: it is of another version",
                             drivers[i].library, drivers[i].symbol);
        *ret = driver;
        *ret_where = address + size;
        return ASSENT_OK;
    }
    // What was given is not repeated: it may hold a password.
    return error_set(error, ASSENT_INVALID,
                     "a database's address begins with postgres: or mariadb:");
}
