#include "apiserver/ratchet.h"

#include <stdlib.h>
#include <string.h>

#include "apiserver/document.h"

/* A value, the one that was there before, and their schema. */
struct place {
    const struct schema *schema;
    const json_t *now, *old;
};

static bool has_same_keys(const char *const *keys, const json_t *a, const json_t *b) {
    for (; *keys; keys++) {
        const json_t *one = json_object_get(a, *keys), *other = json_object_get(b, *keys);
        if (one ? !other || !json_equal(one, other) : other != NULL)
            return false;
    }
    return true;
}

static const json_t *old_item(const struct place *list, const json_t *item) {
    const char *const *keys = schema_list_keys(list->schema);
    const json_t *other;
    for (size_t i = 0; keys && (other = json_array_get(list->old, i)); i++) {
        if (has_same_keys(keys, item, other))
            return other;
    }
    return NULL;
}

static void enter_item(struct place *place, size_t index) {
    const json_t *item = json_array_get(place->now, index);
    place->old = old_item(place, item);
    place->schema = schema_items(place->schema);
    place->now = item;
}

static void enter_member(struct place *place, const char *name, size_t len) {
    place->now = json_object_getn(place->now, name, len);
    place->old = json_object_getn(place->old, name, len);
    place->schema = schema_member(place->schema, str_n(name, len));
}

/* Whether the value at `field`, or one that it is part of, is what it was. Whose fault it is that a
 * member is missing: the object's. */
static bool is_unchanged(struct place place, const char *field, bool missing) {
    while (place.now && place.old) {
        if (json_equal(place.now, place.old))
            return true;
        if (*field == '[') {
            enter_item(&place, strtoul(field + 1, NULL, 10));
            field += strcspn(field, "]");
            field += *field == ']';
        } else {
            field += *field == '.';
            size_t len = strcspn(field, ".[");
            if (len == 0 || (missing && field[len] == 0))
                return false;
            enter_member(&place, field, len);
            field += len;
        }
    }
    return false;
}

void ratchet(const struct schema *schema, const json_t *now, const json_t *old, json_t *causes) {
    struct place root = {schema, now, old};
    for (size_t i = json_array_size(causes); i-- > 0;) {
        const json_t *cause = json_array_get(causes, i);
        const char *reason = document_string(cause, "reason");
        if (strcmp(reason, "FieldValueDuplicate") != 0 &&
            is_unchanged(root, document_string(cause, "field"),
                         strcmp(reason, "FieldValueRequired") == 0))
            json_array_remove(causes, i);
    }
}
