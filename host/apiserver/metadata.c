#include "apiserver/metadata.h"

#include <string.h>

#include "apiserver/names.h"
#include "apiserver/rules.h"

enum { MAX_ANNOTATIONS = 256 * 1024 };

int metadata_fill(struct apiserver *server, json_t *object) {
    static const char *const system[] = {"deletionTimestamp", "deletionGracePeriodSeconds",
                                         "selfLink"};
    char time[CLOCK_TEXT], uid[40];
    json_t *metadata = document_metadata(object);
    if (metadata == NULL)
        return ERROR_NOMEM;
    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        json_object_del(metadata, system[i]);
    server_time(server, time);
    server_uid(server, uid);
    int rc = document_set_meta(object, "uid", uid);
    return rc | document_set_meta(object, "creationTimestamp", time);
}

int metadata_name(struct apiserver *server, json_t *object) {
    char name[NAME_GENERATED];
    const char *base = document_meta(object, "generateName");
    if (document_meta(object, "name")[0] || !base[0])
        return 0;
    name_generate(&server->rng, base, name);
    return document_set_meta(object, "name", name);
}

int metadata_keep(json_t *now, const json_t *old) {
    static const char *const kept[] = {"creationTimestamp", "deletionTimestamp"};
    json_t *to = document_metadata(now), *from = json_object_get(old, "metadata");
    int rc = to ? 0 : ERROR_NOMEM;
    for (size_t i = 0; rc == 0 && i < sizeof kept / sizeof *kept; i++)
        rc = document_copy_member(to, from, kept[i]);
    if (rc == 0)
        rc = document_copy_member(to, from, "generation");
    if (rc == 0 && document_empty(json_object_get(to, "uid")))
        rc = document_copy_member(to, from, "uid");
    if (rc == 0 && (!metadata_deleting(old) ||
                    !json_is_integer(json_object_get(to, "deletionGracePeriodSeconds"))))
        rc = document_copy_member(to, from, "deletionGracePeriodSeconds");
    json_object_del(to, "selfLink");
    return rc;
}

static void check_labels(const json_t *labels, struct causes *causes) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)labels, key, value) {
        name_check_qualified("metadata.labels", key, false, causes);
        if (json_is_string(value))
            name_check_label_value("metadata.labels", json_string_value(value), causes);
        else
            cause_invalid(causes, "metadata.labels", value, "must be a string");
    }
}

static void check_annotations(const json_t *annotations, struct causes *causes) {
    const char *key;
    json_t *value;
    size_t total = 0;
    json_object_foreach((json_t *)annotations, key, value) {
        name_check_qualified("metadata.annotations", key, true, causes);
        if (!json_is_string(value))
            cause_invalid(causes, "metadata.annotations", value, "must be a string");
        total += strlen(key) + json_string_length(value);
    }
    if (total > MAX_ANNOTATIONS)
        cause_too_long(causes, "metadata.annotations", MAX_ANNOTATIONS);
}

static void check_owner(const json_t *owner, struct causes *causes) {
    static const char *const needed[] = {"apiVersion", "kind", "name", "uid"};
    static const char *const why[] = {"version must not be empty", "must not be empty",
                                      "must not be empty", "must not be empty"};
    char field[64];
    for (size_t i = 0; i < 4; i++) {
        if (document_string(owner, needed[i])[0])
            continue;
        snprintf(field, sizeof field, "metadata.ownerReferences.%s", needed[i]);
        cause_invalid_text(causes, field, "", "%s", why[i]);
    }
}

static void check_owners(const json_t *owners, struct causes *causes) {
    size_t i;
    json_t *owner;
    const json_t *first = NULL;
    json_array_foreach(owners, i, owner) {
        check_owner(owner, causes);
        if (!json_is_true(json_object_get(owner, "controller")))
            continue;
        if (first) {
            cause_invalid(causes, "metadata.ownerReferences", owners,
                          "Only one reference can have Controller set to true. Found \"true\" in "
                          "references for %s/%s and %s/%s",
                          document_string(first, "kind"), document_string(first, "name"),
                          document_string(owner, "kind"), document_string(owner, "name"));
        }
        first = first ? first : owner;
    }
}

/* Built-in kinds want a domain before every name but the server's own. */
static void check_standard(const json_t *finalizers, struct causes *causes) {
    static const char *const standard[] = {"orphan", "foregroundDeletion", "kubernetes"};
    size_t i, j;
    json_t *finalizer;
    json_array_foreach(finalizers, i, finalizer) {
        const char *name = json_string_value(finalizer);
        char field[64];
        for (j = 0; name && j < 3 && strcmp(name, standard[j]) != 0; j++)
            continue;
        if (name == NULL || strchr(name, '/') || j < 3)
            continue;
        snprintf(field, sizeof field, "metadata.finalizers[%zu]", i);
        cause_invalid(causes, field, finalizer,
                      "name is neither a standard finalizer name nor is it fully qualified");
    }
}

