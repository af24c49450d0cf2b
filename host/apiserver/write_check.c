#include <stdio.h>
#include <string.h>

#include "apiserver/fault.h"
#include "apiserver/metadata.h"
#include "apiserver/ratchet.h"
#include "apiserver/rules.h"

/* What may be wrong with an object on its way into storage. */

bool write_is_whole(const struct api_exchange *x) {
    const char *subresource = x->request.subresource;
    return !subresource[0] || strcmp(subresource, "scale") == 0;
}

bool write_trusts_stored(const struct api_exchange *x) {
    const struct api_resource *resource = x->kind->resource;
    return resource->builtin && resource->storage == x->kind;
}

const json_t *write_known(const struct api_exchange *x) {
    return write_trusts_stored(x) ? x->change.old : NULL;
}

/* The schema says again what metadata_check() has said of owner references. */
static void drop_repeated(json_t *list) {
    for (size_t i = json_array_size(list); i-- > 0;) {
        const char *field = document_string(json_array_get(list, i), "field");
        if (strncmp(field, "metadata.ownerReferences[", 25) == 0)
            json_array_remove(list, i);
    }
}

/* Go's decoder would not have read it into the built-in kind. 0: it would; else as said above. */
static int check_types(struct api_exchange *x, const json_t *list) {
    const struct api_kind *kind = x->kind;
    struct strbuf why = {0};
    bool wrong = rules_of(kind->resource)->flags & RULE_READ_WHOLE;
    json_t *cause;
    size_t i;
    json_array_foreach(list, i, cause) {
        wrong |= strcmp(document_string(cause, "reason"), "FieldValueTypeInvalid") == 0;
    }
    int rc = 0;
    if (wrong && fault_type(kind->schema, kind->resource->kind, x->change.now, &why))
        rc = why.failed ? exchange_nomem(x) : body_refuse(x, kind, x->change.now, why.data);
    strbuf_finish(&why);
    return rc;
}

/* Custom objects may have finalizers without a domain, and hear that they had better not. */
static void warn_of_finalizers(struct api_exchange *x) {
    json_t *finalizers = document_path(x->change.now, "metadata.finalizers"), *finalizer;
    size_t i;
    json_array_foreach(finalizers, i, finalizer) {
        const char *name = json_string_value(finalizer);
        if (name && !strchr(name, '/') && strcmp(name, "orphan") != 0 &&
            strcmp(name, "foregroundDeletion") != 0)
            exchange_warn(x,
                          "metadata.finalizers: \"%s\": prefer a domain-qualified finalizer name "
                          "to avoid accidental conflicts with other finalizer writers",
                          name);
    }
}

/* "spec.accessModes[0]" is about "spec.accessModes". */
static bool is_about(const char *field, const char *other) {
    size_t len = strlen(other);
    return strncmp(field, other, len) == 0 && (field[len] == 0 || field[len] == '[') && len > 0;
}

/* The rules of a kind know better than its schema what to say of a field. */
static void add_faults(struct causes *causes, json_t *faults) {
    json_t *fault, *cause;
    size_t i, k, count = json_array_size(causes->list);
    causes->failed |= faults == NULL;
    json_array_foreach(faults, i, fault) {
        bool said = false;
        for (k = 0; k < count && (cause = json_array_get(causes->list, k)); k++)
            said |= is_about(document_string(fault, "field"), document_string(cause, "field"));
        if (!said && json_array_append(causes->list, fault) < 0)
            causes->failed = true;
    }
    json_decref(faults);
}

/* What the schema says, into `faults`. 0, or as said above. */
static int check_schema(struct api_exchange *x, struct causes *faults) {
    const struct api_kind *kind = x->kind;
    const json_t *now = x->change.now, *old = x->change.old;
    struct error err;
    if (schema_fits(kind->schema, now, write_known(x), kind->resource->builtin))
        return 0;
    if (schema_validate(kind->schema, now, "", faults->list, &err) < 0)
        faults->failed = true;
    drop_repeated(faults->list);
    if (kind->resource->builtin)
        return check_types(x, faults->list);
    if (old)
        ratchet(kind->schema, now, old, faults->list);
    return 0;
}

/* Everything that may be wrong with change.now. */
int write_check(struct api_exchange *x) {
    const struct api_kind *kind = x->kind;
    const struct rules *rules = rules_of(kind->resource);
    const json_t *now = x->change.now, *old = x->change.old;
    struct causes causes = {json_array(), false}, faults = {json_array(), false};
    metadata_check(kind->resource, now, &causes);
    if (old)
        metadata_check_update(now, old, &causes);
    if (!kind->resource->builtin)
        warn_of_finalizers(x);
    if (check_schema(x, &faults) < 0) {
        json_decref(faults.list);
        json_decref(causes.list);
        return -1;
    }
    bool fits = json_array_size(faults.list) == 0 && json_array_size(causes.list) == 0;
    causes.failed |= faults.failed;
    if (rules->check && write_is_whole(x) && (fits || !(rules->flags & RULE_AFTER_SCHEMA)))
        rules->check(x->server, now, old, &causes);
    if (fits && strcmp(x->request.subresource, "status") == 0)
        rules_check_status(kind->resource, now, &causes);
    add_faults(&causes, faults.list);
    return exchange_causes(x, kind->resource->storage->resource->group, kind->resource->kind,
                           document_meta(now, "name"), &causes);
}

/* Where etcd would have it. */
static void registry_key(const struct api_exchange *x, char *key, size_t size) {
    static const char *const moved[][2] = {{"services", "services/specs"},
                                           {"endpoints", "services/endpoints"},
                                           {"nodes", "minions"},
                                           {"replicationcontrollers", "controllers"},
                                           {"ingresses", "ingress"}};
    const struct api_resource *resource = x->kind->resource;
    const char *plural = resource->plural;
    for (size_t i = 0; resource->builtin && i < sizeof moved / sizeof *moved; i++)
        plural = strcmp(plural, moved[i][0]) == 0 ? moved[i][1] : plural;
    snprintf(key, size, "/registry/%s%s%s/%s%s%s", resource->builtin ? "" : resource->group,
             resource->builtin ? "" : "/", plural, x->request.ns, x->request.ns[0] ? "/" : "",
             x->request.name);
}

int write_refuse_uid(struct api_exchange *x, const char *wanted, const char *uid) {
    char why[1024], key[512];
    registry_key(x, key, sizeof key);
    snprintf(why, sizeof why,
             "StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, "
             "AdditionalErrorMsg: Precondition failed: UID in precondition: %.100s, UID in object "
             "meta: %s",
             key, wanted, uid);
    return exchange_refuse(x, status_conflict(x->kind->resource, x->request.name, why));
}
