#include "addon/certificate_secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "support/oom_sweep.h"

#define LABEL "\"labels\":{\"app.kubernetes.io/managed-by\":\"moonlet\"}"
#define SECRET(data)                                                                               \
    "{\"kind\":\"Secret\",\"type\":\"kubernetes.io/tls\",\"metadata\":{\"name\":\"certs\"," LABEL  \
    "},\"data\":" data "}"

static int parse(const char *json, struct certificate_secret *ret, struct error *err) {
    return certificate_secret_parse(str_of(json), ret, err);
}

static void certificate_secret_that_is_none_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *json, *says;
        int code;
    } cases[] = {
        {"", "no Secret", ERROR_PROTOCOL},
        {"[]", "no Secret", ERROR_PROTOCOL},
        {"{\"kind\":\"Secret\"", "no Secret", ERROR_PROTOCOL},
        {"{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}", "no Secret", ERROR_PROTOCOL},
        {"{\"kind\":\"Secret\",\"type\":\"Opaque\",\"metadata\":{\"name\":\"a\"," LABEL "}}",
         "the Secret a is not of type kubernetes.io/tls", ERROR_REJECTED},
        {"{\"kind\":\"Secret\",\"type\":\"kubernetes.io/tls\",\"metadata\":{\"name\":\"a\"}}",
         "belongs to another", ERROR_REJECTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct certificate_secret secret = {0};
        struct error err;
        assert_int_equal(parse(cases[i].json, &secret, &err), cases[i].code);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].says);
        assert_null(secret.metadata);
    }
}

static void certificate_secret_leaves_out_what_makes_no_sense(void **state) {
    (void)state;
    static const char *const cases[] = {
        SECRET("null"),
        SECRET("[]"),
        SECRET("{}"),
        SECRET("{\"tls.crt\":1,\"tls.key\":null}"),
        SECRET("{\"tls.crt\":\"%\",\"ca.key\":\"A\",\"next-since\":\"aGVsbG8=\"}"),
        SECRET("{\"tls.crt\":\"\",\"tls.key\":\"\",\"ca.crt\":\"AGEA\"}"), /* zero bytes */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct certificate_secret secret = {0};
        struct error err;
        assert_int_equal(parse(cases[i], &secret, &err), 0);
        assert_null(secret.cert);
        assert_null(secret.key);
        assert_null(secret.ca_cert);
        assert_null(secret.ca_key);
        assert_true(secret.next_since == 0);
        certificate_secret_finish(&secret);
    }
}

static const char *text_at(const json_t *root, const char *object, const char *key) {
    return json_string_value(json_object_get(json_object_get(root, object), key));
}

static json_t *print(const struct certificate_secret *secret) {
    struct strbuf text = {0};
    struct error err;
    assert_int_equal(certificate_secret_print(secret, "system", "certs", &text, &err), 0);
    json_t *root = json_loads(text.data, 0, NULL);
    assert_non_null(root);
    strbuf_finish(&text);
    return root;
}

static void certificate_secret_first_written_has_type_and_label(void **state) {
    (void)state;
    json_t *root = print(&(struct certificate_secret){0});
    assert_string_equal(json_string_value(json_object_get(root, "type")), "kubernetes.io/tls");
    assert_string_equal(text_at(root, "metadata", "name"), "certs");
    assert_string_equal(text_at(root, "metadata", "namespace"), "system");
    assert_null(text_at(root, "metadata", "resourceVersion"));
    /* The type wants both. */
    assert_string_equal(text_at(root, "data", "tls.crt"), "");
    assert_string_equal(text_at(root, "data", "tls.key"), "");
    assert_int_equal(json_object_size(json_object_get(root, "data")), 2);
    json_decref(root);
}