static void check_finalizers(const json_t *finalizers, struct causes *causes) {
    size_t i;
    json_t *finalizer;
    json_array_foreach(finalizers, i, finalizer) {
        if (json_is_string(finalizer))
            name_check_qualified("metadata.finalizers", json_string_value(finalizer), false,
                                 causes);
        else
            cause_invalid(causes, "metadata.finalizers", finalizer, "must be a string");
    }
    if (document_has_string(finalizers, "orphan") &&
        document_has_string(finalizers, "foregroundDeletion"))
        cause_invalid(causes, "metadata.finalizers", finalizers,
                      "finalizer orphan and foregroundDeletion cannot be both set");
}

void metadata_check(const struct api_resource *resource, const json_t *object,
                    struct causes *causes) {
    const json_t *metadata = json_object_get(object, "metadata");
    const struct rules *rules = rules_of(resource);
    const char *name = document_meta(object, "name");
    if (name[0])
        name_check(rules->name, "metadata.name", name, causes);
    else
        cause_required(causes, "metadata.name", "name or generateName is required");
    if (resource->namespaced)
        name_check(NAME_LABEL, "metadata.namespace", document_meta(object, "namespace"), causes);
    check_labels(json_object_get(metadata, "labels"), causes);
    check_annotations(json_object_get(metadata, "annotations"), causes);
    check_owners(json_object_get(metadata, "ownerReferences"), causes);
    check_finalizers(json_object_get(metadata, "finalizers"), causes);
    if (resource->builtin)
        check_standard(json_object_get(metadata, "finalizers"), causes);
}

static void check_same(const json_t *now, const json_t *old, const char *key,
                       struct causes *causes) {
    char field[64];
    snprintf(field, sizeof field, "metadata.%s", key);
    const json_t *value = json_object_get(json_object_get(now, "metadata"), key);
    if (!document_same(value, json_object_get(json_object_get(old, "metadata"), key)))
        cause_invalid(causes, field, value, "field is immutable");
}

/* `[]string{"a", "b"}`: as Go prints it. */
static void check_new_finalizers(const json_t *now, const json_t *old, struct causes *causes) {
    struct strbuf text = {0};
    size_t i, count = 0;
    json_t *finalizer;
    strbuf_adds(&text, "no new finalizers can be added if the object is being deleted, found new "
                       "finalizers []string{");
    json_array_foreach(now, i, finalizer) {
        if (json_is_string(finalizer) && !document_has_string(old, json_string_value(finalizer)))
            strbuf_printf(&text, "%s\"%s\"", count++ ? ", " : "", json_string_value(finalizer));
    }
    strbuf_addc(&text, '}');
    causes->failed |= text.failed;
    if (count > 0 && !text.failed)
        cause_forbidden(causes, "metadata.finalizers", text.data);
    strbuf_finish(&text);
}

void metadata_check_update(const json_t *now, const json_t *old, struct causes *causes) {
    if (metadata_deleting(old))
        check_new_finalizers(document_path(now, "metadata.finalizers"),
                             document_path(old, "metadata.finalizers"), causes);
    check_same(now, old, "name", causes);
    check_same(now, old, "namespace", causes);
    check_same(now, old, "uid", causes);
}

json_int_t metadata_generation(const json_t *object) {
    return json_integer_value(document_path(object, "metadata.generation"));
}

int metadata_set_generation(json_t *object, json_int_t generation) {
    json_t *metadata = document_metadata(object);
    return metadata && json_object_set_new(metadata, "generation", json_integer(generation)) == 0
               ? 0
               : ERROR_NOMEM;
}

bool metadata_deleting(const json_t *object) {
    return document_meta(object, "deletionTimestamp")[0] != 0;
}

int metadata_mark_deleting(const struct apiserver *server, json_t *object, json_int_t grace) {
    char time[CLOCK_TEXT];
    json_t *metadata = document_metadata(object);
    int rc = 0;
    clock_format(clock_wall(loop_clock(server->loop)) + grace * (int64_t)NS_PER_S, 0, time);
    if (!metadata_deleting(object)) {
        rc |= document_set_meta(object, "deletionTimestamp", time);
        if (metadata_generation(object) > 0)
            rc |= metadata_set_generation(object, metadata_generation(object) + 1);
    }
    rc |= json_object_set_new(metadata, "deletionGracePeriodSeconds", json_integer(grace));
    return rc ? ERROR_NOMEM : 0;
}
