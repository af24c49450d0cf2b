#include "addon/registration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "support/oom_sweep.h"

static const char text[] =
    "{\"definitions\":[{\"type\":\"webhook\",\"name\":\"policy\",\"handlers\":[\"mutate\","
    "\"validate\"],\"webhooks\":[{\"handler\":\"mutate\",\"resource\":{\"kind\":\"v1/Pod\"},"
    "\"operations\":[\"CREATE\"],\"object_selector\":{\"matchLabels\":{\"a\":\"b\"}},"
    "\"reinvocation\":\"IfNeeded\",\"match_conditions\":[{\"name\":\"c\",\"expression\":\"true\"}]}"
    ",{\"handler\":\"mutate\",\"resource\":{\"kind\":\"apps/v1/Deployment\"},\"operations\":["
    "\"CREATE\",\"UPDATE\"],\"subresources\":[\"scale\"]},"
    "{\"handler\":\"validate\",\"resource\":{\"kind\":\"example.com/v1/App\"},\"operations\":["
    "\"DELETE\"],\"failure_policy\":\"Ignore\",\"timeout\":12,\"namespace_selector\":{"
    "\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"Exists\"}]}}]},"
    "{\"type\":\"conversion\",\"name\":\"apps.example.com\",\"crd\":\"apps.example.com\","
    "\"handlers\":[\"convert\"]}],"
    "\"crds\":[{\"metadata\":{\"name\":\"apps.example.com\"},\"spec\":{\"group\":\"example.com\","
    "\"names\":{\"kind\":\"App\",\"plural\":\"apps\"},\"versions\":[{\"name\":\"v1\"}],"
    "\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{\"conversionReviewVersions\":[\"v1\"]}}"
    "}}]}";

static const struct registration_endpoint by_url = {
    .url = "https://127.0.0.1:9443", .ca = "PEM", .instance = "laptop"};
static const struct registration_endpoint by_service = {
    .service = "moonlet-system/hooks:8443", .exclude = "moonlet-system", .instance = "x"};

static json_t *write_configuration(bool validating, const struct registration_endpoint *endpoint,
                                   int expected) {
    struct error err = {0};
    struct strbuf out = {0};
    struct declaration *declaration = declaration_parse(str_of(text), &err);
    assert_non_null(declaration);
    assert_int_equal(registration_write(declaration, &declaration->definitions[0], validating,
                                        endpoint, &out, &err),
                     expected);
    json_t *root = json_loads(out.data, 0, NULL);
    strbuf_finish(&out);
    declaration_destroy(declaration);
    return root;
}

static void assert_json(json_t *value, const char *expected) {
    char *is = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    assert_string_equal(is, expected);
    free(is);
}

static json_t *at(json_t *root, const char *key) {
    return json_object_get(root, key);
}

static void registration_of_a_service_checks_its_name(void **state) {
    (void)state;
    static const char *const bad[] = {"", "a", "/a", "a/", "a/:1", "a/b:0", "a/b:x", "a/b:70000"};
    struct error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(registration_check_service(bad[i], &err), ERROR_INVALID);
    assert_int_equal(registration_check_service("a/b", &err), 0);
    assert_int_equal(registration_check_service("a/b:8443", &err), 0);
}

static void registration_by_url_lists_each_kind(void **state) {
    (void)state;
    json_t *root = write_configuration(false, &by_url, 2);
    json_t *first = json_array_get(at(root, "webhooks"), 0);
    json_t *second = json_array_get(at(root, "webhooks"), 1);
    assert_json(at(root, "metadata"), "{\"labels\":{\"app.kubernetes.io/managed-by\":\"moonlet\","
                                      "\"moonlet.dev/instance\":\"laptop\"},\"name\":"
                                      "\"moonlet-policy\"}");
    assert_json(at(first, "clientConfig"),
                "{\"caBundle\":\"UEVN\",\"url\":\"https://127.0.0.1:9443/mutate/policy\"}");
    assert_json(at(first, "name"), "\"policy.moonlet.dev\"");
    assert_json(at(second, "name"), "\"policy-2.moonlet.dev\"");
    assert_json(at(first, "rules"), "[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"
                                    "\"operations\":[\"CREATE\"],\"resources\":[\"pods\"],"
                                    "\"scope\":\"*\"}]");
    assert_json(at(json_array_get(at(second, "rules"), 0), "resources"), "[\"deployments/scale\"]");
    assert_json(at(first, "objectSelector"), "{\"matchLabels\":{\"a\":\"b\"}}");
    assert_json(at(first, "namespaceSelector"), "{}");
    assert_json(at(first, "matchConditions"), "[{\"expression\":\"true\",\"name\":\"c\"}]");
    assert_json(at(first, "reinvocationPolicy"), "\"IfNeeded\"");
    assert_json(at(first, "sideEffects"), "\"None\"");
    assert_json(at(first, "failurePolicy"), "\"Fail\"");
    json_decref(root);
}

/* A host that judged its own namespace could keep itself from starting. */
static void registration_by_service_leaves_its_own_namespace_out(void **state) {
    (void)state;
    json_t *root = write_configuration(true, &by_service, 1);
    json_t *only = json_array_get(at(root, "webhooks"), 0);
    assert_json(at(only, "clientConfig"),
                "{\"service\":{\"name\":\"hooks\",\"namespace\":\"moonlet-system\",\"path\":"
                "\"/validate/policy\",\"port\":8443}}");
    assert_json(at(only, "namespaceSelector"),
                "{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"Exists\"},{\"key\":"
                "\"kubernetes.io/metadata.name\",\"operator\":\"NotIn\",\"values\":["
                "\"moonlet-system\"]}]}");
    assert_json(at(only, "failurePolicy"), "\"Ignore\"");
    assert_json(at(only, "timeoutSeconds"), "12");
    assert_null(at(only, "reinvocationPolicy"));
    json_decref(root);
}

static void registration_of_a_crd_names_its_converter(void **state) {
    (void)state;
    struct error err = {0};
    struct strbuf out = {0};
    struct declaration *declaration = declaration_parse(str_of(text), &err);
    assert_true(declaration->crds[0].converts);
    assert_true(definition_serves(&declaration->definitions[1]));
    assert_int_equal(registration_crd(&declaration->crds[0], &by_url, &out, &err), 0);
    json_t *root = json_loads(out.data, 0, NULL);
    assert_json(at(at(root, "spec"), "conversion"),
                "{\"strategy\":\"Webhook\",\"webhook\":{\"clientConfig\":{\"caBundle\":\"UEVN\","
                "\"url\":\"https://127.0.0.1:9443/convert/apps.example.com\"},"
                "\"conversionReviewVersions\":[\"v1\"]}}");
    json_decref(root);
    strbuf_finish(&out);
    declaration_destroy(declaration);
}

static void registration_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        struct strbuf out = {0};
        struct declaration *declaration = declaration_parse(str_of(text), &err);
        int rc = declaration ? registration_write(declaration, &declaration->definitions[0], false,
                                                  &by_url, &out, &err)
                             : err.code;
        assert_true(rc == 2 || rc == ERROR_NOMEM || (declaration == NULL && rc < 0));
        strbuf_finish(&out);
        declaration_destroy(declaration);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registration_of_a_service_checks_its_name),
        cmocka_unit_test(registration_by_url_lists_each_kind),
        cmocka_unit_test(registration_by_service_leaves_its_own_namespace_out),
        cmocka_unit_test(registration_of_a_crd_names_its_converter),
        cmocka_unit_test(registration_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
