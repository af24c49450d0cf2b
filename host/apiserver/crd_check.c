#include "apiserver/crd.h"

#include <ctype.h>
#include <string.h>

#include "apiserver/crd_internal.h"
#include "apiserver/dns.h"

/* Paths */

const char *crd_at(struct crd_check *check, const char *format, ...) {
    va_list args;
    strbuf_clear(&check->place);
    strbuf_add(&check->place, check->path.data ? check->path.data : "", check->path.len);
    va_start(args, format);
    strbuf_vprintf(&check->place, format, args);
    va_end(args);
    return check->place.data ? check->place.data : "";
}

size_t crd_push(struct crd_check *check, const char *format, ...) {
    size_t before = check->path.len;
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&check->path, format, args);
    va_end(args);
    return before;
}

void crd_pop(struct crd_check *check, size_t before) {
    strbuf_cut(&check->path, before);
}

/* Names */

static void check_label(struct crd_check *check, const char *place, const char *name) {
    const char *fault = dns_check_1035_label(str_of(name));
    if (fault)
        cause_invalid_text(&check->causes, place, name, "%s", fault);
}

static void check_kind(struct crd_check *check, const char *place, const char *kind) {
    char lower[64];
    size_t len = strlen(kind);
    for (size_t i = 0; i < len && i < sizeof lower; i++)
        lower[i] = (char)tolower((unsigned char)kind[i]);
    const char *fault = dns_check_1035_label(str_n(lower, len));
    if (fault)
        cause_invalid_text(&check->causes, place, kind,
                           "may have mixed case, but should otherwise match: %s", fault);
}

static void check_labels(struct crd_check *check, const json_t *names, const char *key) {
    json_t *name;
    size_t i;
    json_array_foreach(json_object_get(names, key), i, name) if (json_is_string(name))
        check_label(check, crd_at(check, ".%s[%zu]", key, i), json_string_value(name));
}

static void check_names(struct crd_check *check, const json_t *names) {
    static const char *const required[] = {"plural", "singular", "kind", "listKind"};
    const char *kind = crd_text(names, "kind");
    size_t before = crd_push(check, ".names");
    for (size_t i = 0; i < 4; i++)
        if (!*crd_text(names, required[i]))
            cause_required(&check->causes, crd_at(check, ".%s", required[i]), "");
    for (size_t i = 0; i < 4; i++) {
        const char *name = crd_text(names, required[i]), *place = crd_at(check, ".%s", required[i]);
        if (*name && i < 2)
            check_label(check, place, name);
        else if (*name)
            check_kind(check, place, name);
    }
    check_labels(check, names, "shortNames");
    if (*kind && strcmp(kind, crd_text(names, "listKind")) == 0)
        cause_invalid_text(&check->causes, crd_at(check, ".listKind"), kind,
                           "kind and listKind may not be the same");
    check_labels(check, names, "categories");
    crd_pop(check, before);
}

static void check_metadata(struct crd_check *check, const json_t *crd, const json_t *spec) {
    const char *name = crd_text(json_object_get(crd, "metadata"), "name");
    const char *plural = crd_text(json_object_get(spec, "names"), "plural");
    const char *group = crd_text(spec, "group"), *fault = dns_check_1123_subdomain(str_of(name));
    size_t len = strlen(plural);
    if (fault)
        cause_invalid_text(&check->causes, "metadata.name", name, "%s", fault);
    if (strncmp(name, plural, len) != 0 || name[len] != '.' || strcmp(name + len + 1, group) != 0)
        cause_invalid_text(&check->causes, "metadata.name", name,
                           "must be spec.names.plural+\".\"+spec.group");
}

static void check_group(struct crd_check *check, const char *group) {
    const char *fault = dns_check_1123_subdomain(str_of(group));
    if (!*group)
        cause_required(&check->causes, crd_at(check, ".group"), "");
    else if (fault)
        cause_invalid_text(&check->causes, crd_at(check, ".group"), group, "%s", fault);
    else if (!strchr(group, '.'))
        cause_invalid_text(&check->causes, crd_at(check, ".group"), group,
                           "should be a domain with at least one dot");
}

static void check_one_of(struct crd_check *check, const json_t *object, const char *key,
                         const char *one, const char *other) {
    const char *text = crd_text(object, key);
    if (!*text) {
        cause_required(&check->causes, crd_at(check, ".%s", key), "");
    } else if (strcmp(text, one) != 0 && strcmp(text, other) != 0) {
        json_t *supported = json_pack("[s, s]", one, other);
        if (supported == NULL)
            check->causes.failed = true;
        cause_unsupported(&check->causes, crd_at(check, ".%s", key), json_object_get(object, key),
                          supported);
        json_decref(supported);
    }
}

/* Versions. What all of them have alike is checked once, as the spec's own. */

