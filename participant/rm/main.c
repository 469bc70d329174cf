// SPDX-License-Identifier: Apache-2.0
// assent-rm: makes a database a participant.
#include <stdio.h>

#include "assent/assent.h"
#include "base/logger.h"
#include "rm.h"

static int complain(int status, const assent_error *error)
{
    fprintf(stderr, "assent-rm: %s\n", error->message);
    return status;
}

static int run(const struct rm_options *options)
{
    struct rm rm;
    assent_error error;
    int status;
    if (rm_load(&rm, options, &error) != ASSENT_OK)
        status =
            complain(options->what == RM_OPTIONS_CHECK ? EXIT_FOUND_WRONG : EXIT_TROUBLE, &error);
    else
        status = options->what == RM_OPTIONS_CHECK ? rm_check(&rm) : rm_serve(&rm);
    rm_close(&rm);
    return status;
}

int main(int argc, char **argv)
{
    struct rm_options options;
    assent_error error;
    json_object_seed(0); // before there are threads
    logger_setup(LOG_INFO, LOG_LOGFMT, 2, "assent-rm");
    int status = EXIT_GOOD;
    if (rm_options_read(&options, argc, argv, &error) != ASSENT_OK)
        status = complain(EXIT_USAGE, &error);
    else if (options.what == RM_OPTIONS_HELP)
        fputs(rm_options_usage, stdout);
    else if (options.what == RM_OPTIONS_VERSION)
        printf("assent-rm %s\n", assent_version());
    else
        status = run(&options);
    rm_options_free(&options);
    return status;
}
