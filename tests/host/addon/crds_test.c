#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "addon/crds.h"

/* R6: an update that removes or narrows is refused; a stored version is never dropped. */

static const char *crd(char text[2048], const char *version, const char *schema,
                       const char *status) {
    snprintf(text, 2048,
             "{\"metadata\":{\"name\":\"as.example.com\",\"uid\":\"1\",\"resourceVersion\":\"7\"},"
             "\"spec\":{\"versions\":[{\"name\":\"%s\",\"served\":true,\"storage\":true,"
             "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":%s}}}"
             "}]}%s}",
             version, schema, status);
    return text;
}

static int update(const char *before, const char *after, struct error *err) {
    char old[2048], now[2048];
    return crd_check_update(crd(old, "v1", before, ""), crd(now, "v1", after, ""), err);
}

static void refused(const char *before, const char *after, const char *says) {
    struct error err = {0};
    assert_int_equal(update(before, after, &err), ERROR_REJECTED);
    if (strstr(err.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.message, says);
}

#define INTEGER "{\"type\":\"object\",\"properties\":{\"size\":{\"type\":\"integer\"}}}"

static void crd_update_that_narrows_is_refused(void **state) {
    (void)state;
    refused(INTEGER, "{\"type\":\"object\",\"properties\":{}}", "v1.spec.size: it was removed");
    refused(INTEGER, "{\"type\":\"object\",\"properties\":{\"size\":{\"type\":\"string\"}}}",
            "its type changed");
    refused(INTEGER,
            "{\"type\":\"object\",\"required\":[\"size\"],\"properties\":{\"size\":{\"type\":"
            "\"integer\"}}}",
            "became required");
    refused(INTEGER,
            "{\"type\":\"object\",\"properties\":{\"size\":{\"type\":\"integer\",\"minimum\":1}}}",
            "v1.spec.size: its minimum is new or another one, which narrows the CRD; "
            "--crd-update=any allows it");
    refused("{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}",
            "{\"type\":\"string\",\"enum\":[\"a\"]}", "enum");
    refused("{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
            "{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", "v1.spec[]");
    refused("{\"x-kubernetes-preserve-unknown-fields\":true}", INTEGER, "unknown fields");
    refused("{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}",
            "{\"type\":\"object\"}", "unknown fields");
    refused("{\"x-kubernetes-int-or-string\":true}", "{\"type\":\"integer\"}", "type changed");
    refused("{\"type\":\"string\"}", "{\"type\":\"string\",\"format\":\"date\"}", "format");
    refused("{\"type\":\"integer\"}", "{\"type\":\"integer\",\"multipleOf\":2}", "multipleOf");
    refused("{\"type\":\"string\"}",
            "{\"type\":\"string\",\"x-kubernetes-validations\":[{\"rule\":\"self != ''\"}]}",
            "x-kubernetes-validations");
}

static void crd_update_that_widens_is_allowed(void **state) {
    (void)state;
    struct error err = {0};
    assert_int_equal(update(INTEGER, INTEGER, &err), 0);
    assert_int_equal(update(INTEGER,
                            "{\"type\":\"object\",\"properties\":{\"size\":{\"type\":\"integer\"},"
                            "\"more\":{\"type\":\"string\"}}}",
                            &err),
                     0);
    assert_int_equal(update("{\"type\":\"integer\",\"minimum\":3}",
                            "{\"type\":\"integer\",\"minimum\":1}", &err),
                     0);
}

static void crd_served_or_stored_version_is_not_dropped(void **state) {
    (void)state;
    char old[2048], now[2048];
    struct error err = {0};
    crd(old, "v1", INTEGER, ",\"status\":{\"storedVersions\":[\"v1\"]}");
    crd(now, "v2", INTEGER, "");
    assert_int_equal(crd_check_update(old, now, &err), ERROR_REJECTED);
    assert_int_equal(crd_check_stored(old, now, &err), ERROR_REJECTED);
    assert_non_null(strstr(err.message, "stored"));
    crd(old, "v1", INTEGER, "");
    assert_int_equal(crd_check_stored(old, now, &err), 0);
    assert_int_equal(crd_check_update(old, now, &err), ERROR_REJECTED);
}

static void crd_as_intent_leaves_out_what_the_server_fills_in(void **state) {
    (void)state;
    char old[2048];
    struct strbuf text = {0};
    struct error err;
    crd(old, "v1", INTEGER, ",\"status\":{\"storedVersions\":[\"v1\"]}");
    assert_int_equal(crd_as_intent(old, &text, &err), 0);
    assert_null(strstr(text.data, "uid"));
    assert_null(strstr(text.data, "resourceVersion"));
    assert_null(strstr(text.data, "storedVersions"));
    assert_non_null(strstr(text.data, "as.example.com"));
    strbuf_finish(&text);
    assert_int_equal(crd_as_intent("{", &text, &err), ERROR_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crd_update_that_narrows_is_refused),
        cmocka_unit_test(crd_update_that_widens_is_allowed),
        cmocka_unit_test(crd_served_or_stored_version_is_not_dropped),
        cmocka_unit_test(crd_as_intent_leaves_out_what_the_server_fills_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
