#include <stdio.h>

#include "apiserver/document.h"
#include "apiserver/quantity.h"
#include "apiserver/schema_internal.h"

struct filling {
    json_t *value;
    const json_t *known;
    bool read; /* quantities are respelled, what is empty is dropped; not so in what is a default */
};

static int fill(const struct schema *schema, struct filling of);

static int fill_default(const struct schema *schema, json_t *copy) {
    return fill(schema, (struct filling){copy, NULL, false});
}

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
               : fill_default(member->schema, copy);
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

static int fill_member(const struct member *member, bool listed, const struct filling *of) {
    if (json_is_null(member->value))
        return fill_null(member);
    if (!schema_is_container(member->value))
        return respell(member, listed);
    struct str key = str_n(json_object_iter_key(member->at), json_object_iter_key_len(member->at));
    struct filling inner = {member->value, schema_known_member(of->known, key), of->read};
    if (!of->read || !is_nothing(member->schema, member->value))
        return fill(member->schema, inner);
    json_object_del(member->object, key.data);
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
            fill_default(property->schema, copy) < 0)
            return ERROR_NOMEM;
    }
    return 0;
}

static int fill_object(const struct schema *schema, const struct filling *of) {
    bool texts = of->read && schema->quantities, listed = schema_is_map(schema);
    json_t *object = of->value;
    void *at = json_object_iter(object);
    while (at) {
        struct member member = {.object = object, .value = json_object_iter_value(at), .at = at};
        struct str key = str_n(json_object_iter_key(at), json_object_iter_key_len(at));
        at = json_object_iter_next(object, at);
        if (!schema_is_container(member.value) && !json_is_null(member.value) && !texts)
            continue;
        member.schema = schema_member(schema, key);
        if (member.schema && fill_member(&member, listed, of) < 0)
            return ERROR_NOMEM;
    }
    return add_absent(schema, object);
}

static int fill_array(const struct schema *items, const struct filling *of) {
    const json_t *standard = schema_default_of(items);
    json_t *item;
    size_t i;
    json_array_foreach(of->value, i, item) {
        struct filling inner = {item, json_array_get(of->known, i), of->read};
        if (standard && json_is_null(item) && forbids_null(items)) {
            inner = (struct filling){document_copy(standard), NULL, false};
            if (json_array_set_new(of->value, i, inner.value) < 0)
                return ERROR_NOMEM;
        }
        if (fill(items, inner) < 0)
            return ERROR_NOMEM;
    }
    return 0;
}

static int fill(const struct schema *schema, struct filling of) {
    schema = schema_follow(schema);
    if (schema == NULL || of.value == of.known)
        return 0;
    if (json_is_object(of.value))
        return fill_object(schema, &of);
    return json_is_array(of.value) ? fill_array(schema->items, &of) : 0;
}

static int fill_all(const struct schema *schema, struct filling of, struct error *err) {
    return fill(schema, of) == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory for defaults");
}

int schema_default(const struct schema *schema, json_t *value, struct error *err) {
    return fill_all(schema, (struct filling){value, NULL, /* read= */ false}, err);
}

int schema_read(const struct schema *schema, json_t *value, const json_t *known,
                struct error *err) {
    return fill_all(schema, (struct filling){value, known, /* read= */ true}, err);
}
