/* What the real server's decoders say of a body that they cannot read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/fault.h"
#include "apiserver/kinds.h"

static void json_that_breaks_off_is_told_by_what_was_expected(void **state) {
    static const char *const cases[][2] = {
        {"", "unexpected end of JSON input"},
        {"{\"broken", "unexpected end of JSON input"},
        {"[1,", "unexpected end of JSON input"},
        {"nonsense", "invalid character 'o' in literal null (expecting 'u')"},
        {"{]", "invalid character ']' looking for beginning of object key string"},
        {"{\"a\" 1}", "invalid character '1' after object key"},
        {"{\"a\":1 2}", "invalid character '2' after object key:value pair"},
        {"{\"a\":}", "invalid character '}' looking for beginning of value"},
        {"[1 2]", "invalid character '2' after array element"},
        {"{} x", "invalid character 'x' after top-level value"},
        {"\"\\q\"", "invalid character 'q' in string escape code"},
        {"\"\\u12z\"", "invalid character 'z' in \\u hexadecimal character escape"},
        {"\"a\nb\"", "invalid character '\\n' in string literal"},
        {"-x", "invalid character 'x' in numeric literal"},
        {"1.x", "invalid character 'x' after decimal point in numeric literal"},
        {"1e'", "invalid character '\\'' in exponent of numeric literal"},
        {"\xe2", "invalid character '\xc3\xa2' looking for beginning of value"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf words = {0};
        assert_true(fault_json(str_of(cases[i][0]), &words));
        assert_string_equal(words.data, cases[i][1]);
        strbuf_finish(&words);
    }
}

static void json_that_is_whole_has_no_fault(void **state) {
    static const char *const good[] = {
        "{}", " [ ] ", "{\"a\":[{\"b\":-0.5e+7},true,false,null,\"\\u00e9\\n\"],\"c\":{}}", "1",
        "\"x\""};
    struct strbuf words = {0};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_false(fault_json(str_of(good[i]), &words));
    assert_int_equal(words.len, 0);
    strbuf_finish(&words);
}

static void deep_json_is_read_without_recursion(void **state) {
    enum { LEVELS = 100000 };
    struct strbuf text = {0}, words = {0};
    (void)state;
    for (size_t i = 0; i < LEVELS; i++)
        strbuf_addc(&text, '[');
    assert_true(fault_json(strbuf_view(&text), &words));
    assert_string_equal(words.data, "unexpected end of JSON input");
    strbuf_finish(&text);
    strbuf_finish(&words);
}

static void yaml_faults_name_the_line_as_go_does(void **state) {
    static const char *const cases[][2] = {
        {"line 1, column 6: did not find expected node content",
         "yaml: did not find expected node content"},
        {"line 4, column 5: did not find expected ',' or '}'",
         "yaml: line 3: did not find expected ',' or '}'"},
        {"line 4, column 5: mapping values are not allowed in this context",
         "yaml: line 4: mapping values are not allowed in this context"},
        {"too many values", "yaml: too many values"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf words = {0};
        fault_yaml(cases[i][0], &words);
        assert_string_equal(words.data, cases[i][1]);
        strbuf_finish(&words);
    }
}

static void bodies_are_shown_by_their_beginning(void **state) {
    static const char *const cases[][2] = {
        {"", "<empty>"},
        {"[1]", "5b315d"},
        {"{\"a\":1}", "{\"a\":1}"},
        {"{\"a\":\"0123456789012345678901234567\"}", "{\"a\":\"012345678901234567890123 ..."}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct strbuf words = {0};
        fault_summary(str_of(cases[i][0]), &words);
        assert_string_equal(words.data, cases[i][1]);
        strbuf_finish(&words);
    }
}

static void values_of_another_type_are_told_by_their_field(void **state) {
    static const char *const cases[][4] = {
        {"apps/v1", "Deployment", "{\"spec\":{\"replicas\":\"two\"}}",
         "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type "
         "int32"},
        {"apps/v1", "Deployment", "{\"spec\":{\"replicas\":1.5}}",
         "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of "
         "type int32"},
        {"v1", "Pod", "{\"spec\":{\"containers\":[{\"ports\":[{\"containerPort\":\"80\"}]}]}}",
         "json: cannot unmarshal string into Go struct field "
         "ContainerPort.spec.containers.ports.containerPort of type int32"},
        {"v1", "Pod", "{\"spec\":{\"containers\":{}}}",
         "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type "
         "[]v1.Container"},
        {"v1", "ConfigMap", "{\"metadata\":{\"labels\":\"none\"}}",
         "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type "
         "map[string]string"},
        {"v1", "ConfigMap", "{\"metadata\":\"x\"}",
         "json: cannot unmarshal string into Go struct field ConfigMap.metadata of type "
         "v1.ObjectMeta"},
        {"v1", "ConfigMap", "{\"data\":{\"a\":1}}",
         "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"},
        {"v1", "Secret", "{\"data\":{\"k\":\"not base64!\"}}",
         "illegal base64 data at input byte 3"},
        {"v1", "ResourceQuota", "{\"spec\":{\"hard\":{\"pods\":\"many\"}}}",
         "quantities must match the regular expression "
         "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
        {"coordination.k8s.io/v1", "Lease", "{\"spec\":{\"renewTime\":\"2020-01-01T00:00:00Z\"}}",
         "parsing time \"2020-01-01T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
         "parse \"Z\" as \".000000\""},
        {"coordination.k8s.io/v1", "Lease", "{\"spec\":{\"renewTime\":\"today\"}}",
         "parsing time \"today\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"today\" "
         "as "
         "\"2006\""}};
    struct kinds *kinds = kinds_create(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct api_kind *kind =
            kinds_by_kind(kinds, str_of(cases[i][0]), str_of(cases[i][1]));
        json_t *object = json_loads(cases[i][2], 0, NULL);
        struct strbuf words = {0};
        assert_true(fault_type(kind->schema, cases[i][1], object, &words));
        assert_string_equal(words.data, cases[i][3]);
        assert_false(schema_fits(kind->schema, object, NULL, /* read= */ true));
        strbuf_finish(&words);
        json_decref(object);
    }
    kinds_destroy(kinds);
}

