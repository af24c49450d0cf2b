#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "addon/rules.h"
#include "support/oom_sweep.h"

/* R26: least privilege, by what is declared. */

#define CRD(name, scope, versions)                                                                 \
    "{\"metadata\":{\"name\":\"" name "s.example.com\"},\"spec\":{\"group\":\"example.com\","      \
    "\"scope\":\"" scope "\",\"names\":{\"kind\":\"" name "\",\"plural\":\"" name                  \
    "s\"},\"versions\":[" versions "]}}"

/* clang-format off */
static const char text[] =
    "{\"definitions\":["
    "{\"type\":\"controller\",\"name\":\"app\",\"source\":\"app.lua:3\","
    "\"resource\":{\"kind\":\"example.com/v1/App\",\"namespaces\":[\"x\"]},"
    "\"owns\":[{\"kind\":\"apps/v1/Deployment\"}],\"reads\":[{\"kind\":\"v1/Node\"}],"
    "\"writes\":[{\"kind\":\"v1/Pod\",\"verbs\":[\"evict\",\"bind\"]}],\"secrets\":[\"s\",\"n/t\"],"
    "\"handlers\":[\"reconcile\",\"finalize\"]},"
    "{\"type\":\"controller\",\"name\":\"sized\",\"source\":\"app.lua:9\","
    "\"resource\":{\"kind\":\"example.com/v1/Sized\"},\"handlers\":[\"reconcile\"]},"
    "{\"type\":\"controller\",\"name\":\"tenant\",\"source\":\"app.lua:12\","
    "\"resource\":{\"kind\":\"example.com/v2/Tenant\"},\"handlers\":[\"reconcile\"]}],"
    "\"crds\":["
    CRD("App", "Namespaced", "{\"name\":\"v1\",\"subresources\":{\"status\":{}}}") ","
    CRD("Sized", "Namespaced", "{\"name\":\"v1\",\"subresources\":{\"scale\":{\"x\":\".status\"}}}") ","
    CRD("Tenant", "Cluster", "{\"name\":\"v1\",\"subresources\":{\"status\":{}}},{\"name\":\"v2\"}")
    "]}";
/* clang-format on */

static const struct rule *find(const struct rules *rules, const char *resource, const char *name,
                               const char *ns) {
    for (size_t i = 0; i < rules->count; i++) {
        const struct rule *rule = &rules->items[i];
        if (strcmp(rule->resource, resource) == 0 &&
            (ns ? rule->ns && strcmp(rule->ns, ns) == 0 : rule->ns == NULL) &&
            (name ? rule->name && strcmp(rule->name, name) == 0 : rule->name == NULL))
            return rule;
    }
    return NULL;
}

static unsigned verbs(const struct rules *rules, const char *resource, const char *name,
                      const char *ns) {
    const struct rule *rule = find(rules, resource, name, ns);
    return rule ? rule->verbs : 0;
}

enum { READ = RULE_GET | RULE_LIST | RULE_WATCH };

static struct rules rules_of(size_t definition, char *const *namespaces) {
    struct error err = {0};
    struct rules rules = {0};
    struct declaration *declaration = declaration_parse(str_of(text), &err);
    assert_non_null(declaration);
    assert_int_equal(rules_for_definition(&rules, declaration,
                                          &declaration->definitions[definition], namespaces, &err),
                     0);
    declaration_destroy(declaration);
    return rules;
}

static void rules_are_the_least_that_a_declaration_needs(void **state) {
    (void)state;
    struct rules rules = rules_of(0, NULL);
    assert_int_equal(verbs(&rules, "Apps", NULL, "x"), READ | RULE_PATCH);
    assert_int_equal(verbs(&rules, "Apps/status", NULL, "x"), RULE_PATCH);
    assert_int_equal(verbs(&rules, "nodes", NULL, NULL), READ);
    assert_int_equal(verbs(&rules, "deployments", NULL, NULL) & RULE_DELETE, RULE_DELETE);
    assert_int_equal(verbs(&rules, "pods/eviction", NULL, NULL), RULE_CREATE);
    assert_int_equal(verbs(&rules, "pods/binding", NULL, NULL), RULE_CREATE);
    assert_int_equal(verbs(&rules, "secrets", "t", "n"), RULE_GET);
    assert_int_equal(verbs(&rules, "secrets", "s", "x"), RULE_GET); /* where its objects are */
    assert_true(rules_equal(&rules, &rules));
    rules_finish(&rules);
}

