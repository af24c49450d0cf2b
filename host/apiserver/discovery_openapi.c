#include <stdio.h>
#include <string.h>

#include "apiserver/builtin_text.h"
#include "apiserver/discovery_internal.h"
#include "apiserver/document.h"
#include "base/mem.h"

/* OpenAPI v3: what kubectl explain, apply and diff look at. */

static const char ref_before[] = "#/components/schemas/";

/* Index */

/* Of what the document is made of, so that it is the same after a restart. */
static uint64_t hash_of(struct discovery_maker *maker, uint64_t hash, const char *group,
                        const char *version) {
    for (size_t i = 0; i < kinds_count(maker->kinds); i++) {
        const struct api_resource *resource = kinds_at(maker->kinds, i);
        if (resource->crd == NULL || !discovery_kind(resource, group, version))
            continue;
        struct strbuf buf = {0};
        char *text = json_dumps(json_object_get(resource->crd, "spec"), JSON_COMPACT);
        void (*release)(void *block) = NULL;
        json_get_alloc_funcs(NULL, &release);
        maker->failed |= text == NULL;
        strbuf_printf(&buf, "%016llx", (unsigned long long)hash);
        strbuf_adds(&buf, text ? text : "");
        hash = str_hash(strbuf_view(&buf));
        maker->failed |= buf.failed;
        strbuf_finish(&buf);
        if (text)
            release(text);
    }
    return hash;
}

json_t *discovery_openapi_index(struct discovery_maker *maker) {
    json_t *made = json_object(), *paths = json_object();
    uint64_t builtin = str_hash(str_n((const char *)builtin_text, builtin_text_len));
    struct discovery_names groups = {0};
    discovery_groups(maker, &groups);
    for (size_t i = 0; i < groups.count; i++) {
        struct discovery_names versions = {0};
        const char *group = groups.items[i];
        discovery_versions(maker, group, &versions);
        for (size_t v = 0; v < versions.count; v++) {
            char path[512], url[600];
            snprintf(path, sizeof path, "%s%s/%s", *group ? "apis/" : "api", group,
                     versions.items[v]);
            snprintf(url, sizeof url, "/openapi/v3/%s?hash=%016llX", path,
                     (unsigned long long)hash_of(maker, builtin, group, versions.items[v]));
            discovery_put(maker, paths, path, json_pack("{s:s}", "serverRelativeURL", url));
        }
        discovery_names_finish(&versions);
    }
    discovery_names_finish(&groups);
    discovery_put(maker, made, "paths", paths);
    return made;
}

/* Names of schemas */

/* "com.example.v1.Widget" for a CRD; a built-in has its definition's. */
static const char *schema_name(const struct api_kind *kind, struct strbuf *buf) {
    const struct kinds_entry *entry = (const struct kinds_entry *)kind->resource;
    if (entry->definition)
        return entry->definition;
    const char *group = kind->resource->group;
    for (size_t end = strlen(group), at = end; at > 0; at--) {
        if (at > 1 && group[at - 1] != '.')
            continue;
        size_t from = at == 1 ? 0 : at;
        strbuf_add(buf, group + from, end - from);
        strbuf_addc(buf, '.');
        end = at - 1;
    }
    strbuf_printf(buf, "%s.%s", kind->version, kind->resource->kind);
    return buf->failed ? NULL : buf->data;
}

static json_t *reference(const char *name) {
    return json_pack("{s:s+}", "$ref", ref_before, name);
}

/* Paths */

static const char *const none[] = {NULL};
static const char *const lists[] = {
    "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch", NULL};
static const char *const writes[] = {"dryRun", "fieldManager", "fieldValidation", NULL};
static const char *const patches[] = {"dryRun", "fieldManager", "fieldValidation", "force", NULL};
static const char *const deletes[] = {"dryRun", "gracePeriodSeconds", "propagationPolicy", NULL};

static const struct operation {
    const char *method, *action;
    bool named; /* on one object */
    const char *const *parameters;
} operations[] = {
    {"get", "list", false, lists},     {"post", "post", false, writes},
    {"get", "get", true, none},        {"put", "put", true, writes},
    {"patch", "patch", true, patches}, {"delete", "delete", true, deletes},
};

static json_t *gvk_of(const struct api_kind *kind) {
    return json_pack("{s:s,s:s,s:s}", "group", kind->resource->group, "version", kind->version,
                     "kind", kind->resource->kind);
}

static json_t *query(const char *name) {
    const char *type = strcmp(name, "force") == 0 || strcmp(name, "watch") == 0 ? "boolean"
                       : strcmp(name, "limit") == 0 || strcmp(name, "gracePeriodSeconds") == 0
                           ? "integer"
                           : "string";
    return json_pack("{s:s,s:s,s:{s:s}}", "name", name, "in", "query", "schema", "type", type);
}

static json_t *body_of(struct discovery_maker *maker, const struct api_kind *kind,
                       const struct operation *operation, const char *name) {
    static const char *const types[] = {
        "application/apply-patch+yaml", "application/json-patch+json",
        "application/merge-patch+json", "application/strategic-merge-patch+json"};
    json_t *content = json_object();
    if (strcmp(operation->action, "patch") != 0)
        discovery_put(maker, content, "application/json",
                      json_pack("{s:o}", "schema", reference(name)));
    else /* strategic merge is for built-ins alone */
        for (size_t i = 0; i < (kind->resource->builtin ? 4 : 3); i++)
            discovery_put(maker, content, types[i], json_object());
    json_t *made = json_object();
    discovery_put(maker, made, "content", content);
    return made;
}

