#include "addon/registration.h"

#include <jansson.h>
#include <string.h>

#include "addon/rules.h"
#include "base/mem.h"
#include "kube/base64.h"

/* NULL anywhere means no memory: jansson's _new functions take NULL and fail. */

int registration_check_service(const char *service, struct error *err) {
    const char *slash = strchr(service, '/'), *colon = strchr(service, ':');
    int64_t port = 443;
    bool fine = slash && slash != service && slash[1] && slash[1] != ':';
    if (fine && colon)
        fine = colon > slash && str_to_int64(str_of(colon + 1), &port) && port > 0 && port < 65536;
    return fine ? 0
                : error_set(err, ERROR_INVALID,
                            "\"%s\" is not a Service, written namespace/name or "
                            "namespace/name:port",
                            service);
}

char *registration_name(const struct definition *definition) {
    return mem_printf("moonlet-%s", definition->name);
}

static json_t *service_ref(const char *service, const char *path) {
    const char *slash = strchr(service, '/'), *colon = strchr(service, ':');
    int64_t port = 443;
    size_t len = colon ? (size_t)(colon - slash - 1) : strlen(slash + 1);
    if (colon)
        str_to_int64(str_of(colon + 1), &port);
    return json_pack("{s:s%, s:s%, s:s, s:I}", "namespace", service, (size_t)(slash - service),
                     "name", slash + 1, len, "path", path, "port", (json_int_t)port);
}

static json_t *ca_bundle(const struct registration_endpoint *endpoint) {
    struct strbuf text = {0};
    if (endpoint->ca == NULL)
        return NULL;
    base64_encode(&text, endpoint->ca, strlen(endpoint->ca));
    json_t *value = text.failed ? NULL : json_string(text.data);
    strbuf_finish(&text);
    return value;
}

static json_t *client_config(const struct registration_endpoint *endpoint, const char *path) {
    json_t *config = json_object();
    if (endpoint->url) {
        CLEANUP(mem_freep) char *url = mem_printf("%s%s", endpoint->url, path);
        json_object_set_new(config, "url", url ? json_string(url) : NULL);
    } else {
        json_object_set_new(config, "service", service_ref(endpoint->service, path));
    }
    if (endpoint->ca)
        json_object_set_new(config, "caBundle", ca_bundle(endpoint));
    return config;
}

static int dump(json_t *value, struct strbuf *out, struct error *err) {
    char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (text)
        strbuf_adds(out, text);
    bool failed = text == NULL || out->failed;
    free(text);
    return failed ? error_set(err, ERROR_NOMEM, "no memory for a webhook configuration") : 0;
}

int registration_client_config(const struct registration_endpoint *endpoint, const char *path,
                               struct strbuf *out) {
    return dump(client_config(endpoint, path), out, NULL);
}

static json_t *texts(char *const *list) {
    json_t *array = json_array();
    for (; list && *list; list++)
        json_array_append_new(array, json_string(*list));
    return array;
}

/* The declared selector, and never the namespace this host lives in. */
static json_t *namespace_selector(const struct webhook *webhook,
                                  const struct registration_endpoint *endpoint) {
    json_t *selector = webhook->namespace_selector
                           ? json_loads(webhook->namespace_selector, 0, NULL)
                           : json_object();
    if (selector == NULL || endpoint->exclude == NULL)
        return selector;
    if (json_object_get(selector, "matchExpressions") == NULL)
        json_object_set_new(selector, "matchExpressions", json_array());
    json_array_append_new(json_object_get(selector, "matchExpressions"),
                          json_pack("{s:s, s:s, s:[s]}", "key", "kubernetes.io/metadata.name",
                                    "operator", "NotIn", "values", endpoint->exclude));
    return selector;
}

/* ["pods"], or ["pods/status", ...] */
static json_t *resources(const struct declaration *declaration, const struct webhook *webhook) {
    bool namespaced, known;
    const struct kind_match *match = &webhook->resource;
    CLEANUP(mem_freep)
    char *plural = webhook->plural ? mem_strdup(webhook->plural)
                                   : kind_plural(declaration, match->api_version, match->kind_name,
                                                 &namespaced, &known);
    json_t *list = json_array();
    if (plural && webhook->subresources == NULL)
        json_array_append_new(list, json_string(plural));
    for (char **one = webhook->subresources; plural && one && *one; one++)
        json_array_append_new(list, json_sprintf("%s/%s", plural, *one));
    return list;
}

static json_t *rule(const struct declaration *declaration, const struct webhook *webhook) {
    const char *api_version = webhook->resource.api_version, *slash = strchr(api_version, '/');
    return json_pack("{s:[s%], s:[s], s:o, s:o, s:s}", "apiGroups", slash ? api_version : "",
                     slash ? (size_t)(slash - api_version) : (size_t)0, "apiVersions",
                     slash ? slash + 1 : api_version, "operations", texts(webhook->operations),
                     "resources", resources(declaration, webhook), "scope", "*");
}