static void rules_within_namespaces_hold_there_and_nowhere_else(void **state) {
    (void)state;
    char *const namespaces[] = {(char *)"a", (char *)"b", NULL};
    struct rules rules = rules_of(0, namespaces);
    assert_int_equal(verbs(&rules, "Apps", NULL, "x"), READ | RULE_PATCH); /* its own list */
    assert_null(find(&rules, "Apps", NULL, "a"));
    assert_int_equal(verbs(&rules, "deployments", NULL, "a") & RULE_DELETE, RULE_DELETE);
    assert_int_equal(verbs(&rules, "deployments", NULL, "b") & RULE_DELETE, RULE_DELETE);
    assert_null(find(&rules, "deployments", NULL, NULL));
    assert_int_equal(verbs(&rules, "pods/eviction", NULL, "b"), RULE_CREATE);
    assert_int_equal(verbs(&rules, "nodes", NULL, NULL), READ); /* cluster-scoped */
    assert_int_equal(verbs(&rules, "secrets", "t", "n"), RULE_GET);
    rules_finish(&rules);
}

static void rules_of_a_kind_without_status_leave_it_out(void **state) {
    (void)state;
    struct rules sized = rules_of(1, NULL), tenant = rules_of(2, NULL);
    assert_non_null(find(&sized, "Sizeds", NULL, NULL));
    assert_null(find(&sized, "Sizeds/status", NULL, NULL));   /* has a scale subresource only */
    assert_null(find(&tenant, "Tenants/status", NULL, NULL)); /* v2 has none, v1 has */
    rules_finish(&sized);
    rules_finish(&tenant);
}

static int for_host(struct rules *rules, const struct rules_host *host, struct error *err) {
    struct declaration *declaration = declaration_parse(str_of(text), err);
    if (declaration == NULL)
        return err->code;
    const struct declaration *const all[] = {declaration};
    int rc = rules_for_host(rules, all, 1, host, err);
    declaration_destroy(declaration);
    return rc;
}

static void rules_of_the_host_name_the_lease_and_its_settings(void **state) {
    (void)state;
    struct error err = {0};
    struct rules rules = {0};
    const struct rules_host host = {.ns = "home",
                                    .lease_name = "lead",
                                    .lease_ns = "leases",
                                    .config_map = "conf/values",
                                    .apply_crds = true};
    assert_int_equal(for_host(&rules, &host, &err), 0);
    assert_int_equal(verbs(&rules, "events", NULL, NULL), RULE_CREATE | RULE_PATCH);
    assert_int_equal(verbs(&rules, "leases", "lead", "leases"), RULE_GET | RULE_UPDATE);
    assert_int_equal(verbs(&rules, "leases", NULL, "leases"), RULE_CREATE);
    assert_int_equal(verbs(&rules, "configmaps", "values", "conf"), READ);
    const char *crds = "customresourcedefinitions";
    assert_int_equal(verbs(&rules, crds, "Apps.example.com", NULL), RULE_GET | RULE_PATCH);
    assert_int_equal(verbs(&rules, crds, NULL, NULL), RULE_CREATE);
    rules_finish(&rules);
}

static void rules_of_a_host_within_namespaces_need_no_more_for_events(void **state) {
    (void)state;
    struct error err = {0};
    struct rules rules = {0};
    char *const namespaces[] = {(char *)"a", NULL};
    const struct rules_host host = {
        .ns = "home", .lease_name = "lead", .lease_ns = "home", .namespaces = namespaces};
    assert_int_equal(for_host(&rules, &host, &err), 0);
    assert_null(find(&rules, "events", NULL, NULL));
    assert_non_null(find(&rules, "events", NULL, "home"));    /* about files */
    assert_non_null(find(&rules, "events", NULL, "x"));       /* a list of its own */
    assert_non_null(find(&rules, "events", NULL, "a"));       /* --namespace */
    assert_non_null(find(&rules, "events", NULL, "default")); /* about a cluster-scoped Tenant */
    assert_null(find(&rules, "customresourcedefinitions", NULL, NULL));
    rules_finish(&rules);
}

