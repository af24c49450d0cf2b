#include <stdlib.h>
#include <string.h>

#include "apiserver/discovery_internal.h"
#include "base/mem.h"

void discovery_put(struct discovery_maker *maker, json_t *into, const char *key, json_t *value) {
    maker->failed |= json_object_set_new(into, key, value) < 0;
}

void discovery_append(struct discovery_maker *maker, json_t *into, json_t *value) {
    maker->failed |= json_array_append_new(into, value) < 0;
}

json_t *discovery_texts(struct discovery_maker *maker, const char *const *texts) {
    json_t *list = json_array();
    for (; *texts; texts++)
        discovery_append(maker, list, json_string(*texts));
    return list;
}

/* Names */

void discovery_names_finish(struct discovery_names *names) {
    mem_free(names->items);
    *names = (struct discovery_names){0};
}

static void add_name(struct discovery_maker *maker, struct discovery_names *names,
                     const char *name) {
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return;
    if (mem_grow(&names->items, &names->cap, names->count + 1, sizeof *names->items) < 0)
        maker->failed = true;
    else
        names->items[names->count++] = name;
}

void discovery_groups(struct discovery_maker *maker, struct discovery_names *ret) {
    for (size_t i = 0; i < kinds_count(maker->kinds); i++) {
        const struct api_resource *resource = kinds_at(maker->kinds, i);
        if (resource->kind_count)
            add_name(maker, ret, resource->group);
    }
}

static int by_preference(const void *a, const void *b) {
    return kinds_compare_versions(*(const char *const *)a, *(const char *const *)b);
}

void discovery_versions(struct discovery_maker *maker, const char *group,
                        struct discovery_names *ret) {
    for (size_t i = 0; i < kinds_count(maker->kinds); i++) {
        const struct api_resource *resource = kinds_at(maker->kinds, i);
        for (size_t v = 0; v < resource->kind_count && strcmp(resource->group, group) == 0; v++)
            add_name(maker, ret, resource->kinds[v].version);
    }
    if (ret->count)
        qsort(ret->items, ret->count, sizeof *ret->items, by_preference);
}

const struct api_kind *discovery_kind(const struct api_resource *resource, const char *group,
                                      const char *version) {
    for (size_t v = 0; v < resource->kind_count && strcmp(resource->group, group) == 0; v++)
        if (strcmp(resource->kinds[v].version, version) == 0)
            return &resource->kinds[v];
    return NULL;
}

/* Verbs */

static const char *const create[] = {"create", NULL};
static const char *const get[] = {"get", NULL};
static const char *const update[] = {"update", NULL};
static const char *const modify[] = {"get", "patch", "update", NULL};

const struct discovery_subresource discovery_subresources[] = {
    {KIND_APPROVAL, "approval", NULL, NULL, NULL, modify},
    {KIND_BINDING, "binding", "", "v1", "Binding", create},
    {KIND_EVICTION, "eviction", "policy", "v1", "Eviction", create},
    {KIND_FINALIZE, "finalize", NULL, NULL, NULL, update},
    {KIND_LOG, "log", NULL, NULL, NULL, get},
    {KIND_SCALE, "scale", "autoscaling", "v1", "Scale", modify},
    {KIND_STATUS, "status", NULL, NULL, NULL, modify},
    {KIND_TOKEN, "token", "authentication.k8s.io", "v1", "TokenRequest", create},
    {0, NULL, NULL, NULL, NULL, NULL},
};

const struct discovery_subresource discovery_custom_subresources[] = {
    {KIND_STATUS, "status", NULL, NULL, NULL, modify},
    {KIND_SCALE, "scale", "autoscaling", "v1", "Scale", modify},
    {0, NULL, NULL, NULL, NULL, NULL},
};

const char *const *discovery_verbs(const struct api_resource *resource) {
    static const char *const all[] = {
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", NULL};
    static const char *const one_by_one[] = {"create", "delete", "get",   "list",
                                             "patch",  "update", "watch", NULL};
    static const char *const custom[] = {"delete", "deletecollection", "get",   "list", "patch",
                                         "create", "update",           "watch", NULL};
    if (resource->virtual_)
        return create;
    if (!resource->builtin)
        return custom;
    bool namespaces = *resource->group == '\0' && strcmp(resource->plural, "namespaces") == 0;
    return namespaces ? one_by_one : all;
}
