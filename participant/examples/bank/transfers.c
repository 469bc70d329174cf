// SPDX-License-Identifier: Apache-2.0
#include "transfers.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "operation.h"

enum { BAD_SHOWN_MAX = 100 };

struct transfers {
    pthread_mutex_t lock;
    FILE *file;
    const char *path;
    char *line;
    size_t room;
    uint64_t number, bad, accounts;
    int failed;         // errno of the read that did
    int64_t size, read; // bytes; size 0: not known
};

struct transfers *transfers_open(const char *path, uint64_t accounts)
{
    struct transfers *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (!t->file) {
        free(t);
        return NULL;
    }
    struct stat about;
    if (fstat(fileno(t->file), &about) == 0 && S_ISREG(about.st_mode))
        t->size = about.st_size;
    t->path = path;
    t->accounts = accounts;
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void transfers_close(struct transfers **transfers_p)
{
    struct transfers *t = *transfers_p;
    if (!t)
        return;
    *transfers_p = NULL;
    if (t->file != stdin)
        fclose(t->file);
    pthread_mutex_destroy(&t->lock);
    free(t->line);
    free(t);
}

// A field that is a whole number and nothing else but spaces around it.
static bool field_number(const char *field, uint64_t *ret)
{
    char *end;
    field += strspn(field, " \t");
    errno = 0;
    unsigned long long value = strtoull(field, &end, 10);
    bool digits = *field >= '0' && *field <= '9';
    end += strspn(end, " \t\r");
    if (errno || !digits || *end)
        return false;
    *ret = value;
    return true;
}

// NULL: a good line; else what is wrong with it.
static const char *line_parse(const struct transfers *t, char *line, struct job *ret)
{
    char *fields[3], *rest = line;
    for (int i = 0; i < 3; i++) {
        fields[i] = strsep(&rest, ",");
        if (!fields[i])
            return "from,to,amount are expected";
    }
    uint64_t amount;
    if (rest)
        return "there are more than three fields";
    if (!field_number(fields[0], &ret->from) || !field_number(fields[1], &ret->to))
        return "an account is a whole number";
    if (ret->from >= t->accounts || ret->to >= t->accounts)
        return "there is no such account";
    if (ret->from == ret->to)
        return "both accounts are the same";
    if (!field_number(fields[2], &amount) || amount < 1 || amount > AMOUNT_MAX)
        return "the amount is a whole number of cents, from 1 to 1000000000";
    ret->kind = KIND_SEND_PAYMENT;
    ret->amount = (int64_t)amount;
    return NULL;
}

static bool line_names(const char *line)
{
    return strncmp(line, "from,to,amount", 14) == 0 &&
           strspn(line + 14, " \t\r") == strlen(line + 14);
}

static bool transfers_read(struct transfers *t, struct job *ret)
{
    for (ssize_t size; (size = getline(&t->line, &t->room, t->file)) > 0;) {
        t->read += size;
        t->number++;
        bool nul = memchr(t->line, '\0', (size_t)size) != NULL;
        if (t->line[size - 1] == '\n')
            t->line[size - 1] = '\0';
        if (t->line[strspn(t->line, " \t\r")] == '\0' && !nul)
            continue;
        if (t->number == 1 && line_names(t->line))
            continue;
        const char *wrong = nul ? "not text" : line_parse(t, t->line, ret);
        if (!wrong)
            return true;
        if (t->bad++ < BAD_SHOWN_MAX)
            fprintf(stderr, "%s:%" PRIu64 ": %s\n", t->path, t->number, wrong);
        else if (t->bad == BAD_SHOWN_MAX + 1)
            fprintf(stderr, "%s: more bad lines are counted, but not shown\n", t->path);
    }
    if (!feof(t->file) && !t->failed && errno != EINTR)
        t->failed = errno;
    return false;
}

bool transfers_next(struct transfers *t, struct job *ret)
{
    pthread_mutex_lock(&t->lock);
    bool got = transfers_read(t, ret);
    pthread_mutex_unlock(&t->lock);
    return got;
}

uint64_t transfers_bad(const struct transfers *t)
{
    return t->bad;
}

int transfers_failed(const struct transfers *t)
{
    return t->failed;
}

int transfers_progress(struct transfers *t)
{
    pthread_mutex_lock(&t->lock);
    int percent = t->size ? (int)(100 * t->read / t->size) : -1;
    pthread_mutex_unlock(&t->lock);
    return percent;
}
