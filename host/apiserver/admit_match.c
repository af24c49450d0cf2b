#include <string.h>

#include "apiserver/admit.h"
#include "apiserver/condition.h"

/* --- selectors ----------------------------------------------------------------------------- */

static bool expression_selects(const json_t *expression, const json_t *labels) {
    const char *operator= document_string(expression, "operator");
    const char *value =
        json_string_value(json_object_get(labels, document_string(expression, "key")));
    bool listed = value && document_has_string(json_object_get(expression, "values"), value);
    if (strcmp(operator, "In") == 0)
        return listed;
    if (strcmp(operator, "NotIn") == 0)
        return !listed;
    if (strcmp(operator, "Exists") == 0)
        return value != NULL;
    return strcmp(operator, "DoesNotExist") == 0 && value == NULL;
}

static bool selects(const json_t *selector, const json_t *labels) {
    const char *key;
    size_t i;
    json_t *value;
    json_object_foreach(json_object_get(selector, "matchLabels"), key, value) {
        if (!json_equal(json_object_get(labels, key), value))
            return false;
    }
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, value) {
        if (!expression_selects(value, labels))
            return false;
    }
    return true;
}

static bool is_namespace(const struct api_exchange *x) {
    return kinds_is_builtin(x->kind->resource, "namespaces");
}

/* A new reference, or NULL: it has none. */
static json_t *namespace_labels(const struct api_exchange *x, const struct subject *subject) {
    if (is_namespace(x) && !x->request.subresource[0] && subject->object)
        return json_incref(document_path(subject->object, "metadata.labels"));
    node_t ns = server_find(x->server, "", "namespaces", "", subject->ns);
    node_t labels = node_path(x->server->dag, ns, "metadata.labels");
    return labels == NODE_NONE ? NULL : document_of(x->server->dag, labels);
}

static bool namespace_selected(const struct api_exchange *x, const struct subject *subject,
                               const json_t *hook) {
    const json_t *selector = json_object_get(hook, "namespaceSelector");
    if (json_object_size(selector) == 0 || (!subject->ns[0] && !is_namespace(x)))
        return true;
    json_t *labels = namespace_labels(x, subject);
    bool selected = selects(selector, labels);
    json_decref(labels);
    return selected;
}

static bool object_selected(const struct subject *subject, const json_t *hook) {
    const json_t *selector = json_object_get(hook, "objectSelector");
    const json_t *objects[] = {subject->object, subject->old};
    if (json_object_size(selector) == 0)
        return true;
    for (size_t i = 0; i < 2; i++) {
        if (objects[i] && selects(selector, document_path(objects[i], "metadata.labels")))
            return true;
    }
    return false;
}

/* --- rules --------------------------------------------------------------------------------- */

static bool lists(const json_t *rule, const char *key, const char *value) {
    const json_t *list = json_object_get(rule, key);
    return document_has_string(list, "*") || document_has_string(list, value);
}

static bool part_is(const char *part, size_t len, const char *value) {
    return (len == 1 && part[0] == '*') || (strlen(value) == len && memcmp(part, value, len) == 0);
}

/* "pods" or "pods/status"; either half may be a star. */
static bool lists_resource(const struct api_exchange *x, const json_t *rule) {
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(rule, "resources"), i, item) {
        const char *text = json_string_value(item) ? json_string_value(item) : "";
        size_t len = strcspn(text, "/");
        const char *sub = text[len] ? text + len + 1 : "";
        if (part_is(text, len, x->kind->resource->plural) &&
            part_is(sub, strlen(sub), x->request.subresource))
            return true;
    }
    return false;
}

static bool in_scope(const struct api_exchange *x, const struct subject *subject,
                     const json_t *rule) {
    const char *scope = document_string(rule, "scope");
    bool namespaced = subject->ns[0] && !is_namespace(x);
    return !scope[0] || strcmp(scope, "*") == 0 ||
           strcmp(scope, namespaced ? "Namespaced" : "Cluster") == 0;
}

static bool rule_matches(const struct api_exchange *x, const struct subject *subject,
                         const json_t *rule, const struct api_kind *kind) {
    return in_scope(x, subject, rule) && lists(rule, "operations", subject->operation) &&
           lists(rule, "apiGroups", kind->resource->group) &&
           lists(rule, "apiVersions", kind->version) && lists_resource(x, rule);
}

/* What was asked for counts first, then each rule with the other versions. */
static const struct api_kind *find_rule(const struct api_exchange *x, const struct subject *subject,
                                        const json_t *hook) {
    const struct api_resource *resource = x->kind->resource;
    size_t i;
    json_t *rule, *rules = json_object_get(hook, "rules");
    json_array_foreach(rules, i, rule) {
        if (rule_matches(x, subject, rule, x->kind))
            return x->kind;
    }
    if (strcmp(document_string(hook, "matchPolicy"), "Exact") == 0)
        return NULL;
    json_array_foreach(rules, i, rule) {
        for (size_t k = 0; k < resource->kind_count; k++) {
            if (rule_matches(x, subject, rule, &resource->kinds[k]))
                return &resource->kinds[k];
        }
    }
    return NULL;
}

const struct api_kind *admit_match(struct api_exchange *x, const struct subject *subject,
                                   const json_t *hook) {
    if (!namespace_selected(x, subject, hook) || !object_selected(subject, hook))
        return NULL;
    return find_rule(x, subject, hook);
}

/* --- conditions ---------------------------------------------------------------------------- */

static json_t *variables_of(const struct api_exchange *x, const struct subject *subject) {
    const struct api_resource *resource = x->kind->resource;
    json_t *request =
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}}", "name",
                  subject->name, "namespace", subject->ns, "operation", subject->operation,
                  "subResource", x->request.subresource, "dryRun", x->request.dry_run, "userInfo",
                  rest_user_info(&x->request), "kind", "group", resource->group, "version",
                  x->kind->version, "kind", subject->kind, "resource", "group", resource->group,
                  "version", x->kind->version, "resource", resource->plural);
    return json_pack("{s:O?, s:O?, s:o}", "object", subject->object, "oldObject", subject->old,
                     "request", request);
}

bool admit_holds(struct api_exchange *x, const struct subject *subject, const json_t *hook,
                 json_t **ret_refusal) {
    const json_t *conditions = json_object_get(hook, "matchConditions");
    json_t *variables = json_array_size(conditions) ? variables_of(x, subject) : NULL, *one;
    const char *wrong = NULL;
    bool holds = true;
    size_t i;
    json_array_foreach(conditions, i, one) {
        enum condition is = condition_judge(document_string(one, "expression"), variables);
        holds &= is == CONDITION_TRUE;
        if (is == CONDITION_FALSE)
            wrong = NULL;
        if (is == CONDITION_FALSE)
            break;
        if (is == CONDITION_ERROR)
            wrong = document_string(one, "expression");
    }
    json_decref(variables);
    if (wrong && strcmp(document_string(hook, "failurePolicy"), "Ignore") != 0) {
        char why[512];
        snprintf(why, sizeof why, "expression '%.400s' resulted in error", wrong);
        *ret_refusal = status_forbidden(x->kind->resource, subject->name, why);
    }
    return holds;
}
