// SPDX-License-Identifier: Apache-2.0
// assent, the operator's command.
#include <locale.h>
#include <signal.h>

#include "views.h"

int main(int argc, char **argv)
{
    struct cli cli;
    bool done = false;
    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN); // a closed pipe is noticed where the output is flushed
    enum exit_code exit = cli_parse(&cli, argc, argv, &done);
    if (exit == EXIT_OK && !done)
        exit = cli.verb->run(&cli);
    if (fflush(stdout) != 0 && exit == EXIT_OK) {
        fprintf(stderr, "assent: the result could not be written\n");
        exit = EXIT_FAILED;
    }
    return exit;
}
