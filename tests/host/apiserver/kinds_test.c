#include "apiserver/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/oom_sweep.h"

static struct kinds *create(void) {
    struct kinds *kinds = kinds_create(NULL);
    assert_non_null(kinds);
    return kinds;
}

static const struct api_kind *find(const struct kinds *kinds, const char *group,
                                   const char *version, const char *plural) {
    return kinds_find(kinds, str_of(group), str_of(version), str_of(plural));
}

static const struct schema *at(const struct schema *schema, const char *name) {
    return schema_member(schema, str_of(name));
}

static json_t *json(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static const char widgets[] =
    "{\"metadata\":{\"name\":\"widgets.example.com\"},\"spec\":{\"group\":\"example.com\","
    "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"widgets\",\"kind\":\"Widget\","
    "\"shortNames\":[\"wd\",\"wdg\"],\"categories\":[\"all\"]},\"versions\":["
    "{\"name\":\"v1beta1\",\"served\":true,\"storage\":false,\"deprecated\":true,"
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}},"
    "{\"name\":\"v1alpha1\",\"served\":false,\"storage\":true,"
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}},"
    "{\"name\":\"v2\",\"served\":true,\"storage\":false,"
    "\"additionalPrinterColumns\":[{\"name\":\"Size\",\"type\":\"integer\","
    "\"jsonPath\":\".spec.size\"}],\"selectableFields\":[{\"jsonPath\":\".spec.color\"}],"
    "\"subresources\":{\"status\":{},\"scale\":{\"specReplicasPath\":\".spec.size\","
    "\"statusReplicasPath\":\".status.size\"}},\"schema\":{\"openAPIV3Schema\":{"
    "\"type\":\"object\",\"properties\":{"
    "\"metadata\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\","
    "\"maxLength\":5}}},\"spec\":{\"type\":\"object\","
    "\"properties\":{\"size\":{\"type\":\"integer\",\"default\":3},"
    "\"color\":{\"type\":\"string\"}}}}}}}]}}";

static void set_widgets(struct kinds *kinds) {
    struct error err = {0};
    json_t *crd = json(widgets);
    if (kinds_set_crd(kinds, crd, &err) < 0)
        fail_msg("%s", err.message);
    json_decref(crd);
}

/* Built-ins */

static void builtins_are_found_by_path_and_by_kind(void **state) {
    (void)state;
    struct kinds *kinds = create();
    const struct api_kind *pod = find(kinds, "", "v1", "pods");
    assert_non_null(pod);
    assert_ptr_equal(kinds_by_kind(kinds, str_of("v1"), str_of("Pod")), pod);
    assert_string_equal(pod->api_version, "v1");
    assert_string_equal(pod->resource->kind, "Pod");
    assert_string_equal(pod->resource->list_kind, "PodList");
    assert_string_equal(pod->resource->singular, "pod");
    assert_string_equal(pod->resource->short_names[0], "po");
    assert_null(pod->resource->short_names[1]);
    assert_string_equal(pod->resource->categories[0], "all");
    assert_true(pod->resource->namespaced && pod->resource->builtin);
    assert_int_equal(pod->subresources, KIND_STATUS | KIND_EVICTION | KIND_BINDING | KIND_LOG);
    assert_ptr_equal(pod->resource->storage, pod);
    const struct api_kind *deployment =
        kinds_by_kind(kinds, str_of("apps/v1"), str_of("Deployment"));
    assert_ptr_equal(find(kinds, "apps", "v1", "deployments"), deployment);
    assert_int_equal(deployment->subresources, KIND_STATUS | KIND_SCALE);
    assert_null(find(kinds, "apps", "v2", "deployments"));
    assert_null(find(kinds, "", "v1", "deployments"));
    assert_null(kinds_by_kind(kinds, str_of("apps/v1"), str_of("Pod")));
    assert_null(kinds_by_kind(kinds, str_of(""), str_of("")));
    const struct api_kind *review =
        find(kinds, "authorization.k8s.io", "v1", "selfsubjectaccessreviews");
    assert_true(review->resource->virtual_ && !review->resource->namespaced);
    kinds_destroy(kinds);
}