static const json_t *schema_of(const json_t *version) {
    return crd_member(crd_member(version, "schema"), "openAPIV3Schema");
}

static bool is_shared(const json_t *versions, const char *key) {
    const json_t *first = crd_member(json_array_get(versions, 0), key);
    json_t *version;
    size_t i;
    json_array_foreach(versions, i, version) {
        const json_t *value = crd_member(version, key);
        if (value != first && !json_equal(value, first))
            return false;
    }
    return true;
}

static void check_version_schema(struct crd_check *check, const json_t *version,
                                 const char *under) {
    bool status = crd_member(crd_member(version, "subresources"), "status") != NULL;
    size_t before = crd_push(check, "%s.openAPIV3Schema", under);
    if (schema_of(version))
        crd_check_schema(check, schema_of(version), status);
    crd_pop(check, before);
}

static void check_deprecation(struct crd_check *check, const json_t *version) {
    const json_t *warning = crd_member(version, "deprecationWarning");
    const char *place = crd_at(check, ".deprecationWarning");
    if (warning == NULL)
        return;
    if (!crd_flag(version, "deprecated"))
        cause_invalid(&check->causes, place, warning, "can only be set for deprecated versions");
    else if (json_string_length(warning) > 256)
        cause_invalid(&check->causes, place, warning, "must be <= 256 characters long");
    else if (json_string_length(warning) == 0)
        cause_invalid(&check->causes, place, warning, "must not be an empty string");
}

static void check_version(struct crd_check *check, const json_t *versions, size_t index) {
    const json_t *version = json_array_get(versions, index);
    size_t before = crd_push(check, ".versions[%zu]", index);
    check_label(check, crd_at(check, ".name"), crd_text(version, "name"));
    check_deprecation(check, version);
    if (!is_shared(versions, "schema"))
        check_version_schema(check, version, ".schema");
    if (!is_shared(versions, "subresources"))
        crd_check_subresources(check, version);
    if (!is_shared(versions, "additionalPrinterColumns"))
        crd_check_columns(check, version);
    if (!is_shared(versions, "selectableFields"))
        crd_check_selectable(check, version);
    crd_pop(check, before);
}

static void check_shared(struct crd_check *check, const json_t *versions) {
    const json_t *first = json_array_get(versions, 0);
    if (is_shared(versions, "schema"))
        check_version_schema(check, first, ".validation");
    if (is_shared(versions, "subresources"))
        crd_check_subresources(check, first);
    if (is_shared(versions, "additionalPrinterColumns"))
        crd_check_columns(check, first);
    if (is_shared(versions, "selectableFields"))
        crd_check_selectable(check, first);
}

static bool has_version(const json_t *versions, const char *name, size_t before) {
    for (size_t i = 0; i < before && i < json_array_size(versions); i++)
        if (strcmp(crd_text(json_array_get(versions, i), "name"), name) == 0)
            return true;
    return false;
}

/* The list without what makes it long. */
static void add_to_versions(struct crd_check *check, const json_t *versions, const char *fault) {
    json_t *brief = json_array(), *version;
    size_t i;
    json_array_foreach(versions, i, version)
        json_array_append_new(brief, json_pack("{s:s, s:b, s:b}", "name", crd_text(version, "name"),
                                               "served", (int)crd_flag(version, "served"),
                                               "storage", (int)crd_flag(version, "storage")));
    if (json_array_size(brief) != json_array_size(versions))
        check->causes.failed = true;
    cause_invalid(&check->causes, crd_at(check, ".versions"), brief, "%s", fault);
    json_decref(brief);
}

static void check_versions(struct crd_check *check, const json_t *versions) {
    size_t stored = 0, repeated = 0, count = json_array_size(versions);
    for (size_t i = 0; i < count; i++)
        if (schema_of(json_array_get(versions, i)) == NULL)
            cause_required(&check->causes,
                           crd_at(check, ".versions[%zu].schema.openAPIV3Schema", i), "");
    for (size_t i = 0; i < count; i++) {
        const json_t *version = json_array_get(versions, i);
        stored += crd_flag(version, "storage");
        repeated += has_version(versions, crd_text(version, "name"), i);
        check_version(check, versions, i);
    }
    if (count > 0) /* the server knows the first one twice */
        check_label(check, crd_at(check, ".version"),
                    crd_text(json_array_get(versions, 0), "name"));
    if (repeated > 0)
        add_to_versions(check, versions, "must contain unique version names");
    if (stored != 1)
        add_to_versions(check, versions, "must have exactly one version marked as storage version");
}

