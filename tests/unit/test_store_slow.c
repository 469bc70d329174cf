// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/logger.h"
#include "store/log_queue.h"
#include "store/memory.h"
#include "unit.h"

// What is logged when one record is synced to a disk that takes 30 ms for it.
static char *logged(uint32_t slow_ms)
{
    FILE *out = tmpfile();
    assert_non_null(out);
    logger_setup(LOG_INFO, LOG_LOGFMT, fileno(out), "unit");

    struct memory_disk *disk = memory_disk_new();
    assert_non_null(disk);
    memory_disk_faults(disk)->slow_us = 30000;
    struct store *store;
    const struct store_options options = {.create = true};
    assert_int_equal(store_open_memory(disk, &options, &store, NULL), ASSENT_OK);
    const struct log_queue_options queue_options = {.slow_ms = slow_ms};
    struct log_queue *queue = log_queue_new(store, &queue_options, NULL);
    assert_non_null(queue);
    const struct store_put put = {.key = slice_text("gtid"), .value = slice_text("record")};
    assert_true(log_queue_put(queue, 7, &put, HASTE_NOW));
    log_queue_destroy(&queue); // everything has been written
    memory_disk_destroy(&disk);

    logger_setup(LOG_INFO, LOG_LOGFMT, STDERR_FILENO, "unit");
    char *text = calloc(1, 4096);
    assert_non_null(text);
    rewind(out);
    assert_true(fread(text, 1, 4095, out) < 4095);
    fclose(out);
    return text;
}

static void test_slow_syncs_are_logged(void **state)
{
    (void)state;
    char *text = logged(10);
    assert_non_null(strstr(text, "level=warn program=unit event=slow_sync took_ms="));
    assert_non_null(strstr(text, "records=1"));
    free(text);
}

static void test_only_when_they_are_asked_for(void **state)
{
    (void)state;
    char *text = logged(0);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_syncs_are_logged),
        cmocka_unit_test(test_only_when_they_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
