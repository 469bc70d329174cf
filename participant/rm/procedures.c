// SPDX-License-Identifier: Apache-2.0
// Every refusal names the procedure, the operation, the statement and the field.
#include "procedures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "core/gtid.h"
#include "sql_text.h"

static const char *const operations[OPERATION_COUNT] = {
    [OPERATION_PREPARE] = "prepare", [OPERATION_TRY] = "try",
    [OPERATION_CONFIRM] = "confirm", [OPERATION_CANCEL] = "cancel",
    [OPERATION_ACTION] = "action",   [OPERATION_COMPENSATE] = "compensate",
    [OPERATION_DELIVER] = "deliver",
};

// What is being read, for messages.
struct place {
    const char *file;
    const char *procedure; // NULL: the file itself
    const char *operation; // NULL: the procedure
    unsigned statement;    // from 1; 0: the operation
    assent_error *error;
};

static int wrong(const struct place *at, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int wrong(const struct place *at, const char *format, ...)
{
    char what[ASSENT_ERROR_MESSAGE_MAX], where[160] = "", number[24] = "";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (at->statement)
        snprintf(number, sizeof number, "statement %u: ", at->statement);
    if (at->procedure)
        snprintf(where, sizeof where, "procedure %.64s: %s%s%s", at->procedure,
                 at->operation ? at->operation : "", at->operation ? ": " : "", number);
    return error_set(at->error, ASSENT_CONFIG, "%s: %s%s", at->file, where, what);
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

static int take_text(const struct place *at, const json_t *object, const char *key,
                     const char **ret)
{
    const json_t *value = json_object_get(object, key);
    *ret = json_string_value(value);
    return !value || *ret ? ASSENT_OK : wrong(at, "'%s' is not a text", key);
}

// ---- statements ----

// A text, or a list of texts, which are its lines.
static int take_sql(const struct place *at, struct statement *s, const json_t *value)
{
    const json_t *line;
    size_t i, size = json_string_length(value);
    json_array_foreach(value, i, line)
    {
        if (!json_is_string(line))
            return wrong(at, "'sql' is neither a text nor a list of texts");
        size += json_string_length(line) + 1;
    }
    if (!json_is_string(value) && !json_is_array(value))
        return wrong(at,
                     value ? "'sql' is neither a text nor a list of texts" : "'sql' is missing");
    if (size > SQL_BYTES_MAX)
        return wrong(at, "'sql' is longer than %d bytes", SQL_BYTES_MAX);
    char *end = s->sql = malloc(size + 1);
    if (!end)
        return error_set(at->error, ASSENT_NOMEM, "out of memory");
    end = stpcpy(end, json_is_string(value) ? json_string_value(value) : "");
    json_array_foreach(value, i, line)
    {
        end = stpcpy(stpcpy(end, json_string_value(line)), "\n");
    }
    if (!sql_is_work(s->sql))
        return wrong(at, "'sql' has to begin with SELECT, INSERT, UPDATE, DELETE, REPLACE, MERGE, "
                         "WITH or CALL: assent-rm begins and ends transactions itself");
    return ASSENT_OK;
}

static int take_argument(const struct place *at, const struct procedure *p, const char *text,
                         struct argument *ret)
{
    static const char *const names[] = {[ARGUMENT_GTID] = "@gtid",
                                        [ARGUMENT_BRANCH] = "@branch",
                                        [ARGUMENT_RESULT] = "@result",
                                        [ARGUMENT_PREVIOUS] = "@previous"};
    for (unsigned i = ARGUMENT_GTID; text && i <= ARGUMENT_PREVIOUS; i++) {
        if (strcmp(names[i], text) == 0) {
            *ret = (struct argument){.kind = i};
            return ASSENT_OK;
        }
    }
    for (unsigned i = 0; text && i < p->parameter_count; i++) {
        if (strcmp(p->parameters[i], text) == 0) {
            *ret = (struct argument){.kind = ARGUMENT_PARAMETER, .index = i};
            return ASSENT_OK;
        }
    }
    if (!text)
        return wrong(at, "'with' is not a list of names");
    return wrong(at,
                 "'with': there is no parameter '%.64s'; others are @gtid, @branch, @result "
                 "and @previous",
                 text);
}

static int check_argument(const struct place *at, enum operation operation,
                          const struct argument *argument)
{
    if (argument->kind == ARGUMENT_RESULT && operation != OPERATION_COMPENSATE)
        return wrong(at, "'with': @result is what the action had answered; only compensate has it");
    if (argument->kind == ARGUMENT_PREVIOUS && at->statement == 1)
        return wrong(at, "'with': there is no statement before the first for @previous");
    return ASSENT_OK;
}

// Statements use $1 to $n without gaps; databases could not tell the types of others.
static int check_marks(const struct place *at, const struct statement *s, const json_t *with,
                       unsigned *ret_count)
{
    uint32_t marks;
    if (!sql_marks(s->sql, &marks))
        return wrong(at,
                     "'sql': quotes or a comment are not closed, or a parameter is not one of "
                     "$1 to $%d",
                     PARAMETERS_MAX);
    if (marks & (marks + 1))
        return wrong(at,
                     "'sql' leaves out a parameter: they are numbered $1, $2, ... without gaps");
    unsigned count = (unsigned)__builtin_popcount(marks);
    if (with && json_array_size(with) != count)
        return wrong(at, "'with' names %zu values, 'sql' uses %u", json_array_size(with), count);
    *ret_count = count;
    return ASSENT_OK;
}

static int take_with(const struct place *at, const struct procedure *p, enum operation operation,
                     struct statement *s, const json_t *with)
{
    unsigned count = 0;
    if (with && !json_is_array(with))
        return wrong(at, "'with' is not a list of names");
    int code = check_marks(at, s, with, &count);
    if (code)
        return code;
    if (!with && count > p->parameter_count)
        return wrong(at, "'sql' uses $%u, and the procedure has %u parameters", count,
                     p->parameter_count);
    for (unsigned i = 0; i < count && !code; i++) {
        s->arguments[i] = (struct argument){.kind = ARGUMENT_PARAMETER, .index = i};
        if (with)
            code =
                take_argument(at, p, json_string_value(json_array_get(with, i)), &s->arguments[i]);
        if (!code)
            code = check_argument(at, operation, &s->arguments[i]);
    }
    s->argument_count = count;
    return code;
}

static bool take_count(const json_t *value, uint64_t *ret)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

// A number, or the least and the most.
static int take_rows(const struct place *at, struct statement *s, const json_t *rows)
{
    if (!rows)
        return ASSENT_OK;
    s->counts = true;
    bool good = take_count(rows, &s->rows_least);
    s->rows_most = s->rows_least;
    if (!good && json_array_size(rows) == 2)
        good = take_count(json_array_get(rows, 0), &s->rows_least) &&
               take_count(json_array_get(rows, 1), &s->rows_most) && s->rows_least <= s->rows_most;
    return good ? ASSENT_OK : wrong(at, "'rows' is neither a whole number nor [least, most]");
}

static int take_answers(const struct place *at, struct script *script, enum operation operation,
                        struct statement *s, const json_t *answer)
{
    if (answer && !json_is_boolean(answer))
        return wrong(at, "'answer' is neither true nor false");
    s->answers = json_is_true(answer);
    if (!s->answers)
        return ASSENT_OK;
    if (operation != OPERATION_ACTION)
        return wrong(at, "'answer': only an action has one");
    for (unsigned i = 0; &script->statements[i] != s; i++)
        if (script->statements[i].answers)
            return wrong(at, "'answer': statement %u gives it already", i + 1);
    return ASSENT_OK;
}

static int take_statement(const struct place *at, const struct procedure *p,
                          enum operation operation, struct script *script, const json_t *json)
{
    static const char *const known[] = {"sql", "with", "rows", "reason", "answer", "about", NULL};
    struct statement *s = &script->statements[script->count++];
    bool object = json_is_object(json);
    const char *about;
    int code = object ? check_keys(at, json, known) : ASSENT_OK;
    if (!code)
        code = take_sql(at, s, object ? json_object_get(json, "sql") : json);
    if (!code)
        code = take_with(at, p, operation, s, json_object_get(json, "with"));
    if (!code)
        code = take_rows(at, s, json_object_get(json, "rows"));
    if (!code)
        code = take_text(at, json, "reason", &s->reason);
    if (!code)
        code = take_text(at, json, "about", &about);
    if (!code && s->reason && !s->counts)
        code = wrong(at, "'reason' is said when 'rows' are others; 'rows' is missing");
    return code ? code : take_answers(at, script, operation, s, json_object_get(json, "answer"));
}

// ---- procedures ----

static int take_script(struct place *at, struct procedure *p, enum operation operation,
                       const json_t *list)
{
    struct script *script = &p->scripts[operation];
    if (!list)
        return ASSENT_OK;
    at->operation = operations[operation];
    if (!json_is_array(list))
        return wrong(at, "it is not a list of statements");
    if (json_array_size(list) > STATEMENTS_MAX)
        return wrong(at, "it has %zu statements; at most %d are allowed", json_array_size(list),
                     STATEMENTS_MAX);
    script->given = true;
    script->statements = calloc(json_array_size(list) + 1, sizeof *script->statements);
    if (!script->statements)
        return error_set(at->error, ASSENT_NOMEM, "out of memory");
    const json_t *json;
    size_t i;
    json_array_foreach(list, i, json)
    {
        at->statement = (unsigned)i + 1;
        int code = take_statement(at, p, operation, script, json);
        if (code)
            return code;
    }
    at->statement = 0;
    at->operation = NULL;
    return ASSENT_OK;
}

static int take_parameters(const struct place *at, struct procedure *p, const json_t *list)
{
    const json_t *json;
    size_t i;
    if (list && !json_is_array(list))
        return wrong(at, "'parameters' is not a list of names");
    if (json_array_size(list) > PARAMETERS_MAX)
        return wrong(at, "'parameters' has %zu; at most %d are allowed", json_array_size(list),
                     PARAMETERS_MAX);
    json_array_foreach(list, i, json)
    {
        const char *name = json_string_value(json);
        if (!name || !gtid_valid(slice_text(name)))
            return wrong(at, "'parameters': a name has 1 to %d letters, digits and . _ : -",
                         LIMIT_NAME_BYTES);
        for (unsigned k = 0; k < p->parameter_count; k++)
            if (strcmp(p->parameters[k], name) == 0)
                return wrong(at, "'parameters' has '%s' twice", name);
        p->parameters[p->parameter_count++] = name;
    }
    return ASSENT_OK;
}

// What has been tried has to be confirmed or cancelled one day; that this does nothing is said by
// an empty list.
static int check_scripts(const struct place *at, const struct procedure *p)
{
    bool try_ = p->scripts[OPERATION_TRY].given, any = false;
    if (p->scripts[OPERATION_CANCEL].given != p->scripts[OPERATION_CONFIRM].given ||
        (try_ && !p->scripts[OPERATION_CONFIRM].given))
        return wrong(at, "confirm and cancel belong together, and to a try; [] says that there is "
                         "nothing to do");
    if (p->scripts[OPERATION_COMPENSATE].given && !p->scripts[OPERATION_ACTION].given)
        return wrong(at, "it has compensate, but no action");
    for (unsigned i = 0; i < OPERATION_COUNT; i++)
        any = any || p->scripts[i].given;
    return any ? ASSENT_OK : wrong(at, "it has no operation");
}

static int take_procedure(struct place *at, struct procedure *p, const json_t *json)
{
    static const char *const known[] = {"about",  "parameters", "prepare",    "try",     "confirm",
                                        "cancel", "action",     "compensate", "deliver", NULL};
    const char *about;
    if (!gtid_valid(slice_text(p->name)))
        return wrong(at, "a name has 1 to %d letters, digits and . _ : -", LIMIT_NAME_BYTES);
    if (!json_is_object(json))
        return wrong(at, "it is not an object");
    int code = check_keys(at, json, known);
    if (!code)
        code = take_text(at, json, "about", &about);
    if (!code)
        code = take_parameters(at, p, json_object_get(json, "parameters"));
    for (unsigned i = 0; i < OPERATION_COUNT && !code; i++)
        code = take_script(at, p, i, json_object_get(json, operations[i]));
    return code ? code : check_scripts(at, p);
}

static int take_file(const struct place *at, struct procedures *self)
{
    static const char *const known[] = {"about", "procedures", NULL};
    const json_t *all = json_object_get(self->json, "procedures");
    const char *name;
    json_t *json;
    if (!json_is_object(self->json))
        return wrong(at, "it is not a JSON object");
    int code = check_keys(at, self->json, known);
    if (code)
        return code;
    if (!json_is_object(all))
        return wrong(at, all ? "'procedures' is not an object" : "'procedures' is missing");
    if (json_object_size(all) > PROCEDURES_MAX)
        return wrong(at, "it has %zu procedures; at most %d are allowed", json_object_size(all),
                     PROCEDURES_MAX);
    self->all = calloc(json_object_size(all) + 1, sizeof *self->all);
    if (!self->all)
        return error_set(at->error, ASSENT_NOMEM, "out of memory");
    json_object_foreach((json_t *)all, name, json)
    {
        struct procedure *p = &self->all[self->count++];
        struct place there = {.file = at->file, .procedure = name, .error = at->error};
        p->name = name;
        code = take_procedure(&there, p, json);
        if (code)
            return code;
    }
    return ASSENT_OK;
}

int procedures_parse(struct procedures *ret, struct slice text, const char *name,
                     assent_error *error)
{
    json_error_t syntax;
    struct place at = {.file = name, .error = error};
    struct procedures self = {
        .json = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, &syntax)};
    if (!self.json)
        return error_set(error, ASSENT_CONFIG, "%s:%d:%d: %s", name, syntax.line, syntax.column,
                         syntax.text);
    int code = take_file(&at, &self);
    if (code)
        procedures_free(&self);
    else
        *ret = self;
    return code;
}

int procedures_load(struct procedures *ret, const char *path, assent_error *error)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return error_set(error, ASSENT_CONFIG, "%s: %s", path, strerror(errno));
    int code;
    char *text = malloc(PROCEDURES_FILE_BYTES_MAX + 1);
    size_t size = text ? fread(text, 1, PROCEDURES_FILE_BYTES_MAX + 1, in) : 0;
    if (!text)
        code = error_set(error, ASSENT_NOMEM, "out of memory");
    else if (ferror(in))
        code = error_set(error, ASSENT_CONFIG, "%s: %s", path, strerror(errno));
    else if (size > PROCEDURES_FILE_BYTES_MAX)
        code = error_set(error, ASSENT_CONFIG, "%s: longer than %d bytes", path,
                         PROCEDURES_FILE_BYTES_MAX);
    else
        code = procedures_parse(ret, slice_of(text, size), path, error);
    free(text);
    fclose(in);
    return code;
}

