// SPDX-License-Identifier: Apache-2.0
// Which databases and journals: --database, --journal, and files of assent-rm.
#include <stdlib.h>
#include <string.h>

#include "core/gtid.h"
#include "doctor.h"
#include "options_file.h"

static enum exit_code usage(const struct doctor *self, const char *option, const char *text,
                            const char *wanted)
{
    // What follows the resource may hold a password: it is not repeated.
    return print_failed_as(self->cli, EXIT_USAGE, "INVALID", "--%s %.*s: %s", option,
                           (int)strcspn(text, "="), text, wanted);
}

static struct doctor_place *place_of(struct doctor *self, struct slice resource)
{
    for (size_t i = 0; i < self->place_count; i++)
        if (slice_equal(slice_text(self->places[i].resource), resource))
            return &self->places[i];
    return NULL;
}

static struct doctor_place *place_add(struct doctor *self, struct slice resource)
{
    if (self->place_count == CLI_LIST_MAX)
        return NULL;
    struct doctor_place *place = &self->places[self->place_count];
    place->resource = strndup(resource.data, resource.size);
    if (!place->resource)
        return NULL;
    assent_xid_resource_hash(place->resource, place->hash);
    self->place_count++;
    return place;
}

// RESOURCE=VALUE. False: it is no such thing.
static bool cut(const char *text, struct slice *ret_resource, const char **ret_value)
{
    const char *equals = strchr(text, '=');
    if (!equals || !equals[1])
        return false;
    *ret_resource = slice_of(text, (size_t)(equals - text));
    *ret_value = equals + 1;
    return gtid_valid(*ret_resource);
}

static enum exit_code take_database(struct doctor *self, const char *text)
{
    struct slice resource;
    const char *address;
    if (!cut(text, &resource, &address))
        return usage(self, "database", text,
                     "it takes RESOURCE=postgres:CONNINFO or RESOURCE=mariadb:WORDS");
    if (place_of(self, resource))
        return usage(self, "database", text, "that resource has a database already");
    struct doctor_place *place = place_add(self, resource);
    if (!place || !(place->address = strdup(address)))
        return usage(self, "database", text, "too many databases");
    return EXIT_OK;
}

static enum exit_code take_journal(struct doctor *self, const char *text)
{
    struct slice resource;
    const char *dir;
    if (!cut(text, &resource, &dir))
        return usage(self, "journal", text, "it takes RESOURCE=DIR");
    struct doctor_place *place = place_of(self, resource);
    if (!place)
        return usage(self, "journal", text,
                     "say the resource's database, too, by --database or --config");
    free(place->journal);
    place->journal = strdup(dir);
    return place->journal ? EXIT_OK : usage(self, "journal", text, "out of memory");
}

// ---- a file of assent-rm ----

struct file {
    char *resource, *journal, *database; // owned
    bool xa;
};

static int take_key(void *arg, const char *key, const char *value, assent_error *error)
{
    struct file *file = arg;
    char **text = strcmp(key, "resource") == 0   ? &file->resource
                  : strcmp(key, "journal") == 0  ? &file->journal
                  : strcmp(key, "database") == 0 ? &file->database
                                                 : NULL;
    file->xa |= strcmp(key, "xa") == 0;
    if (text && !(*text = strdup(value)))
        return error_set(error, ASSENT_NOMEM, "out of memory");
    return ASSENT_OK;
}

static enum exit_code take_file(struct doctor *self, const char *path, struct file *file)
{
    assent_error error;
    if (options_file_read(path, take_key, file, &error) != ASSENT_OK)
        return print_failed(self->cli, &error);
    if (file->xa && file->resource) {
        doctor_unasked(self, "database", file->resource,
                       "an XA switch is asked by its own tools: what it has prepared is not known");
        return EXIT_OK;
    }
    if (!file->resource || !file->database || !gtid_valid(slice_text(file->resource)))
        return usage(self, "config", path,
                     "the file says no resource and database, as assent-rm reads them");
    if (place_of(self, slice_text(file->resource)))
        return usage(self, "config", path, "its resource has a database already");
    struct doctor_place *place = place_add(self, slice_text(file->resource));
    if (!place)
        return usage(self, "config", path, "too many databases");
    place->address = file->database;
    place->journal = file->journal;
    file->database = file->journal = NULL;
    return EXIT_OK;
}

static enum exit_code take_config(struct doctor *self, const char *path)
{
    struct file file = {0};
    enum exit_code exit = take_file(self, path, &file);
    free(file.resource);
    free(file.journal);
    free(file.database);
    return exit;
}

enum exit_code doctor_places(struct doctor *self)
{
    const struct cli *cli = self->cli;
    enum exit_code exit = EXIT_OK;
    for (size_t i = 0; exit == EXIT_OK && i < cli->configs.count; i++)
        exit = take_config(self, cli->configs.items[i]);
    for (size_t i = 0; exit == EXIT_OK && i < cli->databases.count; i++)
        exit = take_database(self, cli->databases.items[i]);
    for (size_t i = 0; exit == EXIT_OK && i < cli->journals.count; i++)
        exit = take_journal(self, cli->journals.items[i]);
    if (exit == EXIT_OK && cli->configs.count + cli->databases.count == 0)
        exit = print_failed_as(cli, EXIT_USAGE, "INVALID",
                               "say which databases: --database RESOURCE=ADDRESS, or --config FILE "
                               "of an assent-rm");
    return exit;
}

void doctor_places_free(struct doctor *self)
{
    for (size_t i = 0; i < self->place_count; i++) {
        free(self->places[i].resource);
        free(self->places[i].address);
        free(self->places[i].journal);
    }
    self->place_count = 0;
}