static void values_that_can_be_read_have_no_fault(void **state) {
    static const char *const cases[][3] = {
        {"v1", "Pod",
         "{\"metadata\":{\"creationTimestamp\":null,\"labels\":{}},\"spec\":{\"containers\":[{"
         "\"resources\":{\"limits\":{\"cpu\":1,\"memory\":\"1Gi\"}},\"ports\":[{\"containerPort\":"
         "80}],\"livenessProbe\":{\"httpGet\":{\"port\":\"http\"}}}]}}"},
        {"coordination.k8s.io/v1", "Lease",
         "{\"spec\":{\"renewTime\":\"2020-01-01T00:00:00.123456+02:00\"}}"},
        {"v1", "Secret", "{\"data\":{\"a\":\"\",\"b\":\"Yg==\",\"c\":\"YWJj\"}}"}};
    struct kinds *kinds = kinds_create(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct api_kind *kind =
            kinds_by_kind(kinds, str_of(cases[i][0]), str_of(cases[i][1]));
        json_t *object = json_loads(cases[i][2], 0, NULL);
        struct strbuf words = {0};
        assert_false(fault_type(kind->schema, cases[i][1], object, &words));
        assert_int_equal(words.len, 0);
        strbuf_finish(&words);
        json_decref(object);
    }
    kinds_destroy(kinds);
}

static void values_as_clients_write_them_fit_at_first_sight(void **state) {
    static const char *const cases[][3] = {
        {"v1", "Pod",
         "{\"metadata\":{\"creationTimestamp\":\"2026-01-31T12:00:00Z\"},\"spec\":{"
         "\"containers\":[{\"name\":\"a\",\"resources\":{\"limits\":{\"cpu\":\"1500m\"}},"
         "\"ports\":[{\"containerPort\":80}],\"livenessProbe\":{\"tcpSocket\":{\"port\":80}}}]}}"},
        {"coordination.k8s.io/v1", "Lease",
         "{\"spec\":{\"renewTime\":\"2020-01-01T00:00:00.123456Z\"}}"},
        {"v1", "Secret", "{\"data\":{\"b\":\"Yg==\"}}"}};
    struct kinds *kinds = kinds_create(NULL);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct api_kind *kind =
            kinds_by_kind(kinds, str_of(cases[i][0]), str_of(cases[i][1]));
        json_t *object = json_loads(cases[i][2], 0, NULL);
        assert_true(schema_fits(kind->schema, object, NULL, /* read= */ true));
        json_decref(object);
    }
    kinds_destroy(kinds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_that_breaks_off_is_told_by_what_was_expected),
        cmocka_unit_test(json_that_is_whole_has_no_fault),
        cmocka_unit_test(deep_json_is_read_without_recursion),
        cmocka_unit_test(yaml_faults_name_the_line_as_go_does),
        cmocka_unit_test(bodies_are_shown_by_their_beginning),
        cmocka_unit_test(values_of_another_type_are_told_by_their_field),
        cmocka_unit_test(values_that_can_be_read_have_no_fault),
        cmocka_unit_test(values_as_clients_write_them_fit_at_first_sight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
