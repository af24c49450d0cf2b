#include <stdio.h>

#include "apiserver/document.h"
#include "apiserver/quantity.h"
#include "apiserver/schema_internal.h"

/* `read`: quantities are respelled, what is empty is dropped; not so in what is a default. */
static int fill(const struct schema *schema, json_t *value, bool read);

/* The value as it is stored: a new reference; NULL: it stays, or no memory. */
static json_t *respelled(const json_t *value, bool listed, bool *failed) {
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
    *failed = made == NULL;
    return made;
}

static bool is_nothing(const struct schema *schema, const json_t *value) {
    if (json_is_array(value))
        return json_array_size(value) == 0 && schema_type(schema) == SCHEMA_ARRAY;
    return json_object_size(value) == 0 && schema_is_map(schema);
}

/* The schema is known and says that it is not null. */
static bool forbids_null(const struct schema *schema) {
    return schema_follow(schema) && !schema_is_nullable(schema);
}

struct member {
    json_t *object, *value;
    void *at; /* jansson's iterator */
    const struct schema *schema;
};

static int fill_null(const struct member *member) {
    const json_t *standard = schema_default_of(member->schema);
    if (!forbids_null(member->schema))
        return 0;
    if (standard == NULL) {
        json_object_del(member->object, json_object_iter_key(member->at));
        return 0;
    }
    json_t *copy = document_copy(standard);
    return json_object_iter_set_new(member->object, member->at, copy) < 0
               ? ERROR_NOMEM
               : fill(member->schema, copy, false);
}

static int respell(const struct member *member, bool listed) {
    bool failed = false;
    json_t *made = schema_form(member->schema) == SCHEMA_QUANTITY
                       ? respelled(member->value, listed, &failed)
                       : NULL;
    if (made)
        failed = json_object_iter_set_new(member->object, member->at, made) < 0;
    return failed ? ERROR_NOMEM : 0;
}

static int fill_member(const struct member *member, bool listed, bool read) {
    if (json_is_null(member->value))
        return fill_null(member);
    if (!schema_is_container(member->value))
        return respell(member, listed);
    if (!read || !is_nothing(member->schema, member->value))
        return fill(member->schema, member->value, read);
    json_object_del(member->object, json_object_iter_key(member->at));
    return 0;
}

static int add_absent(const struct schema *schema, json_t *object) {
    for (uint32_t i = 0; i < schema->property_count; i++) {
        const struct schema_property *property = &schema->properties[i];
        const json_t *standard = property->standard ? schema_default_of(property->schema) : NULL;
        if (standard == NULL || json_object_getn(object, property->name, property->len))
            continue;
        json_t *copy = document_copy(standard);
        if (json_object_setn_new_nocheck(object, property->name, property->len, copy) < 0 ||
            fill(property->schema, copy, false) < 0)
            return ERROR_NOMEM;
    }
    return 0;
}

static int fill_object(const struct schema *schema, json_t *object, bool read) {
    bool texts = read && schema->quantities, listed = schema_is_map(schema);
    void *at = json_object_iter(object);
    while (at) {
        struct member member = {.object = object, .value = json_object_iter_value(at), .at = at};
        struct str key = str_n(json_object_iter_key(at), json_object_iter_key_len(at));
        at = json_object_iter_next(object, at);
        if (!schema_is_container(member.value) && !json_is_null(member.value) && !texts)
            continue;
        member.schema = schema_member(schema, key);
        if (member.schema && fill_member(&member, listed, read) < 0)
            return ERROR_NOMEM;
    }
    return add_absent(schema, object);
}

static int fill_array(const struct schema *items, json_t *array, bool read) {
    const json_t *standard = schema_default_of(items);
    json_t *item;
    size_t i;
    json_array_foreach(array, i, item) {
        bool of_item = read;
        if (standard && json_is_null(item) && forbids_null(items)) {
            item = document_copy(standard);
            of_item = false;
            if (json_array_set_new(array, i, item) < 0)
                return ERROR_NOMEM;
        }
        if (fill(items, item, of_item) < 0)
            return ERROR_NOMEM;
    }
    return 0;
}

static int fill(const struct schema *schema, json_t *value, bool read) {
    schema = schema_follow(schema);
    if (schema && json_is_object(value))
        return fill_object(schema, value, read);
    if (schema && json_is_array(value))
        return fill_array(schema->items, value, read);
    return 0;
}

int schema_default(const struct schema *schema, json_t *value, struct error *err) {
    return fill(schema, value, false) == 0 ? 0
                                           : error_set(err, ERROR_NOMEM, "no memory for defaults");
}

int schema_read(const struct schema *schema, json_t *value, struct error *err) {
    return fill(schema, value, true) == 0 ? 0
                                          : error_set(err, ERROR_NOMEM, "no memory for defaults");
}
