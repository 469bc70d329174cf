// SPDX-License-Identifier: Apache-2.0
// Certificates of any content. One that is accepted has whole keys and a name, grants something,
// and is the same certificate when it is read again; a refusal says why, and leaves the result
// alone.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "fuzz.h"
#include "net/cert.h"
#include "spill.h"

static void check_key(const char key[CERT_KEY_TEXT_BYTES])
{
    CHECK(strnlen(key, CERT_KEY_TEXT_BYTES) == CERT_KEY_TEXT_BYTES - 1);
    for (const char *at = key; *at; at++)
        CHECK(isgraph((unsigned char)*at));
}

static void check_holder(const char *path)
{
    struct cert_holder holder, again;
    assent_error error = {0};
    memset(&holder, 0xa5, sizeof holder);
    again = holder;
    if (cert_load_holder(path, &holder, &error) != ASSENT_OK) {
        CHECK(error.message[0] && memcmp(&holder, &again, sizeof holder) == 0);
        return;
    }
    check_key(holder.public_key);
    CHECK(holder.name[0] && strnlen(holder.name, sizeof holder.name) < sizeof holder.name);
    CHECK(holder.grant.client || holder.grant.resource_count > 0 || holder.grant.operator_);
    CHECK(cert_load_holder(path, &again, &error) == ASSENT_OK);
    CHECK(strcmp(holder.name, again.name) == 0);
    CHECK(strcmp(holder.public_key, again.public_key) == 0);
}

static void check_keys(const char *path)
{
    struct cert_keys whole, half;
    assent_error error = {0};
    int code = cert_load_public(path, &half, &error);
    if (code != ASSENT_OK) {
        CHECK(error.message[0]);
        CHECK(cert_load_secret(path, &whole, &error) != ASSENT_OK);
        return;
    }
    check_key(half.public_key);
    CHECK(half.secret_key[0] == '\0');
    if (cert_load_secret(path, &whole, &error) != ASSENT_OK)
        return;
    check_key(whole.secret_key);
    CHECK(strcmp(whole.public_key, half.public_key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[SPILL_PATH_BYTES];
    FILE *file = spill(data, size, path);
    check_holder(path);
    check_keys(path);
    fclose(file);
    return 0;
}