static void certificate_secret_reads_what_it_wrote(void **state) {
    (void)state;
    struct certificate_secret secret = {.ca_cert = (char *)"bundle",
                                        .ca_key = (char *)"ca key",
                                        .next_ca_cert = (char *)"next",
                                        .next_ca_key = (char *)"next key",
                                        .cert = (char *)"cert\n",
                                        .key = (char *)"key",
                                        .old_ca_cert = (char *)"old",
                                        .next_since = 1800000000};
    struct certificate_secret again = {0};
    struct error err;
    json_t *root = print(&secret);
    assert_string_equal(text_at(root, "data", "tls.crt"), "Y2VydAo=");
    char *text = json_dumps(root, 0);
    assert_int_equal(parse(text, &again, &err), 0);
    assert_string_equal(again.ca_cert, "bundle");
    assert_string_equal(again.ca_key, "ca key");
    assert_string_equal(again.next_ca_cert, "next");
    assert_string_equal(again.next_ca_key, "next key");
    assert_string_equal(again.cert, "cert\n");
    assert_string_equal(again.key, "key");
    assert_string_equal(again.old_ca_cert, "old");
    assert_true(again.next_since == 1800000000);
    json_t *twice = print(&again);
    assert_true(json_equal(root, twice));
    json_decref(root);
    json_decref(twice);
    free(text);
    certificate_secret_finish(&again);
}

/* A PUT replaces the object: the lock and what others wrote must come back with it. */
static void certificate_secret_keeps_metadata_of_others(void **state) {
    (void)state;
    static const char json[] =
        "{\"kind\":\"Secret\",\"type\":\"kubernetes.io/tls\",\"metadata\":{\"name\":\"certs\","
        "\"namespace\":\"system\",\"uid\":\"u\",\"resourceVersion\":\"42\",\"annotations\":{\"a\":"
        "\"b\"},\"labels\":{\"team\":\"x\",\"app.kubernetes.io/managed-by\":\"moonlet\"},"
        "\"managedFields\":[{}]},\"data\":{\"tls.crt\":\"YQ==\",\"tls.key\":\"Yg==\"}}";
    struct certificate_secret secret = {0};
    struct error err;
    assert_int_equal(parse(json, &secret, &err), 0);
    json_t *root = print(&secret), *metadata = json_object_get(root, "metadata");
    assert_string_equal(text_at(root, "metadata", "resourceVersion"), "42");
    assert_string_equal(text_at(root, "metadata", "uid"), "u");
    assert_string_equal(text_at(metadata, "annotations", "a"), "b");
    assert_string_equal(text_at(metadata, "labels", "team"), "x");
    assert_null(json_object_get(metadata, "managedFields"));
    assert_string_equal(text_at(root, "data", "tls.key"), "Yg==");
    json_decref(root);
    certificate_secret_finish(&secret);
}

static void certificate_secret_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct certificate_secret secret = {0};
        struct strbuf text = {0};
        struct error err;
        int rc = parse(SECRET("{\"tls.crt\":\"YQ==\",\"tls.key\":\"Yg==\",\"next-since\":"
                              "\"MjAyNy0wMS0xNVQwODowMDowMFo=\"}"),
                       &secret, &err);
        assert_true(rc == 0 || (rc == ERROR_NOMEM && secret.metadata == NULL));
        if (rc == 0) {
            assert_true(secret.cert && secret.key && secret.next_since == 1800000000);
            rc = certificate_secret_print(&secret, "system", "certs", &text, &err);
            assert_true(rc == 0 || rc == ERROR_NOMEM);
        }
        strbuf_finish(&text);
        certificate_secret_finish(&secret);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_secret_that_is_none_is_refused),
        cmocka_unit_test(certificate_secret_leaves_out_what_makes_no_sense),
        cmocka_unit_test(certificate_secret_first_written_has_type_and_label),
        cmocka_unit_test(certificate_secret_reads_what_it_wrote),
        cmocka_unit_test(certificate_secret_keeps_metadata_of_others),
        cmocka_unit_test(certificate_secret_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
