// SPDX-License-Identifier: Apache-2.0
// The allow-list of assent-rm: what is taken, and that a refusal names the place.
#include <string.h>

#include "procedures.h"
#include "sql_text.h"
#include "unit.h"

static struct procedures list;
static assent_error error;

static int parse(const char *text)
{
    error = (assent_error){0};
    return procedures_parse(&list, slice_text(text), "f", &error);
}

static void refused(const char *text, const char *message)
{
    assert_int_equal(parse(text), ASSENT_CONFIG);
    assert_string_equal(error.message, message);
}

#define FILE_OF(body) "{\"procedures\": {\"p\": {" body "}}}"
#define TWO           "\"parameters\": [\"a\", \"b\"], "

static void test_all_fields(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"about\": \"x\", \"procedures\": {\"debit\": {\"about\": \"y\", " TWO
              "\"prepare\": [{\"sql\": [\"UPDATE t\", \"SET v = v - $2 WHERE k = $1\"],"
              " \"rows\": 1, \"reason\": \"not enough\"}],"
              "\"try\": [\"insert into t values ($1)\"], \"confirm\": [], \"cancel\": [],"
              "\"action\": [{\"sql\": \"INSERT INTO o VALUES ($1, $2) RETURNING n\", "
              "\"with\": [\"@gtid\", \"b\"], \"answer\": true}, {\"sql\": \"SELECT $1, $2\", "
              "\"with\": [\"@previous\", \"@branch\"], \"rows\": [0, 5]}],"
              "\"compensate\": [{\"sql\": \"DELETE FROM o WHERE n = $1\", "
              "\"with\": [\"@result\"]}]}}}"),
        ASSENT_OK);
    const struct procedure *p = procedures_find(&list, slice_text("debit"));
    assert_non_null(p);
    assert_null(procedures_find(&list, slice_text("debi")));
    const struct statement *s = p->scripts[OPERATION_PREPARE].statements;
    assert_string_equal(s->sql, "UPDATE t\nSET v = v - $2 WHERE k = $1\n");
    assert_int_equal(s->argument_count, 2);
    assert_int_equal(s->arguments[1].index, 1);
    assert_true(s->counts && s->rows_least == 1 && s->rows_most == 1);
    assert_string_equal(s->reason, "not enough");
    assert_int_equal(p->scripts[OPERATION_TRY].statements->argument_count, 1);
    assert_true(p->scripts[OPERATION_CONFIRM].given && !p->scripts[OPERATION_DELIVER].given);
    s = p->scripts[OPERATION_ACTION].statements;
    assert_true(s[0].answers && !s[1].answers && procedure_answers(p));
    assert_int_equal(s[0].arguments[0].kind, ARGUMENT_GTID);
    assert_int_equal(s[0].arguments[1].index, 1);
    assert_int_equal(s[1].arguments[0].kind, ARGUMENT_PREVIOUS);
    assert_int_equal(s[1].arguments[1].kind, ARGUMENT_BRANCH);
    assert_int_equal(s[1].rows_most, 5);
    assert_int_equal(p->scripts[OPERATION_COMPENSATE].statements->arguments[0].kind,
                     ARGUMENT_RESULT);
    struct argument b = {ARGUMENT_PARAMETER, 1}, result = {.kind = ARGUMENT_RESULT};
    assert_true(procedure_uses(p, OPERATION_ACTION, b));
    assert_false(procedure_uses(p, OPERATION_COMPENSATE, b));
    assert_false(procedure_uses(p, OPERATION_ACTION, result));
    assert_true(procedure_uses(p, OPERATION_COMPENSATE, result));
    procedures_free(&list);
}

static void test_the_file(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"procedures\": {}"), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "f:1:"));
    assert_int_equal(parse("{\"procedures\": {\"p\": {\"prepare\": []}, \"p\": {}}}"),
                     ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "duplicate"));
    refused("[]", "f: it is not a JSON object");
    refused("{}", "f: 'procedures' is missing");
    refused("{\"procedures\": []}", "f: 'procedures' is not an object");
    refused("{\"procedure\": {}}", "f: there is no field 'procedure'");
    refused("{\"procedures\": {\"a b\": {}}}",
            "f: procedure a b: a name has 1 to 64 letters, digits and . _ : -");
    assert_int_equal(procedures_load(&list, "/nowhere/at/all", &error), ASSENT_CONFIG);
    assert_string_equal(error.message, "/nowhere/at/all: No such file or directory");
}

static void test_procedures(void **state)
{
    (void)state;
    refused("{\"procedures\": {\"p\": 5}}", "f: procedure p: it is not an object");
    refused(FILE_OF(""), "f: procedure p: it has no operation");
    refused(FILE_OF("\"prepared\": []"), "f: procedure p: there is no field 'prepared'");
    refused(FILE_OF("\"parameters\": 5"), "f: procedure p: 'parameters' is not a list of names");
    refused(FILE_OF("\"parameters\": [\"a\", \"a\"]"),
            "f: procedure p: 'parameters' has 'a' twice");
    refused(FILE_OF("\"parameters\": [\"@gtid\"]"),
            "f: procedure p: 'parameters': a name has 1 to 64 letters, digits and . _ : -");
    refused(FILE_OF("\"try\": [], \"confirm\": []"),
            "f: procedure p: confirm and cancel belong together, and to a try; [] says that there "
            "is nothing to do");
    refused(FILE_OF("\"compensate\": []"), "f: procedure p: it has compensate, but no action");
    refused(FILE_OF("\"prepare\": {}"), "f: procedure p: prepare: it is not a list of statements");
}