static void rules_of_a_config_map_without_namespace_are_refused(void **state) {
    (void)state;
    struct error err = {0};
    struct rules rules = {0};
    const struct rules_host host = {
        .ns = "home", .lease_name = "l", .lease_ns = "home", .config_map = "values"};
    assert_int_equal(for_host(&rules, &host, &err), ERROR_INVALID);
    assert_non_null(strstr(err.message, "namespace/name"));
    rules_finish(&rules);
}

static const char serving[] =
    "{\"definitions\":[{\"type\":\"webhook\",\"name\":\"policy\",\"handlers\":[\"validate\"],"
    "\"webhooks\":[{\"handler\":\"validate\",\"resource\":{\"kind\":\"v1/Pod\"},\"operations\":["
    "\"CREATE\"]}]},{\"type\":\"conversion\",\"name\":\"apps.example.com\",\"crd\":"
    "\"apps.example.com\",\"handlers\":[\"convert\"]}],\"crds\":[{\"metadata\":{\"name\":"
    "\"apps.example.com\"},\"spec\":{\"group\":\"example.com\",\"names\":{\"kind\":\"App\","
    "\"plural\":\"apps\"},\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{}}}}]}";

static struct rules rules_of_serving(bool apply) {
    struct error err = {0};
    struct rules rules = {0};
    struct declaration *declaration = declaration_parse(str_of(serving), &err);
    const struct declaration *const all[] = {declaration};
    const struct rules_host host = {.ns = "home",
                                    .lease_name = "l",
                                    .lease_ns = "home",
                                    .apply_crds = apply,
                                    .apply_webhooks = apply,
                                    .webhook_secret = "home/cert"};
    assert_non_null(declaration);
    assert_int_equal(rules_for_host(&rules, all, 1, &host, &err), 0);
    declaration_destroy(declaration);
    return rules;
}

static void rules_of_webhooks_name_configurations_and_the_certificate(void **state) {
    (void)state;
    const char *configurations = "validatingwebhookconfigurations";
    struct rules apply = rules_of_serving(true), check = rules_of_serving(false);
    assert_int_equal(verbs(&apply, configurations, "moonlet-policy", NULL),
                     RULE_PATCH | RULE_DELETE);
    assert_int_equal(verbs(&apply, configurations, NULL, NULL), RULE_LIST | RULE_CREATE);
    assert_int_equal(verbs(&apply, "secrets", "cert", "home"), RULE_GET | RULE_UPDATE);
    assert_int_equal(verbs(&apply, "secrets", NULL, "home"), RULE_CREATE);
    assert_null(find(&apply, "mutatingwebhookconfigurations", NULL, NULL));
    assert_int_equal(verbs(&check, configurations, "moonlet-policy", NULL), RULE_PATCH);
    assert_null(find(&check, configurations, NULL, NULL));
    /* the caBundle of its converter is filled in */
    assert_int_equal(verbs(&check, "customresourcedefinitions", "apps.example.com", NULL),
                     RULE_GET | RULE_PATCH);
    rules_finish(&apply);
    rules_finish(&check);
}

static void rules_survive_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    char *const namespaces[] = {(char *)"a", NULL};
    const struct rules_host host = {.ns = "home",
                                    .lease_name = "l",
                                    .lease_ns = "home",
                                    .config_map = "n/m",
                                    .namespaces = namespaces};
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        struct rules rules = {0};
        int rc = for_host(&rules, &host, &err);
        assert_true(rc == 0 || rc == ERROR_NOMEM || rc == ERROR_INVALID);
        rules_finish(&rules);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_the_least_that_a_declaration_needs),
        cmocka_unit_test(rules_within_namespaces_hold_there_and_nowhere_else),
        cmocka_unit_test(rules_of_a_kind_without_status_leave_it_out),
        cmocka_unit_test(rules_of_the_host_name_the_lease_and_its_settings),
        cmocka_unit_test(rules_of_a_host_within_namespaces_need_no_more_for_events),
        cmocka_unit_test(rules_of_a_config_map_without_namespace_are_refused),
        cmocka_unit_test(rules_of_webhooks_name_configurations_and_the_certificate),
        cmocka_unit_test(rules_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
