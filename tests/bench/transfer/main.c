// SPDX-License-Identifier: Apache-2.0
// bench-transfer WAY CLIENTS SECONDS CONNINFO SOCKET USER PASSWORD DATABASE
// Prints "<transfers> <refused> <seconds> <median microseconds>". tests/throughput runs it.
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "transfer.h"

enum { CLIENTS_MAX = 256, SAMPLES_MAX = 1 << 20, RAMP_US = 500000 };

static const struct transfer_way *way;
static struct transfer_place place;
static atomic_bool counting, stop;
static atomic_uint ready;
static atomic_uint_least64_t done, refused;
static uint32_t samples[SAMPLES_MAX];
static atomic_uint sample_count;

void transfer_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench-transfer: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(3);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void *client_run(void *arg)
{
    unsigned thread = (unsigned)(uintptr_t)arg;
    unsigned seed = thread + 1;
    void *self = way->open(&place, thread);
    ready++;
    for (uint64_t number = 0; !stop; number++) {
        uint64_t began_us = now_us();
        unsigned account = (unsigned)rand_r(&seed) % TRANSFER_ACCOUNTS;
        bool good = way->once(self, account, 1 + rand_r(&seed) % 100, number);
        if (!counting)
            continue;
        atomic_fetch_add(good ? &done : &refused, 1);
        unsigned at = atomic_fetch_add(&sample_count, 1);
        if (at < SAMPLES_MAX)
            samples[at] = (uint32_t)(now_us() - began_us);
    }
    way->close(self);
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void pause_us(uint64_t us)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000),
                                 .tv_nsec = (long)(us % 1000000 * 1000)},
              NULL);
}

static uint64_t measure(unsigned clients, unsigned seconds)
{
    pthread_t threads[CLIENTS_MAX];
    for (unsigned i = 0; i < clients; i++) {
        if (pthread_create(&threads[i], NULL, client_run, (void *)(uintptr_t)i))
            transfer_die("no thread");
    }
    while (ready < clients)
        pause_us(1000);
    pause_us(RAMP_US); // statements are prepared, connections made
    counting = true;
    uint64_t began_us = now_us();
    pause_us((uint64_t)seconds * 1000000);
    counting = false;
    uint64_t took_us = now_us() - began_us;
    stop = true;
    for (unsigned i = 0; i < clients; i++)
        pthread_join(threads[i], NULL);
    return took_us;
}

int main(int argc, char **argv)
{
    unsigned clients = argc == 9 ? (unsigned)atoi(argv[2]) : 0;
    unsigned seconds = argc == 9 ? (unsigned)atoi(argv[3]) : 0;
    if (clients < 1 || clients > CLIENTS_MAX || seconds < 1 || seconds > 3600)
        transfer_die(
            "usage: (plain|assent) CLIENTS SECONDS CONNINFO SOCKET USER PASSWORD DATABASE");
    way = strcmp(argv[1], "plain") == 0 ? &transfer_plain : &transfer_assent;
    place = (struct transfer_place){argv[4], argv[5], argv[6], argv[7], argv[8]};
    uint64_t took_us = measure(clients, seconds);
    unsigned count = sample_count < SAMPLES_MAX ? sample_count : SAMPLES_MAX;
    qsort(samples, count, sizeof samples[0], by_number);
    printf("%llu %llu %.3f %u\n", (unsigned long long)done, (unsigned long long)refused,
           (double)took_us / 1e6, count ? samples[count / 2] : 0);
    return 0;
}
