// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "assent/xa_manager.h"

static const char gtid[] = "0123abcd.1.k3x.2f";
static const char call_id[] = "0123abcd.1.k3x.2f/5/0123abcd/1f";

static void check_text(const XID *xid, const char *gtrid, const char *bqual)
{
    assert_int_equal(xid->formatID, ASSENT_XA_FORMAT);
    assert_int_equal(xid->gtrid_length, strlen(gtrid));
    assert_int_equal(xid->bqual_length, strlen(bqual));
    assert_memory_equal(xid->data, gtrid, strlen(gtrid));
    assert_memory_equal(xid->data + strlen(gtrid), bqual, strlen(bqual));
    for (size_t i = strlen(gtrid) + strlen(bqual); i < XIDDATASIZE; i++)
        assert_int_equal(xid->data[i], 0);
}

static void test_hash(void **state)
{
    (void)state;
    char hash[9];
    // RFC 3720, B.4, has no text; this is the check value of CRC-32C everywhere.
    assent_xid_resource_hash("123456789", hash);
    assert_string_equal(hash, "e3069283");
}

static void test_enlisted(void **state)
{
    (void)state;
    XID xid;
    assent_xid_parts parts;
    assert_int_equal(assent_xid_enlisted(gtid, 63, "123456789", &xid, NULL), ASSENT_OK);
    check_text(&xid, gtid, "63/app/e3069283");
    assent_xid_parse(&xid, &parts);
    assert_int_equal(parts.kind, ASSENT_XID_ENLISTED);
    assert_string_equal(parts.gtid, gtid);
    assert_int_equal(parts.branch, 63);
    assert_string_equal(parts.branch_id, "");
    assert_string_equal(parts.resource_hash, "e3069283");
}

static void test_call(void **state)
{
    (void)state;
    XID xid;
    assent_xid_parts parts;
    assert_int_equal(assent_xid_branch(call_id, "123456789", &xid, NULL), ASSENT_OK);
    check_text(&xid, gtid, "5/0123abcd/1f/e3069283");
    assent_xid_parse(&xid, &parts);
    assert_int_equal(parts.kind, ASSENT_XID_CALL);
    assert_string_equal(parts.gtid, gtid);
    assert_int_equal(parts.branch, 5);
    assert_string_equal(parts.branch_id, call_id);
    assert_string_equal(parts.resource_hash, "e3069283");
}

static void test_longest(void **state)
{
    (void)state;
    char longest[65], id[129];
    XID xid;
    assent_xid_parts parts;
    memset(longest, 'x', 64);
    longest[64] = '\0';
    snprintf(id, sizeof id, "%s/63/zzzzzzzz/ffffffffffffffff", longest);
    assert_int_equal(assent_xid_branch(id, longest, &xid, NULL), ASSENT_OK);
    assent_xid_parse(&xid, &parts);
    assert_string_equal(parts.branch_id, id);
    assert_int_equal(assent_xid_enlisted(longest, 0, longest, &xid, NULL), ASSENT_OK);
    assent_xid_parse(&xid, &parts);
    assert_string_equal(parts.gtid, longest);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "",
        "T1",
        "T1/0",
        "T1/0/0123abcd",
        "T1/0/0123abcd/",
        "T1/64/0123abcd/1",
        "T1/00/0123abcd/1",
        "T1/0/0123abcd/01",
        "T1/0/0123abcd/1F",
        "T1/0/0123abcd/10000000000000000",
        "T1/0/0123abc/1",
        "T1/0/0123ABCD/1",
        "T1/0/app/1",
        "T1/0/app",
        "T1/0/0123abcd/1/2",
        "T 1/0/0123abcd/1",
        "/0/0123abcd/1",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/0/0123abcd/1",
    };
    XID xid;
    assent_error error;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (assent_xid_branch(ids[i], "bank", &xid, &error) != ASSENT_INVALID)
            fail_msg("'%s' is taken", ids[i]);
    }
    assert_int_equal(assent_xid_branch(NULL, "bank", &xid, &error), ASSENT_INVALID);
    assert_int_equal(assent_xid_branch(call_id, "no name", &xid, &error), ASSENT_INVALID);
    assert_int_equal(assent_xid_branch(call_id, NULL, &xid, &error), ASSENT_INVALID);
    assert_int_equal(assent_xid_enlisted("", 0, "bank", &xid, &error), ASSENT_INVALID);
    assert_int_equal(assent_xid_enlisted(NULL, 0, "bank", &xid, &error), ASSENT_INVALID);
    assert_int_equal(assent_xid_enlisted("T1", 64, "bank", &xid, &error), ASSENT_INVALID);
    assert_int_equal(assent_xid_enlisted("T1", 0, "", &xid, &error), ASSENT_INVALID);
}

static bool foreign(const XID *xid)
{
    assent_xid_parts parts;
    assent_xid_parse(xid, &parts);
    return parts.kind == ASSENT_XID_FOREIGN && !*parts.gtid && !*parts.branch_id &&
           !*parts.resource_hash;
}

// One byte or field changed: somebody else's, or one that is as valid, but never read wrongly.
static void test_foreign(void **state)
{
    (void)state;
    XID good, xid;
    assert_int_equal(assent_xid_enlisted("T1", 7, "bank", &good, NULL), ASSENT_OK);
    assert_false(foreign(&good));
    static const long lengths[] = {-1, 0, 65, 200, 1L << 40};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        xid = good;
        xid.gtrid_length = lengths[i];
        assert_true(foreign(&xid));
        xid = good;
        xid.bqual_length = lengths[i];
        assert_true(foreign(&xid));
    }
    xid = good;
    xid.formatID = -1;
    assert_true(foreign(&xid));
    xid = good;
    xid.bqual_length--;
    assert_true(foreign(&xid));
    size_t size = (size_t)(good.gtrid_length + good.bqual_length);
    for (size_t i = 0; i < size; i++) {
        xid = good;
        xid.data[i] = '\0';
        assert_true(foreign(&xid));
        xid.data[i] = '/';
        if (good.data[i] != '/')
            assert_true(foreign(&xid));
    }
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(assent_xa_code_text(XA_OK), "XA_OK");
    assert_string_equal(assent_xa_code_text(XA_RBBASE), "XA_RBROLLBACK");
    assert_string_equal(assent_xa_code_text(XA_RBEND), "XA_RBTRANSIENT");
    assert_string_equal(assent_xa_code_text(XAER_OUTSIDE), "XAER_OUTSIDE");
    assert_string_equal(assent_xa_code_text(1), "?");
    assert_string_equal(assent_xa_code_text(-1), "?");
    assert_string_equal(assent_xa_code_text(108), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),    cmocka_unit_test(test_enlisted),
        cmocka_unit_test(test_call),    cmocka_unit_test(test_longest),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
