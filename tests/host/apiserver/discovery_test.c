#include "apiserver/discovery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/oom_sweep.h"

#define AGGREGATED "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
#define METADATA "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

static struct kinds *create(void) {
    struct kinds *kinds = kinds_create(NULL);
    json_t *crd = json_pack(
        "{s:{s:s,s:s,s:{s:s,s:s,s:[s]},s:[{s:s,s:b,s:b,s:{s:{}},s:{s:{s:s,s:s,s:{s:{s:s}}}}}]}}",
        "spec", "group", "stable.example.com", "scope", "Cluster", "names", "plural", "widgets",
        "kind", "Widget", "shortNames", "wd", "versions", "name", "v1beta1", "served", 1, "storage",
        1, "subresources", "status", "schema", "openAPIV3Schema", "type", "object", "description",
        "A widget.", "properties", "spec", "type", "object");
    assert_non_null(crd);
    assert_int_equal(kinds_set_crd(kinds, crd, NULL), 0);
    json_decref(crd);
    return kinds;
}

static struct discovery_answer ask(const struct kinds *kinds, const char *path, const char *accept,
                                   const char *if_none_match) {
    struct discovery_answer answer;
    assert_true(discovery_serve(kinds, str_of(path), accept, if_none_match, &answer, NULL));
    return answer;
}

/* The whole document, which must be served. */
static json_t *get(const struct kinds *kinds, const char *path, const char *accept) {
    struct discovery_answer answer = ask(kinds, path, accept, NULL);
    assert_int_equal(answer.status, 200);
    json_t *document = json_loadb(answer.body.data, answer.body.len, 0, NULL);
    assert_non_null(document);
    strbuf_finish(&answer.body);
    return document;
}

static const json_t *named(const json_t *list, const char *key, const char *name) {
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one) {
        const char *its = json_string_value(json_object_get(one, key));
        if (its && strcmp(its, name) == 0)
            return one;
    }
    return NULL;
}

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static int status_of(const struct kinds *kinds, const char *path, const char *accept) {
    struct discovery_answer answer = ask(kinds, path, accept, NULL);
    strbuf_finish(&answer.body);
    return answer.status;
}

static void groups_are_listed_with_their_versions(void **state) {
    (void)state;
    struct kinds *kinds = create();
    json_t *core = get(kinds, "/api", "");
    assert_string_equal(text(core, "kind"), "APIVersions");
    json_t *all = get(kinds, "/apis/", "application/json");
    assert_string_equal(text(all, "kind"), "APIGroupList");
    const json_t *groups = json_object_get(all, "groups");
    assert_non_null(named(groups, "name", "apps"));
    assert_null(named(groups, "name", ""));
    json_t *one = get(kinds, "/apis/stable.example.com", "*/*");
    assert_string_equal(text(one, "kind"), "APIGroup");
    assert_string_equal(text(json_object_get(one, "preferredVersion"), "groupVersion"),
                        "stable.example.com/v1beta1");
    json_decref(one);
    json_decref(all);
    json_decref(core);
    kinds_destroy(kinds);
}

static void resources_are_listed_with_their_subresources(void **state) {
    (void)state;
    struct kinds *kinds = create();
    json_t *core = get(kinds, "/api/v1", NULL);
    const json_t *resources = json_object_get(core, "resources");
    assert_string_equal(text(core, "groupVersion"), "v1");
    const json_t *pods = named(resources, "name", "pods");
    assert_string_equal(json_string_value(json_array_get(json_object_get(pods, "shortNames"), 0)),
                        "po");
    assert_string_equal(text(named(resources, "name", "pods/eviction"), "group"), "policy");
    assert_string_equal(text(named(resources, "name", "pods/eviction"), "kind"), "Eviction");
    assert_string_equal(text(named(resources, "name", "pods/status"), "kind"), "Pod");
    assert_int_equal(json_array_size(json_object_get(pods, "verbs")), 8);
    assert_int_equal(
        json_array_size(json_object_get(named(resources, "name", "namespaces"), "verbs")), 7);
    json_t *custom = get(kinds, "/apis/stable.example.com/v1beta1", "application/json");
    const json_t *widgets = named(json_object_get(custom, "resources"), "name", "widgets");
    assert_string_equal(text(widgets, "singularName"), "widget");
    assert_true(json_is_false(json_object_get(widgets, "namespaced")));
    assert_non_null(named(json_object_get(custom, "resources"), "name", "widgets/status"));
    json_decref(custom);
    json_decref(core);
    kinds_destroy(kinds);
}