static void check_stored_versions(struct crd_check *check, const json_t *crd,
                                  const json_t *versions) {
    const json_t *stored = crd_member(crd_member(crd, "status"), "storedVersions");
    json_t *name;
    size_t i;
    if (json_array_size(stored) == 0) {
        cause_invalid(&check->causes, "status.storedVersions", json_null(),
                      "must have at least one stored version");
    }
    json_array_foreach(stored, i, name) {
        const char *text = json_string_value(name);
        size_t before;
        if (text == NULL || has_version(versions, text, SIZE_MAX))
            continue;
        before = check->path.len;
        crd_pop(check, 0);
        cause_invalid(&check->causes, crd_at(check, "status.storedVersions[%zu]", i), name,
                      "missing from spec.versions; %s was previously a storage version, and must "
                      "remain in spec.versions until a storage migration ensures no data remains "
                      "persisted in %s and removes %s from status.storedVersions",
                      text, text, text);
        crd_pop(check, before);
    }
}

/* What may not change, and what is protected */

static void check_same(struct crd_check *check, const char *place, const json_t *value,
                       const json_t *old) {
    if (value != old && !json_equal(value, old))
        cause_invalid(&check->causes, place, value, "field is immutable");
}

static void check_update(struct crd_check *check, const json_t *crd, const json_t *old) {
    const json_t *spec = json_object_get(crd, "spec"), *before = json_object_get(old, "spec");
    const json_t *names = json_object_get(spec, "names"), *named = json_object_get(before, "names");
    if (crd_is_established(old)) {
        check_same(check, "spec.scope", json_object_get(spec, "scope"),
                   json_object_get(before, "scope"));
        check_same(check, "spec.names.kind", json_object_get(names, "kind"),
                   json_object_get(named, "kind"));
    }
    check_same(check, "spec.group", json_object_get(spec, "group"),
               json_object_get(before, "group"));
    check_same(check, "spec.names.plural", json_object_get(names, "plural"),
               json_object_get(named, "plural"));
}

static const char *approval_of(const json_t *crd) {
    return crd_text(json_object_get(json_object_get(crd, "metadata"), "annotations"),
                    "api-approved.kubernetes.io");
}

static void check_approval(struct crd_check *check, const json_t *crd, const json_t *old) {
    static const char place[] = "metadata.annotations[api-approved.kubernetes.io]";
    static const char where[] = "see https://github.com/kubernetes/enhancements/pull/1111";
    struct str group = str_of(crd_text(json_object_get(crd, "spec"), "group"));
    const char *approval = approval_of(crd);
    bool guarded = str_is(group, "k8s.io") || str_ends_with(group, ".k8s.io") ||
                   str_is(group, "kubernetes.io") || str_ends_with(group, ".kubernetes.io");
    if (!guarded || (old && strcmp(approval, approval_of(old)) == 0) ||
        strncmp(approval, "unapproved", 10) == 0 || strstr(approval, "://"))
        return;
    if (!*approval) {
        struct strbuf detail = {0};
        strbuf_printf(&detail,
                      "protected groups must have approval annotation "
                      "\"api-approved.kubernetes.io\", %s",
                      where);
        cause_required(&check->causes, place, detail.data ? detail.data : "");
        check->causes.failed = check->causes.failed || detail.failed;
        strbuf_finish(&detail);
    } else {
        cause_invalid_text(&check->causes, place, approval,
                           "protected groups must have approval annotation "
                           "\"api-approved.kubernetes.io\" with either a URL or a reason starting "
                           "with \"unapproved\", %s",
                           where);
    }
}

static void check_spec(struct crd_check *check, const json_t *spec, const json_t *versions) {
    check_group(check, crd_text(spec, "group"));
    check_one_of(check, spec, "scope", "Cluster", "Namespaced");
    check_versions(check, versions);
    check_names(check, json_object_get(spec, "names"));
    check_shared(check, versions);
    crd_check_conversion(check, crd_member(spec, "conversion"));
}

int crd_check(const json_t *crd, const json_t *old, bool ignore_rules, json_t *causes,
              struct error *err) {
    struct crd_check check = {.causes = {.list = causes}, .ignore_rules = ignore_rules};
    const json_t *spec = json_object_get(crd, "spec");
    const json_t *versions = json_object_get(spec, "versions");
    if (old == NULL)
        check_metadata(&check, crd, spec);
    crd_push(&check, "spec");
    if (!old || !json_equal(spec, json_object_get(old, "spec")))
        check_spec(&check, spec, versions);
    if (old)
        check_update(&check, crd, old);
    check_stored_versions(&check, crd, versions);
    check_approval(&check, crd, old);
    if (crd_flag(spec, "preserveUnknownFields"))
        cause_invalid(&check.causes, "spec.preserveUnknownFields",
                      json_object_get(spec, "preserveUnknownFields"),
                      "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                      "spec.versions[*].schema instead");
    bool failed = check.causes.failed || check.path.failed || check.place.failed;
    strbuf_finish(&check.path);
    strbuf_finish(&check.place);
    return failed ? error_set(err, ERROR_NOMEM, "no memory to check a CRD") : 0;
}
