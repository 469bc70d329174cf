// SPDX-License-Identifier: Apache-2.0
// assent-bank load: makes a bank's ledger.
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "store.h"

static const char usage[] =
    "Usage: assent-bank load --name NAME [--rm DATABASE] [OPTION]... DIR\n"
    "Makes a bank, with DIR as its directory.\n"
    "\n"
    "  -n, --name NAME        the bank's name, which is the resource that clients use\n"
    "  -a, --accounts N       accounts 0 to N-1 (default 1000)\n"
    "  -b, --balance CENTS    in checking and in savings of each (default 100000)\n"
    "      --rm DATABASE      where its accounts are: postgres:CONNINFO, mariadb:WORDS, or "
    "leveldb:\n"
    "                         for a ledger in DIR (default: what DIR/database says, else "
    "leveldb:)\n"
    "  -h, --help             show this help\n";

static bool name_good(const char *name)
{
    size_t size = strlen(name);
    return size >= 1 && size <= STORE_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") ==
               size;
}

enum { OPT_RM = 256 };

int command_load(int argc, char **argv)
{
    static const struct option options[] = {
        {"name", required_argument, NULL, 'n'},    {"accounts", required_argument, NULL, 'a'},
        {"balance", required_argument, NULL, 'b'}, {"rm", required_argument, NULL, OPT_RM},
        {"help", no_argument, NULL, 'h'},          {0}};
    struct bank_new bank = {.name = NULL};
    const char *rm = NULL;
    int64_t accounts = 1000, balance = 100000;
    for (int c; (c = getopt_long(argc, argv, "n:a:b:h", options, NULL)) != -1;) {
        if (c == 'n')
            bank.name = optarg;
        else if (c == OPT_RM)
            rm = optarg;
        else if (c == 'a' && !number_parse("accounts", optarg, 1, 10000000, &accounts))
            return EXIT_USAGE;
        else if (c == 'b' && !number_parse("balance", optarg, 0, 1000000000, &balance))
            return EXIT_USAGE;
        else if (c == 'h')
            return fputs(usage, stdout), EXIT_GOOD;
        else if (c == '?')
            return EXIT_USAGE;
    }
    if (!bank.name || !name_good(bank.name) || optind != argc - 1)
        return complain(EXIT_USAGE, "load needs --name (1 to 64 of A-Z a-z 0-9 . _ : -) and one "
                                    "directory; see assent-bank load --help");
    assent_error error;
    bank.accounts = (uint64_t)accounts;
    bank.balance = balance;
    if (store_create(argv[optind], rm, &bank, &error) != ASSENT_OK)
        return complain(EXIT_TROUBLE, "%s", error.message);
    printf("%s: %lld accounts, %lld cents in all\n", bank.name, (long long)accounts,
           2LL * accounts * balance);
    return EXIT_GOOD;
}