static void aggregated_discovery_is_given_to_those_who_ask(void **state) {
    (void)state;
    struct kinds *kinds = create();
    struct discovery_answer answer =
        ask(kinds, "/apis", AGGREGATED ",application/json;g=apidiscovery.k8s.io;v=v2beta1", NULL);
    assert_string_equal(answer.content_type, AGGREGATED);
    strbuf_finish(&answer.body);
    json_t *all = get(kinds, "/apis", "application/json;as=Other, " AGGREGATED);
    assert_string_equal(text(all, "kind"), "APIGroupDiscoveryList");
    const json_t *group = NULL, *one;
    size_t i;
    json_array_foreach(json_object_get(all, "items"), i, one) {
        if (strcmp(text(json_object_get(one, "metadata"), "name"), "stable.example.com") == 0)
            group = one;
    }
    const json_t *version = named(json_object_get(group, "versions"), "version", "v1beta1");
    assert_string_equal(text(version, "freshness"), "Current");
    const json_t *widgets = named(json_object_get(version, "resources"), "resource", "widgets");
    assert_string_equal(text(widgets, "scope"), "Cluster");
    assert_string_equal(text(json_object_get(widgets, "responseKind"), "kind"), "Widget");
    assert_non_null(named(json_object_get(widgets, "subresources"), "subresource", "status"));
    json_decref(all);
    json_t *core = get(kinds, "/api", AGGREGATED);
    assert_int_equal(json_array_size(json_object_get(core, "items")), 1);
    json_decref(core);
    json_t *plain = get(kinds, "/apis/apps", AGGREGATED ",application/json");
    assert_string_equal(text(plain, "kind"), "APIGroup");
    json_decref(plain);
    kinds_destroy(kinds);
}

static void what_is_not_served_is_404_or_406(void **state) {
    (void)state;
    struct kinds *kinds = create();
    struct discovery_answer answer;
    static const char *const others[] = {
        "/apis/apps/v1/deployments", "/api/v1/pods", "/", "/healthz", "/apisx", "/version/x"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(discovery_serve(kinds, str_of(others[i]), "", NULL, &answer, NULL));
    assert_int_equal(status_of(kinds, "/apis/nobody", ""), 404);
    assert_int_equal(status_of(kinds, "/apis/apps/v2", ""), 404);
    assert_int_equal(status_of(kinds, "/api/v2", ""), 404);
    assert_int_equal(status_of(kinds, "/openapi/v3/apis/apps", ""), 404);
    assert_int_equal(status_of(kinds, "/openapi/v3/apis/apps/v2", ""), 404);
    assert_int_equal(status_of(kinds, "/openapi/v2", "text/html"), 406);
    assert_int_equal(status_of(kinds, "/apis", "application/vnd.kubernetes.protobuf"), 406);
    assert_int_equal(status_of(kinds, "/apis", "text/html;q=0.9, */*;q=0.8"), 200);
    kinds_destroy(kinds);
}

static void openapi_v2_defines_nothing(void **state) {
    (void)state;
    struct kinds *kinds = create();
    json_t *plain = get(kinds, "/openapi/v2", "application/json");
    assert_string_equal(text(plain, "swagger"), "2.0");
    json_decref(plain);
    struct discovery_answer answer = ask(
        kinds, "/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", NULL);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.content_type, "+protobuf"));
    assert_true(str_is(strbuf_view(&answer.body), "\x0a\x03"
                                                  "2.0"));
    strbuf_finish(&answer.body);
    kinds_destroy(kinds);
}

static void an_etag_is_of_the_content(void **state) {
    (void)state;
    struct kinds *kinds = create();
    struct discovery_answer one = ask(kinds, "/apis", AGGREGATED, NULL);
    struct discovery_answer same = ask(kinds, "/apis", AGGREGATED, one.etag);
    assert_int_equal(same.status, 304);
    assert_int_equal(same.body.len, 0);
    assert_string_equal(same.etag, one.etag);
    kinds_remove_crd(kinds, str_of("stable.example.com"), str_of("widgets"));
    struct discovery_answer other = ask(kinds, "/apis", AGGREGATED, one.etag);
    assert_int_equal(other.status, 200);
    assert_string_not_equal(other.etag, one.etag);
    strbuf_finish(&one.body);
    strbuf_finish(&other.body);
    kinds_destroy(kinds);
}

static const json_t *schemas_of(const json_t *document) {
    return json_object_get(json_object_get(document, "components"), "schemas");
}

