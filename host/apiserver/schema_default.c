#include "apiserver/document.h"
#include "apiserver/schema_internal.h"

/* A null that may not be one, whoever looks at it: the schema is known and does not allow it. */
static bool is_unwanted_null(const json_t *value, const struct schema *schema) {
    return json_is_null(value) && schema_follow(schema) && !schema_is_nullable(schema);
}

/* All that defaults have to do with; of the rest there is much more. */
static bool is_looked_at(const json_t *value) {
    return schema_is_container(value) || json_is_null(value);
}

static void drop_nulls(const struct schema *schema, json_t *value) {
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    if (schema_follow(schema) == NULL)
        return;
    json_object_foreach_safe(value, next, key, member) {
        if (!is_looked_at(member))
            continue;
        const struct schema *of = schema_member(schema, str_of(key));
        if (is_unwanted_null(member, of) && schema_default_of(of) == NULL)
            json_object_del(value, key);
        else
            drop_nulls(of, member);
    }
    json_array_foreach(value, i, member) drop_nulls(schema_items(schema), member);
}

static int fill(const struct schema *schema, json_t *value);

static int fill_object(const struct schema *schema, json_t *value) {
    const char *key;
    json_t *member;
    for (uint32_t i = 0; i < schema->property_count; i++) {
        const struct schema_property *property = &schema->properties[i];
        const json_t *standard = schema_default_of(property->schema);
        const json_t *there = standard ? json_object_get(value, property->name) : NULL;
        if (standard && (!there || is_unwanted_null(there, property->schema)) &&
            json_object_set_new(value, property->name, document_copy(standard)) < 0)
            return ERROR_NOMEM;
    }
    json_object_foreach(value, key, member) {
        if (!is_looked_at(member))
            continue;
        const struct schema *of = schema_member(schema, str_of(key));
        const json_t *standard = schema_default_of(of);
        if (standard && is_unwanted_null(member, of)) {
            member = document_copy(standard);
            if (json_object_set_new(value, key, member) < 0)
                return ERROR_NOMEM;
        }
        if (fill(of, member) < 0)
            return ERROR_NOMEM;
    }
    return 0;
}

static int fill_array(const struct schema *items, json_t *value) {
    const json_t *standard = schema_default_of(items);
    json_t *item;
    size_t i;
    json_array_foreach(value, i, item) {
        if (standard && is_unwanted_null(item, items)) {
            item = document_copy(standard);
            if (json_array_set_new(value, i, item) < 0)
                return ERROR_NOMEM;
        }
        if (fill(items, item) < 0)
            return ERROR_NOMEM;
    }
    return 0;
}

static int fill(const struct schema *schema, json_t *value) {
    schema = schema_follow(schema);
    if (schema && json_is_object(value))
        return fill_object(schema, value);
    if (schema && json_is_array(value))
        return fill_array(schema->items, value);
    return 0;
}

int schema_default(const struct schema *schema, json_t *value, struct error *err) {
    drop_nulls(schema, value);
    return fill(schema, value) == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory for defaults");
}
