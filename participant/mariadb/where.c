// SPDX-License-Identifier: Apache-2.0
#include "where.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define NOWHERE SIZE_MAX

static const struct word {
    const char *name;
    size_t text, number; // where its value goes; NOWHERE: it is of the other kind
    unsigned least, most;
} words[] = {
    {"host", offsetof(struct where, host), NOWHERE, 0, 0},
    {"port", NOWHERE, offsetof(struct where, port), 1, 65535},
    {"socket", offsetof(struct where, socket), NOWHERE, 0, 0},
    {"user", offsetof(struct where, user), NOWHERE, 0, 0},
    {"password", offsetof(struct where, password), NOWHERE, 0, 0},
    {"password-file", offsetof(struct where, password_file), NOWHERE, 0, 0},
    {"database", offsetof(struct where, database), NOWHERE, 0, 0},
    {"ssl-ca", offsetof(struct where, ssl_ca), NOWHERE, 0, 0},
    {"ssl-cert", offsetof(struct where, ssl_cert), NOWHERE, 0, 0},
    {"ssl-key", offsetof(struct where, ssl_key), NOWHERE, 0, 0},
    {"connect-timeout", NOWHERE, offsetof(struct where, connect_timeout_s), 1, 3600},
    {"read-timeout", NOWHERE, offsetof(struct where, read_timeout_s), 0, 86400},
    {"parked", NOWHERE, offsetof(struct where, parked), 1, WHERE_PARKED_MAX},
};
enum { WORDS = sizeof words / sizeof words[0] };

static const char known[] = "host, port, socket, user, password, password-file, database, ssl-ca, "
                            "ssl-cert, ssl-key, connect-timeout, read-timeout, parked";

static const struct word *word_of(const char *name, size_t size)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strlen(words[i].name) == size && memcmp(words[i].name, name, size) == 0)
            return &words[i];
    return NULL;
}

static int number_of(const char *name, const char *text, unsigned least, unsigned most,
                     unsigned *ret, assent_error *error)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || number < least || number > most)
        return error_set(error, ASSENT_CONFIG, "MariaDB: %s is a number from %u to %u, not '%.40s'",
                         name, least, most, text);
    *ret = (unsigned)number;
    return ASSENT_OK;
}

// Copies the value that `from` stands at to `to`; what follows it, or NULL: it does not end.
static const char *value_copy(const char *from, char **to)
{
    bool quoted = *from == '\'';
    for (from += quoted; *from && (quoted ? *from != '\'' : !isspace((unsigned char)*from));)
        if (*from == '\\' && from[1]) {
            *(*to)++ = from[1];
            from += 2;
        } else
            *(*to)++ = *from++;
    *(*to)++ = '\0';
    if (!quoted)
        return from;
    return *from ? from + 1 : NULL;
}

static int take_word(const char **at, char **to, bool *said, struct where *ret, assent_error *error)
{
    const char *name = *at;
    size_t size = strcspn(name, "= \t\r\n");
    if (name[size] != '=')
        return error_set(error, ASSENT_CONFIG, "MariaDB: '%.*s' is no word=value",
                         (int)(size < 40 ? size : 40), name);
    const struct word *word = word_of(name, size);
    if (!word)
        return error_set(error, ASSENT_CONFIG, "MariaDB: there is no word '%.*s'; there are: %s",
                         (int)(size < 40 ? size : 40), name, known);
    if (said[word - words])
        return error_set(error, ASSENT_CONFIG, "MariaDB: %s is said twice", word->name);
    said[word - words] = true;
    const char *value = *to;
    *at = value_copy(name + size + 1, to);
    if (!*at || (**at && !isspace((unsigned char)**at)))
        return error_set(error, ASSENT_CONFIG,
                         "MariaDB: the quotes around the value of %s do not end it", word->name);
    if (word->number != NOWHERE)
        return number_of(word->name, value, word->least, word->most,
                         (unsigned *)(void *)((char *)ret + word->number), error);
    *(const char **)(void *)((char *)ret + (word->text)) = value;
    return ASSENT_OK;
}

static int read_secret(struct where *ret, assent_error *error)
{
    FILE *file = fopen(ret->password_file, "re");
    if (!file)
        return error_set(error, ASSENT_CONFIG, "MariaDB: password-file: %s: %s", ret->password_file,
                         strerror(errno));
    char *line = fgets(ret->secret, sizeof ret->secret, file);
    int failed = ferror(file);
    fclose(file);
    if (failed)
        return error_set(error, ASSENT_CONFIG, "MariaDB: password-file: %s cannot be read",
                         ret->password_file);
    size_t size = line ? strcspn(ret->secret, "\r\n") : 0;
    if (size + 1 >= sizeof ret->secret)
        return error_set(error, ASSENT_CONFIG, "MariaDB: password-file: %s: the line is too long",
                         ret->password_file);
    ret->secret[size] = '\0';
    ret->password = ret->secret;
    return ASSENT_OK;
}

static int check(struct where *ret, assent_error *error)
{
    if (ret->socket && (ret->host || ret->port))
        return error_set(error, ASSENT_CONFIG, "MariaDB: socket, or host and port, not both");
    if (ret->password && ret->password_file)
        return error_set(error, ASSENT_CONFIG, "MariaDB: password, or password-file, not both");
    if (!ret->ssl_cert != !ret->ssl_key)
        return error_set(error, ASSENT_CONFIG, "MariaDB: ssl-cert and ssl-key go together");
    // To the client library "localhost" is the socket, whatever port is said.
    if (ret->port && (!ret->host || strcmp(ret->host, "localhost") == 0))
        ret->host = "127.0.0.1";
    return ret->password_file ? read_secret(ret, error) : ASSENT_OK;
}

int where_parse(const char *text, struct where *ret, assent_error *error)
{
    bool said[WORDS] = {false};
    *ret = (struct where){.connect_timeout_s = 10};
    if (!text)
        return error_set(error, ASSENT_CONFIG, "MariaDB: there is no open string");
    if (strlen(text) >= WHERE_BYTES) // values and their NULs take no more than they do in there
        return error_set(error, ASSENT_CONFIG, "MariaDB: the open string is longer than %d bytes",
                         WHERE_BYTES - 1);
    char *to = ret->bytes;
    for (const char *at = text;;) {
        at += strspn(at, " \t\r\n");
        if (!*at)
            return check(ret, error);
        int code = take_word(&at, &to, said, ret, error);
        if (code)
            return code;
    }
}