static void builtin_schemas_know_lists_and_merge_keys(void **state) {
    (void)state;
    struct kinds *kinds = create();
    const struct schema *deployment = find(kinds, "apps", "v1", "deployments")->schema;
    const struct schema *spec = at(deployment, "spec");
    const struct schema *containers = at(at(at(spec, "template"), "spec"), "containers");
    assert_int_equal(schema_type(containers), SCHEMA_ARRAY);
    assert_int_equal(schema_list_type(containers), SCHEMA_LIST_MAP);
    assert_string_equal(schema_list_keys(containers)[0], "name");
    assert_string_equal(schema_patch_strategy(containers), "merge");
    assert_string_equal(schema_patch_merge_key(containers), "name");
    const struct schema *ports = at(schema_items(containers), "ports");
    assert_string_equal(schema_list_keys(ports)[1], "protocol");
    assert_string_equal(schema_patch_strategy(at(spec, "strategy")), "retainKeys");
    assert_true(schema_is_atomic_map(at(spec, "selector")));
    assert_int_equal(schema_type(at(at(deployment, "metadata"), "labels")), SCHEMA_OBJECT);
    const struct schema *props =
        kinds_definition(kinds, "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
                                "JSONSchemaProps");
    assert_non_null(at(at(at(props, "properties"), "x"), "maxLength"));
    assert_non_null(at(kinds_definition(kinds, "io.k8s.api.autoscaling.v1.Scale"), "spec"));
    assert_null(kinds_definition(kinds, "io.k8s.api.autoscaling.v1.Scales"));
    assert_string_equal(schema_refers_to(spec), "io.k8s.api.apps.v1.DeploymentSpec");
    assert_null(schema_refers_to(containers));
    kinds_destroy(kinds);
}

static void each_builtin_has_a_schema_of_its_kind(void **state) {
    (void)state;
    struct kinds *kinds = create();
    assert_true(kinds_count(kinds) > 50);
    for (size_t i = 0; i < kinds_count(kinds); i++) {
        const struct api_resource *one = kinds_at(kinds, i);
        const struct api_resource *core = kinds_resource(kinds, str_of(""), str_of(one->plural));
        assert_int_equal(one->id, kinds_is_view(one) ? core->id : i + 1);
        assert_true(kinds_is_view(one) == (strcmp(one->group, "events.k8s.io") == 0));
        assert_ptr_equal(kinds_resource(kinds, str_of(one->group), str_of(one->plural)), one);
        const struct api_kind *kind = find(kinds, one->group, one->kinds->version, one->plural);
        assert_ptr_equal(kind, &one->kinds[0]);
        assert_int_equal(schema_type(at(kind->schema, "apiVersion")), SCHEMA_STRING);
        assert_non_null(at(at(kind->schema, "metadata"), "ownerReferences"));
    }
    kinds_destroy(kinds);
}

/* CRDs */

static void a_crd_is_served_in_its_served_versions(void **state) {
    (void)state;
    struct kinds *kinds = create();
    uint64_t before = kinds_revision(kinds);
    set_widgets(kinds);
    assert_true(kinds_revision(kinds) > before);
    const struct api_kind *v2 = find(kinds, "example.com", "v2", "widgets");
    const struct api_resource *resource = v2->resource;
    assert_false(resource->builtin);
    assert_int_equal(resource->kind_count, 2);
    assert_ptr_equal(&resource->kinds[0], v2);
    assert_string_equal(resource->kinds[1].version, "v1beta1");
    assert_string_equal(resource->storage->version, "v1alpha1");
    assert_null(find(kinds, "example.com", "v1alpha1", "widgets"));
    assert_string_equal(resource->singular, "widget");
    assert_string_equal(resource->list_kind, "WidgetList");
    assert_string_equal(resource->short_names[1], "wdg");
    assert_int_equal(v2->subresources, KIND_STATUS | KIND_SCALE);
    assert_string_equal(v2->scale_spec, ".spec.size");
    assert_string_equal(v2->scale_status, ".status.size");
    assert_null(v2->scale_selector);
    assert_string_equal(v2->selectable_fields[0], ".spec.color");
    assert_null(v2->selectable_fields[1]);
    assert_int_equal(json_array_size(v2->columns), 1);
    assert_false(v2->deprecated);
    assert_true(resource->kinds[1].deprecated);
    assert_string_equal(resource->kinds[1].deprecation_warning,
                        "example.com/v1beta1 Widget is deprecated");
    assert_int_equal(schema_type(at(v2->schema, "kind")), SCHEMA_STRING);
    assert_non_null(at(at(v2->schema, "metadata"), "labels"));
    assert_non_null(at(at(resource->storage->schema, "metadata"), "labels"));
    kinds_destroy(kinds);
}

