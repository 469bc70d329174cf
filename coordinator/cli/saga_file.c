// SPDX-License-Identifier: Apache-2.0
// Every refusal names the step, by its place in the file and its name, and the field.
#include "saga_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/gtid.h"

enum { WHERE_BYTES = 200 };

// What is being read, for messages.
struct place {
    const char *file;
    const char *step; // its name; "" while that is not known
    unsigned number;  // of the step, from 0; NONE: the file itself
    assent_error *error;
};

enum { NONE = LIMIT_BRANCHES };

static int wrong(const struct place *at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int wrong(const struct place *at, const char *format, ...)
{
    char what[ASSENT_ERROR_MESSAGE_MAX], where[WHERE_BYTES] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (at->number != NONE)
        snprintf(where, sizeof where, "step %u%s%.64s%s: ", at->number, *at->step ? " (" : "",
                 at->step, *at->step ? ")" : "");
    return error_set(at->error, ASSENT_INVALID, "%s: %s%s", at->file, where, what);
}

// ---- fields ----

static int take_text(const struct place *at, const json_t *object, const char *key, bool needed,
                     const char **ret)
{
    const json_t *value = json_object_get(object, key);
    if (!value && !needed)
        return ASSENT_OK;
    if (!value)
        return wrong(at, "'%s' is missing", key);
    if (!json_is_string(value))
        return wrong(at, "'%s' is not a text", key);
    *ret = json_string_value(value);
    return ASSENT_OK;
}

static int take_name(const struct place *at, const json_t *object, const char *key, bool needed,
                     const char **ret)
{
    int code = take_text(at, object, key, needed, ret);
    if (code == ASSENT_OK && *ret && !gtid_valid(slice_text(*ret)))
        return wrong(at, "'%s' is to have 1 to %d letters, digits and . _ : -", key,
                     LIMIT_NAME_BYTES);
    return code;
}

static int take_number(const struct place *at, const json_t *object, const char *key, uint64_t most,
                       uint32_t *ret)
{
    const json_t *value = json_object_get(object, key);
    *ret = 0;
    if (!value)
        return ASSENT_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > most)
        return wrong(at, "'%s' is not a whole number from 0 to %" PRIu64, key, most);
    *ret = (uint32_t)json_integer_value(value);
    return ASSENT_OK;
}

static int take_bool(const struct place *at, const json_t *object, const char *key, bool fallback,
                     bool *ret)
{
    const json_t *value = json_object_get(object, key);
    *ret = value ? json_is_true(value) : fallback;
    if (value && !json_is_boolean(value))
        return wrong(at, "'%s' is neither true nor false", key);
    return ASSENT_OK;
}

// A key that is not known is a mistake, perhaps one that matters.
static int check_keys(const struct place *at, const json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return wrong(at, "there is no field '%.64s'", key);
    }
    return ASSENT_OK;
}

// ---- steps ----

// Compact, and the same when it is read again: with as few digits as that takes, since 0.1 is not
// to become 0.10000000000000001. NULL: out of memory.
static char *dump_exactly(const json_t *json)
{
    for (size_t digits = 15;; digits++) {
        char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        json_t *again = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        bool same = json_equal(json, again);
        json_decref(again);
        if (!text || same || digits == 17)
            return text;
        free(text);
    }
}

static int take_payload(const struct place *at, struct saga_file *f, const json_t *object)
{
    struct saga_step *step = &f->steps[f->count];
    const json_t *text = json_object_get(object, "payload");
    const json_t *json = json_object_get(object, "payload_json");
    if (text && json)
        return wrong(at, "it has 'payload' and 'payload_json'; one of them is enough");
    if (text && !json_is_string(text))
        return wrong(at, "'payload' is not a text; any other JSON goes into 'payload_json'");
    if (text)
        step->payload = slice_of(json_string_value(text), json_string_length(text));
    if (json) {
        char *dumped = dump_exactly(json);
        f->texts[f->count] = dumped;
        if (!dumped)
            return error_set(at->error, ASSENT_NOMEM, "out of memory");
        step->payload = slice_text(dumped);
    }
    if (step->payload.size > LIMIT_PAYLOAD_BYTES)
        return wrong(at, "its payload has %zu bytes; at most %d are carried", step->payload.size,
                     LIMIT_PAYLOAD_BYTES);
    return ASSENT_OK;
}

static int find_before(const struct saga_file *f, const char *name)
{
    for (unsigned i = 0; i < f->count; i++)
        if (strcmp(f->steps[i].name, name) == 0)
            return (int)i;
    return -1;
}

static bool stands_further_down(const struct saga_file *f, const char *name)
{
    const json_t *step;
    size_t i;
    json_array_foreach(json_object_get(f->json, "steps"), i, step)
    {
        if (i > f->count && strcmp(member_text(step, "name"), name) == 0)
            return true;
    }
    return false;
}

static int take_after(const struct place *at, struct saga_file *f, const json_t *object)
{
    struct saga_step *step = &f->steps[f->count];
    const json_t *after = json_object_get(object, "after"), *name;
    size_t i;
    if (!after && f->count > 0)
        step->after = UINT64_C(1) << (f->count - 1);
    if (after && !json_is_array(after))
        return wrong(at, "'after' is not a list of names of steps");
    json_array_foreach(after, i, name)
    {
        const char *text = json_string_value(name);
        if (!text)
            return wrong(at, "'after' is not a list of names of steps");
        int found = find_before(f, text);
        if (strcmp(text, step->name) == 0)
            return wrong(at, "'after': it cannot come after itself");
        if (found < 0 && stands_further_down(f, text))
            return wrong(at, "'after': %.64s stands further down: put it before this step", text);
        if (found < 0)
            return wrong(at, "'after': there is no step %.64s", text);
        step->after |= UINT64_C(1) << found;
    }
    return ASSENT_OK;
}