#define PREPARE(statement) FILE_OF(TWO "\"prepare\": [" statement "]")
#define AT                 "f: procedure p: prepare: statement 1: "

static void test_statements(void **state)
{
    (void)state;
    refused(PREPARE("5"), AT "'sql' is neither a text nor a list of texts");
    refused(PREPARE("{}"), AT "'sql' is missing");
    refused(PREPARE("{\"sql\": [1]}"), AT "'sql' is neither a text nor a list of texts");
    refused(PREPARE("{\"sql\": \"SELECT 1\", \"row\": 1}"), AT "there is no field 'row'");
    refused(PREPARE("{\"sql\": \"SELECT 1\", \"rows\": -1}"),
            AT "'rows' is neither a whole number nor [least, most]");
    refused(PREPARE("{\"sql\": \"SELECT 1\", \"rows\": [2, 1]}"),
            AT "'rows' is neither a whole number nor [least, most]");
    refused(PREPARE("{\"sql\": \"SELECT 1\", \"reason\": \"x\"}"),
            AT "'reason' is said when 'rows' are others; 'rows' is missing");
    refused(PREPARE("{\"sql\": \"SELECT 1\", \"answer\": true}"),
            AT "'answer': only an action has one");
    refused(FILE_OF("\"action\": [{\"sql\": \"SELECT 1\", \"answer\": true},"
                    "{\"sql\": \"SELECT 2\", \"answer\": true}]"),
            "f: procedure p: action: statement 2: 'answer': statement 1 gives it already");
    refused(PREPARE("{\"sql\": \"SELECT $1\", \"with\": [\"c\"]}"),
            AT "'with': there is no parameter 'c'; others are @gtid, @branch, @result and "
               "@previous");
    refused(PREPARE("{\"sql\": \"SELECT $1\", \"with\": [\"@result\"]}"),
            AT "'with': @result is what the action had answered; only compensate has it");
    refused(PREPARE("{\"sql\": \"SELECT $1\", \"with\": [\"@previous\"]}"),
            AT "'with': there is no statement before the first for @previous");
    refused(PREPARE("{\"sql\": \"SELECT $1\", \"with\": [\"a\", \"b\"]}"),
            AT "'with' names 2 values, 'sql' uses 1");
    refused(PREPARE("\"SELECT $1, $3\""),
            AT "'sql' leaves out a parameter: they are numbered $1, $2, ... without gaps");
    refused(PREPARE("\"SELECT $1, $2, $3\""),
            AT "'sql' uses $3, and the procedure has 2 parameters");
    refused(PREPARE("\"SELECT $33\""),
            AT "'sql': quotes or a comment are not closed, or a parameter is not one of $1 to $32");
    refused(PREPARE("\"COMMIT\""),
            AT "'sql' has to begin with SELECT, INSERT, UPDATE, DELETE, REPLACE, MERGE, WITH or "
               "CALL: assent-rm begins and ends transactions itself");
}

static uint32_t marks(const char *sql)
{
    uint32_t found;
    return sql_marks(sql, &found) ? found : UINT32_MAX;
}

static void test_sql(void **state)
{
    (void)state;
    assert_int_equal(marks("SELECT $1, $2+$1"), 3);
    assert_int_equal(marks("SELECT '$1', \"$2\", `$3` -- $4\n, $1 /* $5 */"), 1);
    assert_int_equal(marks("SELECT 'it''s $2', $1"), 1);
    assert_int_equal(marks("SELECT a$2, $1::int"), 1);
    assert_int_equal(marks("SELECT $32"), 0x80000000u);
    assert_int_equal(marks("SELECT $0"), UINT32_MAX);
    assert_int_equal(marks("SELECT $4294967297"), UINT32_MAX);
    assert_int_equal(marks("SELECT 'open"), UINT32_MAX);
    assert_int_equal(marks("SELECT /* open"), UINT32_MAX);
    assert_true(sql_is_work(" \n(select 1)"));
    assert_true(sql_is_work("With x AS (SELECT 1) DELETE"));
    assert_false(sql_is_work("SELECTION"));
    assert_false(sql_is_work("XA COMMIT 'x'"));
    assert_false(sql_is_work("ROLLBACK"));
    assert_false(sql_is_work("CREATE TABLE t (a int)"));
    assert_false(sql_is_work(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fields), cmocka_unit_test(test_the_file),
        cmocka_unit_test(test_procedures), cmocka_unit_test(test_statements),
        cmocka_unit_test(test_sql),
    };
    return cmocka_run_group_tests_name("rm_procedures", tests, NULL, NULL);
}