static void openapi_has_what_kubectl_looks_at(void **state) {
    (void)state;
    struct kinds *kinds = create();
    json_t *apps = get(kinds, "/openapi/v3/apis/apps/v1", "application/json");
    const json_t *path = json_object_get(json_object_get(apps, "paths"),
                                         "/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    const json_t *patch = json_object_get(path, "patch");
    assert_non_null(named(json_object_get(patch, "parameters"), "name", "fieldValidation"));
    assert_non_null(named(json_object_get(patch, "parameters"), "name", "dryRun"));
    assert_string_equal(text(json_object_get(patch, "x-kubernetes-group-version-kind"), "kind"),
                        "Deployment");
    const json_t *content = json_object_get(json_object_get(patch, "requestBody"), "content");
    assert_non_null(json_object_get(content, "application/strategic-merge-patch+json"));
    const json_t *spec = json_object_get(
        json_object_get(schemas_of(apps), "io.k8s.api.apps.v1.DeploymentSpec"), "properties");
    const json_t *strategy = json_object_get(spec, "strategy");
    assert_string_equal(text(strategy, "x-kubernetes-patch-strategy"), "retainKeys");
    assert_null(json_object_get(strategy, "$ref"));
    assert_int_equal(json_array_size(json_object_get(strategy, "allOf")), 1);
    assert_non_null(json_object_get(schemas_of(apps), "io.k8s.api.core.v1.Container"));
    assert_null(json_object_get(schemas_of(apps), "io.k8s.api.core.v1.Node"));
    json_decref(apps);
    kinds_destroy(kinds);
}

static void openapi_of_a_crd_has_its_schema(void **state) {
    (void)state;
    struct kinds *kinds = create();
    json_t *custom = get(kinds, "/openapi/v3/apis/stable.example.com/v1beta1", "");
    const json_t *widget = json_object_get(schemas_of(custom), "com.example.stable.v1beta1.Widget");
    assert_string_equal(text(widget, "description"), "A widget.");
    assert_non_null(json_object_get(json_object_get(widget, "properties"), "metadata"));
    assert_non_null(json_object_get(json_object_get(widget, "properties"), "spec"));
    assert_non_null(json_object_get(schemas_of(custom), METADATA));
    const json_t *path = json_object_get(json_object_get(custom, "paths"),
                                         "/apis/stable.example.com/v1beta1/widgets/{name}");
    const json_t *content =
        json_object_get(json_object_get(json_object_get(path, "patch"), "requestBody"), "content");
    assert_int_equal(json_object_size(content), 3);
    assert_null(json_object_get(content, "application/strategic-merge-patch+json"));
    json_decref(custom);
    kinds_destroy(kinds);
}

static void the_index_names_what_changed(void **state) {
    (void)state;
    static const char custom[] = "apis/stable.example.com/v1beta1";
    struct kinds *kinds = create();
    json_t *before = get(kinds, "/openapi/v3", ""), *paths = json_object_get(before, "paths");
    assert_true(str_starts_with(str_of(text(json_object_get(paths, "api/v1"), "serverRelativeURL")),
                                "/openapi/v3/api/v1?hash="));
    json_t *crd =
        json_deep_copy(kinds_resource(kinds, str_of("stable.example.com"), str_of("widgets"))->crd);
    json_object_set_new(json_object_get(crd, "spec"), "x", json_integer(1));
    assert_int_equal(kinds_set_crd(kinds, crd, NULL), 0);
    json_t *after = get(kinds, "/openapi/v3", "");
    assert_false(json_equal(json_object_get(paths, custom),
                            json_object_get(json_object_get(after, "paths"), custom)));
    assert_true(json_equal(json_object_get(paths, "api/v1"),
                           json_object_get(json_object_get(after, "paths"), "api/v1")));
    json_decref(crd);
    json_decref(after);
    json_decref(before);
    kinds_destroy(kinds);
}

static void sweep(const struct kinds *kinds, const char *path, const char *accept) {
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        struct discovery_answer answer;
        assert_true(discovery_serve(kinds, str_of(path), accept, NULL, &answer, &err));
        assert_true(answer.status == 200 || answer.status == 500);
        assert_int_equal(err.code, answer.status == 200 ? 0 : ERROR_NOMEM);
        strbuf_finish(&answer.body);
    }
}

static void documents_survive_each_failed_allocation(void **state) {
    (void)state;
    struct kinds *kinds = create();
    sweep(kinds, "/apis/stable.example.com", "");
    sweep(kinds, "/apis/stable.example.com/v1beta1", "");
    sweep(kinds, "/api", AGGREGATED);
    sweep(kinds, "/version", "");
    sweep(kinds, "/openapi/v3", "");
    kinds_destroy(kinds);
}

/* jansson has the C library's allocator here: out of memory, its parser writes past its buffers. */
static void openapi_survives_each_failed_allocation(void **state) {
    (void)state;
    json_set_alloc_funcs(malloc, free);
    struct kinds *kinds = create();
    sweep(kinds, "/openapi/v3/apis/stable.example.com/v1beta1", "");
    sweep(kinds, "/openapi/v3/apis/coordination.k8s.io/v1", "");
    kinds_destroy(kinds);
    json_set_alloc_funcs(mem_alloc, mem_free);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_listed_with_their_versions),
        cmocka_unit_test(resources_are_listed_with_their_subresources),
        cmocka_unit_test(aggregated_discovery_is_given_to_those_who_ask),
        cmocka_unit_test(what_is_not_served_is_404_or_406),
        cmocka_unit_test(openapi_v2_defines_nothing),
        cmocka_unit_test(an_etag_is_of_the_content),
        cmocka_unit_test(openapi_has_what_kubectl_looks_at),
        cmocka_unit_test(openapi_of_a_crd_has_its_schema),
        cmocka_unit_test(the_index_names_what_changed),
        cmocka_unit_test(documents_survive_each_failed_allocation),
        cmocka_unit_test(openapi_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