static json_t *conditions(const struct webhook *webhook) {
    json_t *list = webhook->condition_count ? json_array() : NULL;
    for (size_t i = 0; i < webhook->condition_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", webhook->conditions[i].name,
                                              "expression", webhook->conditions[i].expression));
    return list;
}

/* Every entry needs a name of its own, with three parts at least. */
static json_t *entry_name(const struct definition *definition, size_t number) {
    return number ? json_sprintf("%s-%zu.moonlet.dev", definition->name, number + 1)
                  : json_sprintf("%s.moonlet.dev", definition->name);
}

static json_t *write_webhook(const struct declaration *declaration,
                             const struct definition *definition, const struct webhook *webhook,
                             const struct registration_endpoint *endpoint, size_t number) {
    CLEANUP(mem_freep)
    char *path = mem_printf("/%s/%s", webhook->validates ? "validate" : "mutate", definition->name);
    json_t *objects =
        webhook->object_selector ? json_loads(webhook->object_selector, 0, NULL) : json_object();
    return json_pack(
        "{s:o, s:o, s:[o], s:s, s:s, s:s, s:i, s:[s,s], s:o, s:o, s:o*, s:s*}", "name",
        entry_name(definition, number), "clientConfig", path ? client_config(endpoint, path) : NULL,
        "rules", rule(declaration, webhook), "failurePolicy", webhook->ignore ? "Ignore" : "Fail",
        "matchPolicy", "Equivalent", "sideEffects", "None", "timeoutSeconds",
        (int)webhook->timeout_s, "admissionReviewVersions", "v1", "v1beta1", "namespaceSelector",
        namespace_selector(webhook, endpoint), "objectSelector", objects, "matchConditions",
        conditions(webhook), "reinvocationPolicy",
        webhook->validates  ? NULL
        : webhook->reinvoke ? "IfNeeded"
                            : "Never");
}

static json_t *bundle_of(const struct definition *definition,
                         const struct registration_endpoint *endpoint, size_t number) {
    return json_pack("{s:o, s:{s:o*}}", "name", entry_name(definition, number), "clientConfig",
                     "caBundle", ca_bundle(endpoint));
}

/* The configuration around the entries; takes them. Returns how many there are. */
static int finish_configuration(const struct definition *definition, bool validating,
                                json_t *webhooks, json_t *labels, struct strbuf *out,
                                struct error *err) {
    int count = (int)json_array_size(webhooks);
    if (count == 0) {
        json_decref(webhooks);
        json_decref(labels);
        return 0;
    }
    json_t *root = json_pack(
        "{s:s, s:s, s:{s:o, s:o*}, s:o}", "apiVersion", "admissionregistration.k8s.io/v1", "kind",
        validating ? "ValidatingWebhookConfiguration" : "MutatingWebhookConfiguration", "metadata",
        "name", json_sprintf("moonlet-%s", definition->name), "labels", labels, "webhooks",
        webhooks);
    return dump(root, out, err) < 0 ? ERROR_NOMEM : count;
}

int registration_write(const struct declaration *declaration, const struct definition *definition,
                       bool validating, const struct registration_endpoint *endpoint,
                       struct strbuf *out, struct error *err) {
    json_t *webhooks = json_array();
    json_t *labels = json_pack("{s:s, s:s}", "app.kubernetes.io/managed-by", "moonlet",
                               REGISTRATION_INSTANCE, endpoint->instance);
    for (size_t i = 0; i < definition->webhook_count; i++) {
        const struct webhook *webhook = &definition->webhooks[i];
        if (webhook->validates == validating &&
            json_array_append_new(webhooks, write_webhook(declaration, definition, webhook,
                                                          endpoint, json_array_size(webhooks))) < 0)
            out->failed = true;
    }
    int count = finish_configuration(definition, validating, webhooks, labels, out, err);
    return out->failed ? error_set(err, ERROR_NOMEM, "no memory for a configuration") : count;
}

int registration_write_bundle(const struct definition *definition, bool validating,
                              const struct registration_endpoint *endpoint, struct strbuf *out,
                              struct error *err) {
    json_t *webhooks = json_array();
    for (size_t i = 0; i < definition->webhook_count; i++)
        if (definition->webhooks[i].validates == validating)
            json_array_append_new(webhooks,
                                  bundle_of(definition, endpoint, json_array_size(webhooks)));
    return finish_configuration(definition, validating, webhooks, NULL, out, err);
}

int registration_crd(const struct declared_crd *crd, const struct registration_endpoint *endpoint,
                     struct strbuf *out, struct error *err) {
    json_t *root = json_loads(crd->json, 0, NULL);
    json_t *conversion = json_object_get(json_object_get(root, "spec"), "conversion");
    CLEANUP(mem_freep) char *path = mem_printf("/convert/%s", crd->name);
    if (path && crd->converts)
        json_object_set_new(json_object_get(conversion, "webhook"), "clientConfig",
                            client_config(endpoint, path));
    return dump(root, out, err);
}
