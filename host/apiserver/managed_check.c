/* Does what a client applies fit its type? Said in the API server's words. */
#include <string.h>

#include "apiserver/managed_walk.h"

enum { MAX_COMPLAINTS = 32 };

/* Where a value stands, printed when there is something to complain about. */
struct place {
    const struct place *above;
    struct fieldset_element element;
};
struct check {
    struct managed_walk *walk;
    const struct place *place;
    struct strbuf complaints; /* one line each */
    size_t count;
};

static void print_place(struct strbuf *out, const struct place *place) {
    if (!place)
        return;
    print_place(out, place->above);
    fieldset_element_print(out, &place->element);
}

static void complain(struct check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void complain(struct check *check, const char *format, ...) {
    if (check->count++ >= MAX_COMPLAINTS)
        return;
    va_list args;
    va_start(args, format);
    strbuf_adds(&check->complaints, "\n  ");
    print_place(&check->complaints, check->place);
    if (check->place)
        strbuf_adds(&check->complaints, ": ");
    strbuf_vprintf(&check->complaints, format, args);
    va_end(args);
}

static void check_value(struct check *check, struct managed_type type, const json_t *value,
                        bool open);

/* A value as Go's %v prints it, or %#v when `exact`. */
static void print_go(struct strbuf *out, const json_t *value, bool exact) {
    const char *name, *between = "";
    json_t *inner;
    size_t i;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        strbuf_adds(out, exact ? "map[string]interface {}{" : "map[");
        json_object_foreach((json_t *)value, name, inner) {
            strbuf_printf(out, exact ? "%s\"%s\":" : "%s%s:", between, name);
            print_go(out, inner, exact);
            between = exact ? ", " : " ";
        }
        strbuf_adds(out, exact ? "}" : "]");
        break;
    case JSON_ARRAY:
        strbuf_adds(out, exact ? "[]interface {}{" : "[");
        json_array_foreach(value, i, inner) {
            strbuf_adds(out, between);
            print_go(out, inner, exact);
            between = exact ? ", " : " ";
        }
        strbuf_adds(out, exact ? "}" : "]");
        break;
    case JSON_STRING:
        strbuf_printf(out, exact ? "\"%s\"" : "%s", json_string_value(value));
        break;
    case JSON_INTEGER:
        strbuf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        strbuf_printf(out, "%g", json_real_value(value));
        break;
    default:
        strbuf_adds(out, json_is_null(value)   ? exact ? "interface {}(nil)" : "<nil>"
                         : json_is_true(value) ? "true"
                                               : "false");
        break;
    }
}

/* The API server prints the struct that wraps the value. */
static void complain_of(struct check *check, const char *expected, const json_t *value,
                        bool exact) {
    struct strbuf got = {0};
    strbuf_adds(&got, exact ? "&value.valueUnstructured{Value:" : "&{");
    print_go(&got, value, exact);
    strbuf_addc(&got, '}');
    complain(check, "expected %s, got %s", expected, got.failed ? "" : got.data);
    strbuf_finish(&got);
}

static const char *go_type(const json_t *value) {
    return json_is_object(value)   ? "map[string]interface {}"
           : json_is_array(value)  ? "[]interface {}"
           : json_is_string(value) ? "string"
                                   : "bool";
}

static void check_scalar(struct check *check, struct managed_type type, const json_t *value) {
    if (json_is_null(value) || type.place != MANAGED_ANYWHERE)
        return;
    switch (type.type) {
    case SCHEMA_INTEGER:
    case SCHEMA_NUMBER:
        if (!json_is_number(value))
            complain(check, "expected numeric (int or float), got %s", go_type(value));
        break;
    case SCHEMA_STRING:
        if (!json_is_string(value))
            complain_of(check, "string", value, /* exact= */ true);
        break;
    case SCHEMA_BOOLEAN:
        if (!json_is_boolean(value))
            complain_of(check, "boolean", value, /* exact= */ false);
        break;
    default:
        if (json_is_object(value) || json_is_array(value))
            complain_of(check, "any scalar", value, /* exact= */ false);
        break;
    }
}

static void check_below(struct check *check, struct managed_type type,
                        const struct fieldset_element *element, const json_t *value, bool open) {
    struct place place = {check->place, *element};
    check->place = &place;
    check_value(check, type, value, open);
    check->place = place.above;
}

static void check_items(struct check *check, struct managed_type type, const json_t *list,
                        bool open) {
    struct managed_type items = managed_type_items(type);
    bool atomic = managed_type_is_atomic(type, MANAGED_LIST);
    struct managed_index index = {0};
    struct error why;
    if (!atomic && managed_index_init(&index, check->walk->pool, type, list, &why) < 0) {
        complain(check, "%s", why.message);
        return;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct fieldset_element element = {.kind = FIELDSET_INDEX, .index = (int64_t)i};
        size_t first = i;
        if (index.count > i) {
            element = index.elements[i];
            managed_index_find(&index, &element, &first);
        }
        if (first != i) {
            struct strbuf key = {0};
            fieldset_element_print(&key, &element);
            complain(check, "duplicate entries for key %s", key.data ? key.data : "");
            strbuf_finish(&key);
        }
        check_below(check, items, &element, json_array_get(list, i), open);
    }
}

/* Whether the type has a say in which members there are. */
static bool is_closed(struct managed_type type, bool open) {
    if (type.place == MANAGED_METADATA)
        return true;
    if (open || !type.schema || type.type != SCHEMA_OBJECT || type.map)
        return false;
    return !schema_is_open(type.schema);
}

static void check_members(struct check *check, struct managed_type type, const json_t *map,
                          bool open) {
    bool closed = is_closed(type, open);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)map, name, value) {
        struct fieldset_element element = fieldset_field(str_of(name));
        bool declared;
        struct managed_type member = managed_type_member(type, element.name, &declared);
        if (!declared && closed) {
            struct place place = {check->place, element};
            check->place = &place;
            complain(check, "field not declared in schema");
            check->place = place.above;
            continue;
        }
        check_below(check, member, &element, value, open);
    }
}

static void check_value(struct check *check, struct managed_type type, const json_t *value,
                        bool open) {
    enum managed_shape shape = managed_type_shape(type, value);
    open |= type.schema && (type.type == SCHEMA_OBJECT || type.type == SCHEMA_ANY) &&
            schema_preserves_unknown(type.schema);
    if (shape == MANAGED_SCALAR)
        check_scalar(check, type, value);
    else if (shape == MANAGED_LIST && json_is_array(value))
        check_items(check, type, value, open);
    else if (shape != MANAGED_LIST && json_is_object(value))
        check_members(check, type, value, open);
    else if (!json_is_null(value))
        complain_of(check, shape == MANAGED_LIST ? "list" : "map", value, /* exact= */ false);
}

void managed_check(struct managed_walk *walk, const struct schema *schema, const json_t *applied) {
    struct check check = {.walk = walk};
    check_value(&check, managed_type_root(schema), applied, false);
    walk->pool->failed |= check.complaints.failed;
    if (check.count > 0 && walk->rc == 0)
        walk->rc = error_set(walk->err, ERROR_REJECTED, "%s%s", check.count > 1 ? "errors:" : "",
                             check.complaints.data && check.count == 1 ? check.complaints.data + 3
                             : check.complaints.data                   ? check.complaints.data
                                                                       : "");
    strbuf_finish(&check.complaints);
}
