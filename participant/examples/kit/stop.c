// SPDX-License-Identifier: Apache-2.0
#include "kit/stop.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

static int stop_fd = -1; // readable once the process is told to stop

bool stop_signals(void)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); // in all threads: they go to stop_fd
    stop_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    return stop_fd >= 0;
}

enum wake stop_wait(int failed, int milliseconds)
{
    struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN}, {.fd = failed, .events = POLLIN}};
    if (poll(fds, 2, milliseconds) <= 0)
        return WAKE_TIME;
    return fds[0].revents ? WAKE_STOP : WAKE_FAILED;
}
