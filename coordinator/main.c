// SPDX-License-Identifier: Apache-2.0
// assentd, the transaction coordinator. See assentd(8).
#include <czmq.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/crash_point.h"
#include "daemon.h"
#include "net/authority.h"

static int fail(const assent_error *error)
{
    fprintf(stderr, "assentd: %s\n", error->message);
    return daemon_exit_code(error->code);
}

static int flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_CLEAN;
    fprintf(stderr, "assentd: cannot write to standard output\n");
    return EXIT_ENVIRONMENT;
}

static int run(const struct options *options, struct config *config, assent_error *error)
{
    int code = config_resolve(config, error);
    if (!code)
        code = engine_check(config, error);
    // A reload does without those that are not valid, a start does not.
    if (!code && options->what == OPTIONS_CHECK && *config->authorized_dir)
        code = authority_check(config->authorized_dir, error);
    if (!code && options->what == OPTIONS_CHECK) {
        puts("the configuration is valid");
        return flushed();
    }
    if (!code)
        code = crash_point_arm(error);
    return code ? fail(error) : (int)daemon_run(options, config);
}

static int print(struct config *config)
{
    // Where nothing can be resolved (no home directory) the open values are shown as such.
    config_resolve(config, NULL);
    config_print(config, stdout);
    return flushed();
}

static int with_config(const struct options *options, assent_error *error)
{
    struct config config;
    int code = options_config(options, &config, error);
    if (code)
        return fail(error);
    if (options->what == OPTIONS_PRINT_CONFIG)
        code = print(&config);
    else
        code = run(options, &config, error);
    config_free(&config);
    return code;
}

static int dispatch(const struct options *options, assent_error *error)
{
    switch (options->what) {
    case OPTIONS_HELP: options_usage(stdout); return flushed();
    case OPTIONS_VERSION: puts("assentd " ASSENT_VERSION_TEXT); return flushed();
    case OPTIONS_LIST_CRASH_POINTS: crash_point_list(stdout); return flushed();
    case OPTIONS_PRINT_MARKDOWN: config_print_markdown(stdout); return flushed();
    case OPTIONS_PRINT_CONFIG:
    case OPTIONS_CHECK:
    case OPTIONS_RUN: break;
    }
    return with_config(options, error);
}

// Where a standard descriptor is closed, the log's own files would get its number, and what is
// printed would be written into them.
static int fill_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd < 0) {
        perror("assentd: /dev/null"); // said if anybody can hear it
        return EXIT_ENVIRONMENT;
    }
    close(fd);
    return EXIT_CLEAN;
}

int main(int argc, char **argv)
{
    if (fill_descriptors())
        return EXIT_ENVIRONMENT;
    struct options options;
    assent_error error;
    zsys_handler_set(NULL); // CZMQ leaves signals alone
    int code = options_parse(&options, argc, argv, &error);
    code = code ? fail(&error) : dispatch(&options, &error);
    options_free(&options);
    return code;
}