static int check_pivot(const struct place *at, const struct saga_file *f)
{
    for (unsigned i = 0; i < f->count && f->steps[f->count].pivot; i++)
        if (f->steps[i].pivot)
            return wrong(at, "'pivot': step %u (%.64s) is the pivot already; there is one at most",
                         i, f->steps[i].name);
    return ASSENT_OK;
}

static int take_plan(const struct place *at, struct saga_step *step, const json_t *object)
{
    bool compensate = true;
    uint32_t attempts = 0;
    int code = take_bool(at, object, "pivot", false, &step->pivot);
    if (!code)
        code = take_bool(at, object, "compensate", true, &compensate);
    if (!code)
        code = take_number(at, object, "attempts", UINT16_MAX, &attempts);
    if (!code)
        code = take_number(at, object, "timeout_ms", UINT32_MAX, &step->timeout_ms);
    if (!code)
        code = take_number(at, object, "backoff_ms", UINT32_MAX, &step->backoff_ms);
    if (!code)
        code = take_number(at, object, "backoff_max_ms", UINT32_MAX, &step->backoff_max_ms);
    if (!code && step->backoff_max_ms && step->backoff_max_ms < step->backoff_ms)
        code = wrong(at, "'backoff_max_ms' is less than 'backoff_ms'");
    step->kept = !compensate;
    step->attempts = (uint16_t)attempts;
    return code;
}

static int take_step(struct place *at, struct saga_file *f, const json_t *object)
{
    static const char *const known[] = {
        "name",     "resource",   "payload",    "after",      "pivot",          "payload_json",
        "attempts", "timeout_ms", "compensate", "backoff_ms", "backoff_max_ms", NULL};
    struct saga_step *step = &f->steps[f->count];
    if (!json_is_object(object))
        return wrong(at, "it is not an object");
    int code = take_name(at, object, "name", true, &step->name);
    if (code)
        return code;
    at->step = step->name;
    if (find_before(f, step->name) >= 0)
        return wrong(at, "'name': step %d has the same", find_before(f, step->name));
    code = check_keys(at, object, known);
    if (!code)
        code = take_name(at, object, "resource", true, &step->resource);
    if (!code)
        code = take_payload(at, f, object);
    if (!code)
        code = take_after(at, f, object);
    if (!code)
        code = take_plan(at, step, object);
    return code ? code : check_pivot(at, f);
}

static int take_steps(struct place *at, struct saga_file *f)
{
    const json_t *steps = json_object_get(f->json, "steps"), *step;
    size_t i, bytes = 0;
    if (!json_is_array(steps))
        return wrong(at, steps ? "'steps' is not a list" : "'steps' is missing");
    if (json_array_size(steps) == 0 || json_array_size(steps) > LIMIT_BRANCHES)
        return wrong(at, "'steps' has %zu; 1 to %d are allowed", json_array_size(steps),
                     LIMIT_BRANCHES);
    json_array_foreach(steps, i, step)
    {
        struct place there = {at->file, "", (unsigned)i, at->error};
        int code = take_step(&there, f, step);
        if (code)
            return code;
        bytes += f->steps[f->count++].payload.size;
    }
    if (bytes > LIMIT_ADMITTED_BYTES)
        return wrong(at, "the payloads have %zu bytes together; at most %d are allowed", bytes,
                     LIMIT_ADMITTED_BYTES);
    return ASSENT_OK;
}

static int take_file(struct place *at, struct saga_file *f)
{
    static const char *const known[] = {"gtid", "timeout_ms", "steps", NULL};
    if (!json_is_object(f->json))
        return wrong(at, "it is not a JSON object");
    int code = check_keys(at, f->json, known);
    if (!code)
        code = take_name(at, f->json, "gtid", false, &f->gtid);
    if (!code)
        code = take_number(at, f->json, "timeout_ms", UINT32_MAX, &f->timeout_ms);
    return code ? code : take_steps(at, f);
}

int saga_file_parse(struct saga_file *ret, struct slice text, const char *name, assent_error *error)
{
    json_error_t syntax;
    struct place at = {name, "", NONE, error};
    *ret = (struct saga_file){0};
    ret->json = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, &syntax);
    if (!ret->json)
        return error_set(error, ASSENT_INVALID, "%s:%d:%d: %s", name, syntax.line, syntax.column,
                         syntax.text);
    int code = take_file(&at, ret);
    if (code)
        saga_file_free(ret);
    return code;
}

int saga_file_read(struct saga_file *ret, FILE *in, const char *name, assent_error *error)
{
    char *text = malloc(SAGA_FILE_BYTES_MAX + 1);
    if (!text)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    size_t size = fread(text, 1, SAGA_FILE_BYTES_MAX + 1, in);
    int code;
    if (ferror(in))
        code = error_set(error, ASSENT_IO, "%s: %s", name, strerror(errno));
    else if (size > SAGA_FILE_BYTES_MAX)
        code =
            error_set(error, ASSENT_INVALID, "%s: longer than %d bytes", name, SAGA_FILE_BYTES_MAX);
    else
        code = saga_file_parse(ret, slice_of(text, size), name, error);
    free(text);
    return code;
}

void saga_file_free(struct saga_file *self)
{
    for (unsigned i = 0; i < LIMIT_BRANCHES; i++)
        free(self->texts[i]);
    json_decref(self->json);
    *self = (struct saga_file){0};
}