static void a_crd_that_changes_keeps_its_place_and_id(void **state) {
    (void)state;
    struct kinds *kinds = create();
    set_widgets(kinds);
    const struct api_resource *resource = find(kinds, "example.com", "v2", "widgets")->resource;
    unsigned id = resource->id;
    size_t count = kinds_count(kinds);
    set_widgets(kinds);
    assert_ptr_equal(find(kinds, "example.com", "v2", "widgets")->resource, resource);
    assert_int_equal(resource->id, id);
    assert_int_equal(kinds_count(kinds), count);
    kinds_remove_crd(kinds, str_of("example.com"), str_of("widgets"));
    assert_null(find(kinds, "example.com", "v2", "widgets"));
    kinds_remove_crd(kinds, str_of("example.com"), str_of("widgets"));
    kinds_remove_crd(kinds, str_of(""), str_of("pods"));
    assert_non_null(find(kinds, "", "v1", "pods"));
    set_widgets(kinds);
    assert_int_not_equal(find(kinds, "example.com", "v2", "widgets")->resource->id, id);
    kinds_destroy(kinds);
}

static void versions_are_ordered_as_kubernetes_does(void **state) {
    (void)state;
    static const char *const expected[] = {"v10",     "v2",        "v1",   "v11beta2", "v10beta3",
                                           "v3beta1", "v12alpha1", "foo1", "foo10"};
    json_t *crd = json(widgets);
    json_t *spec = json_object_get(crd, "spec"), *versions = json_array();
    for (size_t i = sizeof expected / sizeof *expected; i-- > 0;)
        json_array_append_new(versions, json_pack("{s:s,s:b}", "name", expected[i], "served", 1));
    json_object_set_new(spec, "versions", versions);
    struct kinds *kinds = create();
    assert_int_equal(kinds_set_crd(kinds, crd, NULL), 0);
    const struct api_resource *resource =
        kinds_resource(kinds, str_of("example.com"), str_of("widgets"));
    for (size_t i = 0; i < resource->kind_count; i++)
        assert_string_equal(resource->kinds[i].version, expected[i]);
    json_decref(crd);
    kinds_destroy(kinds);
}

static void a_crd_may_not_take_what_is_taken(void **state) {
    (void)state;
    struct kinds *kinds = create();
    struct error err;
    set_widgets(kinds);
    json_t *crd = json(widgets), *spec = json_object_get(crd, "spec");
    json_t *names = json_object_get(spec, "names");
    json_object_set_new(names, "plural", json_string("gadgets"));
    assert_int_equal(kinds_set_crd(kinds, crd, &err), ERROR_REJECTED);
    assert_string_equal(err.message, "\"Widget\" is already in use");
    json_object_set_new(names, "plural", json_string("deployments"));
    json_object_set_new(spec, "group", json_string("apps"));
    assert_int_equal(kinds_set_crd(kinds, crd, &err), ERROR_REJECTED);
    assert_string_equal(err.message, "deployments.apps is built in");
    json_decref(crd);
    kinds_destroy(kinds);
}

/* Memory */

static void kinds_survive_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    json_t *crd = json(widgets);
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        struct kinds *kinds = kinds_create(&err);
        if (kinds == NULL) {
            assert_int_equal(err.code, ERROR_NOMEM);
            continue;
        }
        for (int i = 0; i < 2; i++) {
            size_t count = kinds_count(kinds);
            int rc = kinds_set_crd(kinds, crd, &err);
            assert_true(rc == 0 || rc == ERROR_NOMEM);
            assert_true(rc == 0 || kinds_count(kinds) == count);
        }
        const struct api_kind *lease = find(kinds, "coordination.k8s.io", "v1", "leases");
        if (lease)
            assert_non_null(at(at(lease->schema, "spec"), "holderIdentity"));
        kinds_destroy(kinds);
    }
    json_decref(crd);
}

/* jansson keeps the C library's allocator here: out of memory, its parser writes past its buffers.
 */
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtins_are_found_by_path_and_by_kind),
        cmocka_unit_test(builtin_schemas_know_lists_and_merge_keys),
        cmocka_unit_test(each_builtin_has_a_schema_of_its_kind),
        cmocka_unit_test(a_crd_is_served_in_its_served_versions),
        cmocka_unit_test(a_crd_that_changes_keeps_its_place_and_id),
        cmocka_unit_test(versions_are_ordered_as_kubernetes_does),
        cmocka_unit_test(a_crd_may_not_take_what_is_taken),
        cmocka_unit_test(kinds_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
