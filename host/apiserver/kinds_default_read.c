#include <stdio.h>
#include <string.h>

#include "apiserver/kinds_fill.h"
#include "apiserver/quantity.h"

/* What the real server makes of a document by reading it: it has one spelling of each quantity, and
 * no empty lists and maps. */

static void walk(struct kinds_fill *fill, const struct schema *schema, json_t *value);

static bool is_quantity(const struct schema *schema) {
    const char *name = schema_refers_to(schema);
    return name && strcmp(name, "io.k8s.apimachinery.pkg.api.resource.Quantity") == 0;
}

/* The value as it is stored: a new reference; NULL: it stays, or no memory. */
static json_t *respelled(struct kinds_fill *fill, const json_t *value, bool listed) {
    char number[64], spelled[QUANTITY_MAX];
    struct str text = str_n(json_string_value(value), json_string_length(value));
    if (json_is_number(value)) {
        snprintf(number, sizeof number, "%.15g", json_number_value(value));
        text = str_of(number);
    }
    if (!quantity_canonical(text, listed, spelled) ||
        (json_is_string(value) && str_is(text, spelled)))
        return NULL;
    json_t *made = json_string(spelled);
    fill->failed |= made == NULL;
    return made;
}

/* Lists and maps of a built-in kind that are empty are not stored. */
static bool is_nothing(const struct schema *schema, const json_t *value) {
    if (json_is_array(value))
        return json_array_size(value) == 0 && schema_type(schema) == SCHEMA_ARRAY;
    return json_is_object(value) && json_object_size(value) == 0 && schema_is_map(schema);
}

static void walk_members(struct kinds_fill *fill, const struct schema *schema, json_t *object) {
    bool listed = schema_is_map(schema);
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, key, value) {
        const struct schema *member = schema_member(schema, str_of(key));
        json_t *made = NULL;
        if (is_nothing(member, value))
            json_object_del(object, key);
        else if (json_is_object(value) || json_is_array(value))
            walk(fill, member, value);
        else if (is_quantity(member) && (json_is_string(value) || json_is_number(value)))
            made = respelled(fill, value, listed);
        if (made)
            fill->failed |= json_object_set_new(object, key, made) < 0;
    }
}

static void walk(struct kinds_fill *fill, const struct schema *schema, json_t *value) {
    json_t *item;
    size_t i;
    if (schema && json_is_object(value))
        walk_members(fill, schema, value);
    else if (schema)
        json_array_foreach(value, i, item) walk(fill, schema_items(schema), item);
}

void kinds_fill_read(struct kinds_fill *fill, const struct schema *schema) {
    walk(fill, schema, fill->object);
}