void procedures_free(struct procedures *self)
{
    for (unsigned i = 0; i < self->count; i++) {
        for (unsigned o = 0; o < OPERATION_COUNT; o++) {
            struct script *script = &self->all[i].scripts[o];
            for (unsigned s = 0; s < script->count; s++)
                free(script->statements[s].sql);
            free(script->statements);
        }
    }
    free(self->all);
    json_decref(self->json);
    *self = (struct procedures){0};
}

// ---- reading them ----

const char *operation_text(enum operation operation)
{
    return operations[operation];
}

const struct procedure *procedures_find(const struct procedures *self, struct slice name)
{
    for (unsigned i = 0; i < self->count; i++)
        if (slice_equal(slice_text(self->all[i].name), name))
            return &self->all[i];
    return NULL;
}

bool procedure_uses(const struct procedure *procedure, enum operation operation,
                    struct argument argument)
{
    const struct script *script = &procedure->scripts[operation];
    for (unsigned i = 0; i < script->count; i++) {
        const struct statement *s = &script->statements[i];
        for (unsigned k = 0; k < s->argument_count; k++)
            if (s->arguments[k].kind == argument.kind && s->arguments[k].index == argument.index)
                return true;
    }
    return false;
}

bool procedure_answers(const struct procedure *procedure)
{
    const struct script *script = &procedure->scripts[OPERATION_ACTION];
    for (unsigned i = 0; i < script->count; i++)
        if (script->statements[i].answers)
            return true;
    return false;
}
