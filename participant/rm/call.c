// SPDX-License-Identifier: Apache-2.0
// Payloads are hostile until proved otherwise: sizes are bounded, what is not known is refused, and
// what is quoted in a reason is a valid name.
#include "call.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "call_numbers.h"
#include "core/gtid.h"

static int refuse(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int refuse(char *why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, ASSENT_NO_REASON_MAX + 1, format, arguments);
    va_end(arguments);
    return ASSENT_INVALID;
}

// {"step": N}, whose N has become a text.
static bool take_step(const json_t *json, struct call_value *ret)
{
    const char *text = json_string_value(json_object_get(json, "step"));
    char *end;
    if (!text || json_object_size(json) != 1 || *text < '0' || *text > '9')
        return false;
    long step = strtol(text, &end, 10);
    if (*end || step >= LIMIT_BRANCHES)
        return false;
    *ret = (struct call_value){.step = (int)step};
    return true;
}

static int take_value(const struct procedure *p, enum operation operation, unsigned i,
                      const json_t *json, struct call_value *ret, char *why)
{
    const char *name = p->parameters[i];
    *ret = (struct call_value){.step = CALL_STEP_NONE};
    if (json_is_null(json))
        return ASSENT_OK;
    if (json_is_string(json)) {
        ret->text = json_string_value(json);
        ret->size = json_string_length(json);
        return ASSENT_OK;
    }
    if (!json_is_object(json) || !take_step(json, ret))
        return refuse(why, "%.40s: '%.40s' is no number, text, null or {\"step\": N}", p->name,
                      name);
    if (operation != OPERATION_ACTION && operation != OPERATION_COMPENSATE)
        return refuse(why, "%.40s: '%.40s': only an action has the answers of other steps", p->name,
                      name);
    // A compensation is given the answer of its own action, and not those of other steps. So an
    // action must not be done that could not be undone.
    if (procedure_uses(p, OPERATION_COMPENSATE, (struct argument){ARGUMENT_PARAMETER, i}))
        return refuse(why, "%.40s: '%.40s' is used by compensate: it cannot be a step's answer",
                      p->name, name);
    return ASSENT_OK;
}

static int take_values(enum operation operation, struct call_item *item, const json_t *with,
                       char *why)
{
    const struct procedure *p = item->procedure;
    if (with && !json_is_array(with))
        return refuse(why, "%.64s: 'with' is not a list", p->name);
    if (json_array_size(with) != p->parameter_count)
        return refuse(why, "%.64s takes %u values, not %zu", p->name, p->parameter_count,
                      json_array_size(with));
    int code = ASSENT_OK;
    for (unsigned i = 0; i < p->parameter_count && !code; i++)
        code = take_value(p, operation, i, json_array_get(with, i), &item->values[i], why);
    return code;
}

static int take_item(const struct procedures *allowed, enum operation operation,
                     struct call_item *item, const json_t *json, char *why)
{
    const json_t *name = json_object_get(json, "procedure"), *with = json_object_get(json, "with");
    struct slice text = slice_of(json_string_value(name), json_string_length(name));
    if (!json_is_string(name))
        return refuse(why, "an entry of 'do' has no 'procedure'");
    if (json_object_size(json) != (with ? 2 : 1))
        return refuse(why, "an entry of 'do' has other fields than 'procedure' and 'with'");
    if (!gtid_valid(text))
        return refuse(why, "'procedure' is no name");
    item->procedure = procedures_find(allowed, text);
    if (!item->procedure)
        return refuse(why, "there is no procedure %.*s", (int)text.size, (const char *)text.data);
    if (!item->procedure->scripts[operation].given)
        return refuse(why, "procedure %.64s has no %s", item->procedure->name,
                      operation_text(operation));
    return take_values(operation, item, with, why);
}

// There is one answer of an action, so only one of what it does may give it.
static int check_answers(const struct call *call, char *why)
{
    const struct procedure *first = NULL;
    for (unsigned i = 0; i < call->count; i++) {
        const struct procedure *p = call->items[i].procedure;
        if (!p || !procedure_answers(p))
            continue;
        if (first)
            return refuse(why, "%.64s and %.64s both answer: an action has one answer", first->name,
                          p->name);
        first = p;
    }
    return ASSENT_OK;
}

static int take_call(const struct procedures *allowed, enum operation operation, struct call *call,
                     char *why)
{
    const json_t *list = json_object_get(call->json, "do"), *json;
    size_t i;
    if (!json_is_array(list) || json_object_size(call->json) != 1)
        return refuse(why, "a call is {\"do\": [...]}, and nothing else");
    if (json_array_size(list) < 1 || json_array_size(list) > CALL_PROCEDURES_MAX)
        return refuse(why, "'do' has %zu entries; 1 to %d are allowed", json_array_size(list),
                      CALL_PROCEDURES_MAX);
    call->items = calloc(json_array_size(list), sizeof *call->items);
    if (!call->items)
        return ASSENT_NOMEM;
    json_array_foreach(list, i, json)
    {
        int code = take_item(allowed, operation, &call->items[call->count++], json, why);
        if (code)
            return code;
    }
    return operation == OPERATION_ACTION ? check_answers(call, why) : ASSENT_OK;
}

static int parse(struct call *call, const void *payload, size_t size, char *why)
{
    json_error_t syntax;
    struct buf text;
    int code = numbers_to_texts(payload, size, &text);
    if (code == ASSENT_NOMEM)
        return code;
    if (code == ASSENT_OK)
        call->json =
            json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &syntax);
    buf_free(&text);
    if (code || !call->json)
        return refuse(why, "the payload is not valid JSON");
    return ASSENT_OK;
}

int call_parse(const struct procedures *allowed, enum operation operation, const void *payload,
               size_t size, struct call **ret, char *why)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return ASSENT_NOMEM;
    int code = parse(call, payload, size, why);
    if (!code)
        code = take_call(allowed, operation, call, why);
    if (code)
        call_free(&call);
    else
        *ret = call;
    return code;
}

void call_free(struct call **call_p)
{
    if (!*call_p)
        return;
    json_decref((*call_p)->json);
    free((*call_p)->items);
    free(*call_p);
    *call_p = NULL;
}
