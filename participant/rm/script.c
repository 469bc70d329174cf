// SPDX-License-Identifier: Apache-2.0
#include "script.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

// What the arguments of a statement are taken from.
struct frame {
    struct script_run *run;
    const struct call_item *item;
    struct sql_answer last; // of the statement before
    char branch[8];
    char texts[PARAMETERS_MAX][ASSENT_ANSWER_MAX + 1]; // answers, with a NUL behind them
};

static enum outcome refuse(struct script_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static enum outcome refuse(struct script_run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->why, sizeof run->why, format, arguments);
    va_end(arguments);
    return OUTCOME_NO;
}

enum outcome script_outcome(const assent_error *error, char *why)
{
    snprintf(why, ASSENT_NO_REASON_MAX + 1, "%s", error->message);
    switch (error->code) {
    case ASSENT_BUSY: return OUTCOME_BUSY;
    case ASSENT_UNAVAILABLE:
    case ASSENT_NOMEM: return OUTCOME_LOST;
    default: return OUTCOME_NO;
    }
}

static struct sql_value value_of(const char *text, size_t size)
{
    return (struct sql_value){.text = text, .size = size};
}

// What an action has answered; nothing is SQL's null. False: it is no text.
static bool take_answer(struct slice answer, char *text, struct sql_value *ret)
{
    *ret = value_of(answer.size ? text : NULL, answer.size);
    if (answer.size > ASSENT_ANSWER_MAX || (answer.size && memchr(answer.data, 0, answer.size)))
        return false;
    slice_to_text(answer, text);
    return true;
}

// The answer of a step that this one does not come after is not there.
static bool take_parameter(const struct frame *f, const struct call_value *value, char *text,
                           struct sql_value *ret)
{
    *ret = value_of(value->text, value->size);
    if (value->step == CALL_STEP_NONE)
        return true;
    size_t size = 0;
    const void *input = assent_branch_input(f->run->branch, (uint16_t)value->step, &size);
    return input && take_answer(slice_of(input, size), text, ret);
}

static bool take_value(struct frame *f, const struct argument *argument, char *text,
                       struct sql_value *ret)
{
    const struct script_run *run = f->run;
    switch (argument->kind) {
    case ARGUMENT_PARAMETER: return take_parameter(f, &f->item->values[argument->index], text, ret);
    case ARGUMENT_GTID: *ret = value_of(run->branch->gtid, strlen(run->branch->gtid)); break;
    case ARGUMENT_BRANCH:
        snprintf(f->branch, sizeof f->branch, "%u", run->branch->branch);
        *ret = value_of(f->branch, strlen(f->branch));
        break;
    case ARGUMENT_RESULT: return take_answer(run->result, text, ret);
    case ARGUMENT_PREVIOUS:
        *ret =
            f->last.has_first ? value_of(f->last.first, strlen(f->last.first)) : value_of(NULL, 0);
        break;
    }
    return true;
}

// `first` holds what fits into it; what may have been cut is not handed on.
static bool was_cut(const struct sql_answer *answer)
{
    return answer->has_first && strlen(answer->first) == sizeof answer->first - 1;
}

static enum outcome keep_answer(struct script_run *run, const struct sql_answer *answer)
{
    if (was_cut(answer))
        return refuse(run, "the answer is longer than %zu bytes", sizeof answer->first - 2);
    run->answer.size = answer->has_first ? strlen(answer->first) : 0;
    memcpy(run->answer.data, answer->first, run->answer.size);
    return OUTCOME_DONE;
}

static enum outcome check_rows(struct script_run *run, const char *procedure, unsigned number,
                               const struct statement *s, const struct sql_answer *answer)
{
    if (!s->counts || (answer->rows >= s->rows_least && answer->rows <= s->rows_most))
        return OUTCOME_DONE;
    if (s->reason)
        return refuse(run, "%s", s->reason);
    return refuse(run, "%.64s: statement %u: %" PRIu64 " rows", procedure, number, answer->rows);
}

static enum outcome take_values(struct frame *f, const struct statement *s,
                                struct sql_value *values)
{
    const char *procedure = f->item->procedure->name;
    for (unsigned i = 0; i < s->argument_count; i++) {
        if (s->arguments[i].kind == ARGUMENT_PREVIOUS && was_cut(&f->last))
            return refuse(f->run, "%.64s: @previous is longer than %zu bytes", procedure,
                          sizeof f->last.first - 2);
        if (!take_value(f, &s->arguments[i], f->texts[i], &values[i]))
            return refuse(f->run, "%.64s: there is no answer of that step, or it is no text",
                          procedure);
    }
    return OUTCOME_DONE;
}

static enum outcome run_statement(struct frame *f, const struct script *script, unsigned i)
{
    const struct statement *s = &script->statements[i];
    struct script_run *run = f->run;
    struct sql_value values[PARAMETERS_MAX];
    struct sql_answer answer = {0};
    assent_error error;
    enum outcome outcome = take_values(f, s, values);
    if (outcome != OUTCOME_DONE)
        return outcome;
    if (run->driver->execute(run->session, s->sql, values, s->argument_count, &answer, &error))
        return script_outcome(&error, run->why);
    f->last = answer;
    outcome = check_rows(run, f->item->procedure->name, i + 1, s, &answer);
    return outcome == OUTCOME_DONE && s->answers ? keep_answer(run, &answer) : outcome;
}

static enum outcome run_item(struct script_run *run, const struct call_item *item)
{
    const struct script *script = &item->procedure->scripts[run->operation];
    struct frame frame = {.run = run, .item = item};
    enum outcome outcome = OUTCOME_DONE;
    for (unsigned i = 0; i < script->count && outcome == OUTCOME_DONE; i++)
        outcome = run_statement(&frame, script, i);
    return outcome;
}

enum outcome script_execute(struct script_run *run, const struct call *call)
{
    bool undo = run->operation == OPERATION_CANCEL || run->operation == OPERATION_COMPENSATE;
    enum outcome outcome = OUTCOME_DONE;
    for (unsigned i = 0; i < call->count && outcome == OUTCOME_DONE; i++)
        outcome = run_item(run, &call->items[undo ? call->count - 1 - i : i]);
    return outcome;
}
