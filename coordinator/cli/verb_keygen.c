// SPDX-License-Identifier: Apache-2.0
// keygen: certificates for CURVE.
#include <string.h>

#include "base/limits.h"
#include "net/cert.h"
#include "views.h"

enum { PATH_BYTES = 4096, LIST_BYTES = 1024 };

// "/etc/assent/ops.cert" names "ops".
static void name_of_path(const char *path, char *ret, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    snprintf(ret, size, "%.*s", (int)strcspn(base, "."), base);
}

// Lists are separated by spaces in a certificate, by commas on the command line.
static const char *list_of(const char *said, char *ret, size_t size)
{
    if (!said)
        return NULL;
    snprintf(ret, size, "%s", said);
    for (char *at = ret; *at; at++)
        if (*at == ',')
            *at = ' ';
    return ret;
}

static enum exit_code keygen_done(const struct cli *cli, const char *path, const char *secret,
                                  const char *name)
{
    if (cli->json)
        return print_json(
            cli, json_pack("{s:s, s:s, s:s}", "public", path, "secret", secret, "name", name));
    printf("%-8s %s\n%-8s %s\n", "public", clean(path), "secret", clean(secret));
    if (cli->role)
        printf("\nCopy the public one into the coordinator's authorized directory and reload it "
               "(SIGHUP).\nThe secret one belongs to %s alone: --certificate, or "
               "ASSENT_CERTIFICATE.\n",
               clean(name));
    else
        printf("\nThe secret one is the coordinator's (security/certificate). Everybody who "
               "connects needs the\npublic one: --server-certificate, or "
               "ASSENT_SERVER_CERTIFICATE.\n");
    return EXIT_OK;
}

enum exit_code verb_keygen(struct cli *cli)
{
    const char *path = cli->words[0];
    char secret[PATH_BYTES], name[LIMIT_NAME_BYTES + 1], role[LIST_BYTES], resources[LIST_BYTES];
    assent_error error;
    if (strlen(path) + sizeof "_secret" > sizeof secret)
        return print_failed_as(cli, EXIT_USAGE, "INVALID", "the path is too long");
    if ((cli->role && strlen(cli->role) >= sizeof role) ||
        (cli->resources && strlen(cli->resources) >= sizeof resources))
        return print_failed_as(cli, EXIT_USAGE, "LIMIT", "the list of roles or names is too long");
    snprintf(secret, sizeof secret, "%s_secret", path);
    name_of_path(path, name, sizeof name);
    const char *said = cli->name ? cli->name : name;
    int code = net_keygen(path, secret, said, list_of(cli->role, role, sizeof role),
                          list_of(cli->resources, resources, sizeof resources), &error);
    if (code == ASSENT_INVALID)
        return print_failed_as(cli, EXIT_USAGE, "INVALID", "%s", error.message);
    if (code != ASSENT_OK)
        return print_failed(cli, &error);
    return keygen_done(cli, path, secret, said);
}
