// SPDX-License-Identifier: Apache-2.0
// What `assent log dump` prints of what a transaction was admitted with.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log_content.h"
#include "unit.h"

enum { PRINTED_BYTES = 1000 };

// What is printed of one step with that payload.
static const char *printed(struct slice payload)
{
    static char text[PRINTED_BYTES];
    const struct record_branch step = {
        .kind = BRANCH_STEP, .resource = slice_text("air"), .payload = payload};
    const struct tx_record record = {
        .protocol = PROTOCOL_SAGA, .stage = STAGE_ADMITTED, .branch_count = 1, .branches = &step};
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    content_print(&record);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

#define FIFTY "12345678901234567890123456789012345678901234567890"

static void ends(const char *text, const char *ending)
{
    size_t size = strlen(text), most = strlen(ending);
    assert_true(size >= most);
    assert_string_equal(text + size - most, ending);
}

static void a_short_payload_is_whole(void **state)
{
    (void)state;
    ends(printed(slice_text("seat 12")), "step 0 at air: seat 12\n");
    ends(printed(slice_text(FIFTY "1234567890")), ": " FIFTY "1234567890\n");
    ends(printed(slice_of("\x01\xff", 2)), ": 0x01ff\n");
    ends(printed(slice_of(NULL, 0)), "step 0 at air\n");
}

static void a_long_payload_is_cut(void **state)
{
    (void)state;
    ends(printed(slice_text(FIFTY "1234567890x")), ": " FIFTY "1234567890...\n");
    ends(printed(slice_of("\x01" FIFTY, 51)), "30313233343536373839...\n");
}

// Half a character is no UTF-8, and a terminal may take it for anything.
static void no_character_is_cut_in_two(void **state)
{
    (void)state;
    ends(printed(slice_text(FIFTY "123456789\xc3\xa9x")), ": " FIFTY "123456789...\n");
    ends(printed(slice_text(FIFTY "12345678\xe2\x82\xacx")), ": " FIFTY "12345678...\n");
    ends(printed(slice_text(FIFTY "12345678\xc3\xa9x")), ": " FIFTY "12345678\xc3\xa9...\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_payload_is_whole),
        cmocka_unit_test(a_long_payload_is_cut),
        cmocka_unit_test(no_character_is_cut_in_two),
    };
    return cmocka_run_group_tests_name("cli_log_content", tests, NULL, NULL);
}