static json_t *describe(struct discovery_maker *maker, const struct api_kind *kind,
                        const struct operation *operation, const char *name) {
    json_t *made = json_pack("{s:s,s:{s:{s:s}}}", "x-kubernetes-action", operation->action,
                             "responses", "200", "description", "OK");
    json_t *parameters = json_array();
    for (const char *const *one = operation->parameters; *one; one++)
        discovery_append(maker, parameters, query(*one));
    discovery_put(maker, made, "parameters", parameters);
    discovery_put(maker, made, "x-kubernetes-group-version-kind", gvk_of(kind));
    if (operation->parameters == writes || operation->parameters == patches)
        discovery_put(maker, made, "requestBody", body_of(maker, kind, operation, name));
    return made;
}

static void add_path(struct discovery_maker *maker, json_t *paths, const struct api_kind *kind,
                     bool named, const char *name) {
    const struct api_resource *resource = kind->resource;
    json_t *made = json_object();
    char path[1024];
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (operations[i].named == named &&
            (!resource->virtual_ || strcmp(operations[i].action, "post") == 0))
            discovery_put(maker, made, operations[i].method,
                          describe(maker, kind, &operations[i], name));
    snprintf(path, sizeof path, "/%s/%s/%s%s%s", *resource->group ? "apis" : "api",
             kind->api_version, resource->namespaced ? "namespaces/{namespace}/" : "",
             resource->plural, named ? "/{name}" : "");
    discovery_put(maker, paths, path, made);
}

/* Schemas */

/* Beside a reference, nothing else counts in OpenAPI; so it moves into an allOf. */
static void wrap_references(struct discovery_maker *maker, json_t *schema) {
    json_t *value;
    const char *key;
    size_t i;
    if (json_is_array(schema))
        json_array_foreach(schema, i, value) wrap_references(maker, value);
    if (!json_is_object(schema))
        return;
    json_object_foreach(schema, key, value) wrap_references(maker, value);
    json_t *ref = json_object_get(schema, "$ref");
    if (!json_is_string(ref) || json_object_size(schema) == 1)
        return;
    discovery_put(maker, schema, "allOf", json_pack("[{s:O}]", "$ref", ref));
    json_object_del(schema, "$ref");
}

struct collection {
    struct discovery_maker *maker;
    json_t *schemas;
};

static int collect(void *context, const char *name, struct error *err) {
    struct collection *collection = context;
    if (json_object_get(collection->schemas, name))
        return 0;
    json_t *definition = builtin_definition(collection->maker->kinds->builtin, name, err);
    wrap_references(collection->maker, definition);
    discovery_put(collection->maker, collection->schemas, name, definition);
    return 0;
}

static void add_builtin(struct discovery_maker *maker, json_t *schemas, const char *name) {
    struct collection collection = {.maker = maker, .schemas = schemas};
    maker->failed |= builtin_closure(maker->kinds->builtin, name, collect, &collection, NULL) < 0;
}

static const json_t *version_of(const json_t *crd, const char *version) {
    const json_t *versions = json_object_get(json_object_get(crd, "spec"), "versions"), *one;
    size_t i;
    json_array_foreach(versions, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && strcmp(name, version) == 0)
            return one;
    }
    return NULL;
}

static void add_custom(struct discovery_maker *maker, json_t *schemas, const struct api_kind *kind,
                       const char *name) {
    static const char metadata[] = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    const json_t *version = version_of(kind->resource->crd, kind->version);
    const json_t *openapi = json_object_get(json_object_get(version, "schema"), "openAPIV3Schema");
    json_t *made = openapi ? document_share(openapi) : json_pack("{s:s}", "type", "object");
    json_t *own = json_object_get(openapi, "properties");
    json_t *properties = own ? document_share(own) : json_object();
    discovery_put(maker, properties, "apiVersion", json_pack("{s:s}", "type", "string"));
    discovery_put(maker, properties, "kind", json_pack("{s:s}", "type", "string"));
    discovery_put(maker, properties, "metadata",
                  json_pack("{s:[o]}", "allOf", reference(metadata)));
    discovery_put(maker, made, "properties", properties);
    discovery_put(maker, made, "x-kubernetes-group-version-kind", json_pack("[o]", gvk_of(kind)));
    discovery_put(maker, schemas, name, made);
    add_builtin(maker, schemas, metadata);
}

json_t *discovery_openapi(struct discovery_maker *maker, const char *group, const char *version) {
    json_t *made = json_pack("{s:s,s:{s:s,s:s}}", "openapi", "3.0.0", "info", "title", "Kubernetes",
                             "version", DISCOVERY_VERSION);
    json_t *paths = json_object(), *schemas = json_object();
    for (size_t i = 0; i < kinds_count(maker->kinds) && !maker->failed; i++) {
        struct strbuf buf = {0};
        const struct api_kind *kind = discovery_kind(kinds_at(maker->kinds, i), group, version);
        const char *name = kind ? schema_name(kind, &buf) : NULL;
        maker->failed |= kind && name == NULL;
        if (name) {
            add_path(maker, paths, kind, /* named= */ false, name);
            if (!kind->resource->virtual_)
                add_path(maker, paths, kind, /* named= */ true, name);
            if (kind->resource->builtin)
                add_builtin(maker, schemas, name);
            else
                add_custom(maker, schemas, kind, name);
        }
        strbuf_finish(&buf);
    }
    discovery_put(maker, made, "paths", paths);
    discovery_put(maker, made, "components", json_pack("{s:o}", "schemas", schemas));
    return made;
}
