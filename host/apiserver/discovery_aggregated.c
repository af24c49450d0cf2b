#include <string.h>

#include "apiserver/discovery_internal.h"

/* Aggregated discovery, apidiscovery.k8s.io/v2: all groups, versions and resources at once. */

/* The real server says group and version only where they are not the list's, or of CRDs. */
static json_t *response_kind(const char *group, const char *version, const char *kind) {
    return json_pack("{s:s,s:s,s:s}", "group", group, "version", version, "kind", kind);
}

static json_t *own_kind(const struct api_kind *kind) {
    const struct api_resource *resource = kind->resource;
    return response_kind(resource->builtin ? "" : resource->group,
                         resource->builtin ? "" : kind->version, resource->kind);
}

static json_t *one_subresource(struct discovery_maker *maker, const struct api_kind *kind,
                               const struct discovery_subresource *sub) {
    json_t *made = json_pack("{s:s}", "subresource", sub->name);
    bool foreign = sub->kind && *sub->group;
    discovery_put(maker, made, "responseKind",
                  sub->kind ? response_kind(sub->group, foreign ? sub->version : "", sub->kind)
                            : own_kind(kind));
    discovery_put(maker, made, "verbs", discovery_texts(maker, sub->verbs));
    return made;
}

static json_t *one_resource(struct discovery_maker *maker, const struct api_kind *kind) {
    const struct api_resource *resource = kind->resource;
    json_t *made = json_pack("{s:s}", "resource", resource->plural), *subs = json_array();
    discovery_put(maker, made, "responseKind", own_kind(kind));
    discovery_put(maker, made, "scope",
                  json_string(resource->namespaced ? "Namespaced" : "Cluster"));
    discovery_put(maker, made, "singularResource", json_string(resource->singular));
    discovery_put(maker, made, "verbs", discovery_texts(maker, discovery_verbs(resource)));
    if (resource->short_names[0])
        discovery_put(maker, made, "shortNames", discovery_texts(maker, resource->short_names));
    if (resource->categories[0])
        discovery_put(maker, made, "categories", discovery_texts(maker, resource->categories));
    for (const struct discovery_subresource *sub = discovery_subresources; sub->bit; sub++)
        if (kind->subresources & sub->bit)
            discovery_append(maker, subs, one_subresource(maker, kind, sub));
    if (json_array_size(subs))
        discovery_put(maker, made, "subresources", subs);
    else
        json_decref(subs);
    return made;
}

static json_t *one_version(struct discovery_maker *maker, const char *group, const char *version) {
    json_t *made = json_pack("{s:s}", "version", version), *resources = json_array();
    for (size_t i = 0; i < kinds_count(maker->kinds); i++) {
        const struct api_kind *kind = discovery_kind(kinds_at(maker->kinds, i), group, version);
        if (kind)
            discovery_append(maker, resources, one_resource(maker, kind));
    }
    discovery_put(maker, made, "resources", resources);
    discovery_put(maker, made, "freshness", json_string("Current"));
    return made;
}

static json_t *one_group(struct discovery_maker *maker, const char *group) {
    json_t *made = json_object(), *metadata = json_object(), *list = json_array();
    struct discovery_names versions = {0};
    if (*group)
        discovery_put(maker, metadata, "name", json_string(group));
    discovery_versions(maker, group, &versions);
    for (size_t i = 0; i < versions.count; i++)
        discovery_append(maker, list, one_version(maker, group, versions.items[i]));
    discovery_names_finish(&versions);
    discovery_put(maker, made, "metadata", metadata);
    discovery_put(maker, made, "versions", list);
    return made;
}

json_t *discovery_aggregated(struct discovery_maker *maker, bool core) {
    json_t *made = json_pack("{s:s,s:s,s:{}}", "kind", "APIGroupDiscoveryList", "apiVersion",
                             "apidiscovery.k8s.io/v2", "metadata");
    json_t *items = json_array();
    struct discovery_names groups = {0};
    discovery_groups(maker, &groups);
    for (size_t i = 0; i < groups.count; i++)
        if ((*groups.items[i] == '\0') == core)
            discovery_append(maker, items, one_group(maker, groups.items[i]));
    discovery_names_finish(&groups);
    discovery_put(maker, made, "items", items);
    return made;
}
