#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/document.h"
#include "apiserver/kinds_internal.h"
#include "base/mem.h"

/* How an entry of the registry is made from a CRD. */

struct maker {
    struct kinds *kinds;
    struct kinds_entry *entry;
    struct error *err;
    bool failed; /* an allocation did */
};

static const char *text_at(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

/* The copy stands in the entry's pool; of `other` when there is none. */
static const char *keep(struct maker *maker, const json_t *object, const char *key,
                        const char *other) {
    const char *text = text_at(object, key);
    return kinds_pool_text(&maker->entry->pool, text && *text ? text : other, &maker->failed);
}

static const char *keep_printed(struct maker *maker, char *text) {
    const char *kept = kinds_pool_text(&maker->entry->pool, text, &maker->failed);
    maker->failed |= text == NULL;
    mem_free(text);
    return kept;
}

static void read_names(struct maker *maker, const json_t *spec) {
    struct api_resource *resource = &maker->entry->resource;
    const json_t *names = json_object_get(spec, "names");
    const char *scope = text_at(spec, "scope");
    resource->group = keep(maker, spec, "group", "");
    resource->plural = keep(maker, names, "plural", "");
    resource->kind = keep(maker, names, "kind", "");
    char *lower = mem_strdup(resource->kind ? resource->kind : "");
    for (char *c = lower; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    maker->failed |= lower == NULL;
    resource->singular = keep(maker, names, "singular", lower);
    mem_free(lower);
    resource->list_kind = keep(maker, names, "listKind", NULL);
    if (resource->list_kind == NULL && resource->kind)
        resource->list_kind = keep_printed(maker, mem_printf("%sList", resource->kind));
    resource->short_names =
        kinds_pool_texts(&maker->entry->pool, json_object_get(names, "shortNames"), &maker->failed);
    resource->categories =
        kinds_pool_texts(&maker->entry->pool, json_object_get(names, "categories"), &maker->failed);
    resource->namespaced = scope && strcmp(scope, "Namespaced") == 0;
}

/* Schemas */

/* ObjectMeta as it is, with what the CRD demands of name and generateName. */
static json_t *metadata_schema(struct maker *maker, const json_t *own) {
    const json_t *asked = json_object_get(own, "properties");
    json_t *made = builtin_definition(
        maker->kinds->builtin, "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", maker->err);
    json_t *properties = json_object_get(made, "properties");
    static const char *const keys[] = {"name", "generateName"};
    for (size_t i = 0; made && i < sizeof keys / sizeof *keys; i++) {
        json_t *one = json_object_get(asked, keys[i]);
        if (one && json_object_set(properties, keys[i], one) < 0) {
            json_decref(made);
            return NULL;
        }
    }
    return made;
}

static json_t *whole_schema(struct maker *maker, const json_t *openapi) {
    json_t *made = document_share(openapi);
    json_t *own = json_object_get(openapi, "properties");
    json_t *properties = own ? document_share(own) : json_object();
    json_t *metadata = metadata_schema(maker, json_object_get(own, "metadata"));
    json_t *text = json_pack("{s:s}", "type", "string");
    if (made == NULL || json_object_set(properties, "apiVersion", text) < 0 ||
        json_object_set(properties, "kind", text) < 0 ||
        json_object_set(properties, "metadata", metadata) < 0 ||
        json_object_set(made, "properties", properties) < 0) {
        json_decref(made);
        made = NULL;
        error_set(maker->err, ERROR_NOMEM, "no memory for a schema");
    }
    json_decref(text);
    json_decref(metadata);
    json_decref(properties);
    return made;
}

static int read_schema(struct maker *maker, const json_t *version, struct api_kind *kind) {
    const json_t *openapi = json_object_get(json_object_get(version, "schema"), "openAPIV3Schema");
    if (!json_is_object(openapi))
        return 0;
    json_t *whole = whole_schema(maker, openapi);
    if (whole == NULL)
        return ERROR_NOMEM;
    kind->schema = schema_parse(whole, builtin_schema, maker->kinds->builtin, maker->err);
    json_decref(whole);
    return kind->schema ? 0 : error_prefix(maker->err, "version %s", kind->version);
}

/* Versions */

static void read_subresources(struct maker *maker, const json_t *version, struct api_kind *kind) {
    const json_t *subresources = json_object_get(version, "subresources");
    const json_t *scale = json_object_get(subresources, "scale");
    if (json_is_object(json_object_get(subresources, "status")))
        kind->subresources |= KIND_STATUS;
    if (!json_is_object(scale))
        return;
    kind->subresources |= KIND_SCALE;
    kind->scale_spec = keep(maker, scale, "specReplicasPath", NULL);
    kind->scale_status = keep(maker, scale, "statusReplicasPath", NULL);
    kind->scale_selector = keep(maker, scale, "labelSelectorPath", NULL);
}

static void read_deprecation(struct maker *maker, const json_t *version, struct api_kind *kind) {
    kind->deprecated = json_is_true(json_object_get(version, "deprecated"));
    if (!kind->deprecated)
        return;
    kind->deprecation_warning = keep(maker, version, "deprecationWarning", NULL);
    if (kind->deprecation_warning == NULL && !maker->failed)
        kind->deprecation_warning = keep_printed(
            maker, mem_printf("%s %s is deprecated", kind->api_version, kind->resource->kind));
}

static void read_selectable(struct maker *maker, const json_t *version, struct api_kind *kind) {
    const json_t *fields = json_object_get(version, "selectableFields");
    if (json_array_size(fields) == 0)
        return;
    const char **list =
        kinds_pool_zalloc(&maker->entry->pool, (json_array_size(fields) + 1) * sizeof *list);
    maker->failed |= list == NULL;
    for (size_t i = 0; list && i < json_array_size(fields); i++)
        list[i] = keep(maker, json_array_get(fields, i), "jsonPath", "");
    kind->selectable_fields = list;
}

static int read_version(struct maker *maker, const json_t *version, struct api_kind *kind) {
    const struct api_resource *resource = kind->resource = &maker->entry->resource;
    kind->version = keep(maker, version, "name", "");
    if (maker->failed)
        return ERROR_NOMEM;
    kind->api_version = keep_printed(maker, mem_printf("%s/%s", resource->group, kind->version));
    const json_t *columns = json_object_get(version, "additionalPrinterColumns");
    kind->columns = json_array_size(columns) ? columns : NULL;
    read_subresources(maker, version, kind);
    read_deprecation(maker, version, kind);
    read_selectable(maker, version, kind);
    return maker->failed ? ERROR_NOMEM : read_schema(maker, version, kind);
}

struct rank {
    int stage; /* 3: v1, 2: v1beta1, 1: v1alpha1, 0: another */
    uint64_t major, minor;
};

static uint64_t digits(const char **at) {
    uint64_t number = 0;
    while (isdigit((unsigned char)**at) && number < UINT32_MAX)
        number = number * 10 + (uint64_t)(*(*at)++ - '0');
    return number;
}

static struct rank rank_of(const char *version) {
    struct rank rank = {0};
    const char *at = version + 1;
    if (version[0] != 'v' || !isdigit((unsigned char)*at))
        return rank;
    rank.major = digits(&at);
    if (*at == '\0')
        rank.stage = 3;
    else if (strncmp(at, "beta", 4) == 0 || strncmp(at, "alpha", 5) == 0) {
        int stage = *at == 'b' ? 2 : 1;
        at += *at == 'b' ? 4 : 5;
        if (isdigit((unsigned char)*at)) {
            rank.minor = digits(&at);
            rank.stage = *at == '\0' ? stage : 0;
        }
    }
    return rank;
}

int kinds_compare_versions(const char *one, const char *other) {
    struct rank a = rank_of(one), b = rank_of(other);
    if (a.stage != b.stage)
        return a.stage > b.stage ? -1 : 1;
    if (a.stage && a.major != b.major)
        return a.major > b.major ? -1 : 1;
    if (a.stage && a.minor != b.minor)
        return a.minor > b.minor ? -1 : 1;
    return strcmp(one, other);
}

static bool is_served(const json_t *version) {
    return json_is_true(json_object_get(version, "served"));
}

/* Served ones first, preferred first. */
static int by_preference(const void *a, const void *b) {
    const json_t *one = *(const json_t *const *)a, *other = *(const json_t *const *)b;
    if (is_served(one) != is_served(other))
        return is_served(one) ? -1 : 1;
    const char *name = text_at(one, "name"), *other_name = text_at(other, "name");
    return kinds_compare_versions(name ? name : "", other_name ? other_name : "");
}

static int read_versions(struct maker *maker, const json_t *versions) {
    struct kinds_entry *entry = maker->entry;
    size_t count = json_array_size(versions);
    const json_t **sorted = kinds_pool_zalloc(&entry->pool, (count + 1) * sizeof *sorted);
    entry->kinds = kinds_pool_zalloc(&entry->pool, (count + 1) * sizeof *entry->kinds);
    if (sorted == NULL || entry->kinds == NULL)
        return ERROR_NOMEM;
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(versions, i);
    qsort(sorted, count, sizeof *sorted, by_preference);
    entry->resource.kinds = entry->resource.storage = entry->kinds;
    for (size_t i = 0; i < count; i++) {
        entry->all++;
        int rc = read_version(maker, sorted[i], &entry->kinds[i]);
        if (rc < 0)
            return rc;
        entry->resource.version_count++;
        entry->resource.differs |=
            !json_equal(json_object_get(sorted[i], "schema"), json_object_get(sorted[0], "schema"));
        if (is_served(sorted[i]))
            entry->resource.kind_count++;
        if (json_is_true(json_object_get(sorted[i], "storage")))
            entry->resource.storage = &entry->kinds[i];
    }
    return count ? 0 : error_set(maker->err, ERROR_REJECTED, "spec.versions: none");
}

struct kinds_entry *kinds_entry_crd(struct kinds *kinds, const json_t *crd, struct error *err) {
    struct maker maker = {.kinds = kinds, .entry = mem_zalloc(sizeof *maker.entry), .err = err};
    error_set(err, ERROR_NOMEM, "no memory for kinds");
    if (maker.entry == NULL)
        return NULL;
    json_t *copy = document_copy(crd);
    if (!json_equal(copy, crd)) { /* without memory, jansson leaves members out */
        json_decref(copy);
        copy = NULL;
    }
    const json_t *spec = json_object_get(copy, "spec");
    maker.entry->resource.crd = copy;
    int rc = copy ? 0 : ERROR_NOMEM;
    if (rc == 0)
        read_names(&maker, spec);
    if (rc == 0 && !maker.failed)
        rc = read_versions(&maker, json_object_get(spec, "versions"));
    if (rc == 0 && !maker.failed)
        return maker.entry;
    kinds_entry_destroy(maker.entry);
    return NULL;
}
