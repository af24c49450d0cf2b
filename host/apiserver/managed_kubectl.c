/* kubectl: from the annotation of client-side apply to managed fields and back. */
#include <string.h>

#include "apiserver/document.h"
#include "apiserver/managed_internal.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

static json_t *annotations_of(const json_t *object) {
    return json_object_get(json_object_get(object, "metadata"), "annotations");
}

void managed_kubectl_allow(struct managed_work *work, const json_t *live,
                           struct managed_conflicts *conflicts) {
    const json_t *text = json_object_get(annotations_of(live), LAST_APPLIED);
    json_t *last =
        text ? json_loadb(json_string_value(text), json_string_length(text), 0, NULL) : NULL;
    const char *version = json_string_value(json_object_get(last, "apiVersion"));
    if (version && strcmp(version, work->change->api_version) == 0) {
        struct fieldset_pool *pool = &work->pool;
        struct managed_comparison changes = managed_compare(&work->walk, work->schema, last, live);
        const struct fieldset *allowed = managed_set_of(&work->walk, work->schema, last);
        allowed = fieldset_difference(pool, allowed, changes.modified);
        allowed = fieldset_difference(pool, allowed, changes.added);
        allowed = fieldset_difference(pool, allowed, changes.removed);
        size_t kept = 0;
        for (size_t i = 0; i < conflicts->count; i++) {
            struct managed_conflict conflict = conflicts->items[i];
            conflict.set = fieldset_difference(pool, conflict.set, allowed);
            if (conflict.set)
                conflicts->items[kept++] = conflict;
        }
        conflicts->count = kept;
    }
    json_decref(last);
}

/* Go's encoder sorts, keeps HTML safe and ends with a new line. */
static int encode(const char *json, size_t len, void *buffer) {
    for (size_t i = 0; i < len; i++)
        if (json[i] == '<' || json[i] == '>' || json[i] == '&')
            strbuf_printf(buffer, "\\u%04x", json[i]);
        else
            strbuf_addc(buffer, json[i]);
    return 0;
}

int managed_kubectl_annotate(json_t *object, const json_t *applied, struct error *err) {
    json_t *annotations = annotations_of(object);
    if (json_string_length(json_object_get(annotations, LAST_APPLIED)) == 0)
        return 0;
    json_t *copy = document_copy(applied);
    json_object_del(annotations_of(copy), LAST_APPLIED);
    struct strbuf text = {0};
    int rc = copy ? json_dump_callback(copy, encode, &text, JSON_COMPACT | JSON_SORT_KEYS) : -1;
    strbuf_addc(&text, '\n');
    if (rc == 0)
        rc = text.failed ? -1
                         : json_object_set_new(annotations, LAST_APPLIED,
                                               json_stringn(text.data, text.len));
    strbuf_finish(&text);
    json_decref(copy);
    return rc < 0 ? error_set(err, ERROR_NOMEM, "apply: no memory") : 0;
}
