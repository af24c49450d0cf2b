#include "apiserver/schema_check.h"

#include <ctype.h>
#include <string.h>

#include "apiserver/dns.h"
#include "base/map.h"

typedef void (*visit)(struct check *check, const struct schema *schema, const json_t *value);

/* Every object and list that a schema is known of, parents first. */
static void walk(struct check *check, const struct schema *schema, const json_t *value,
                 visit each) {
    const char *key;
    json_t *member;
    size_t i, before;
    const struct schema *meant = schema_follow(schema);
    if (meant == NULL)
        return;
    each(check, schema, value);
    json_object_foreach((json_t *)value, key, member) {
        if (!schema_is_container(member))
            continue;
        const struct schema *own = schema_own_property(meant, str_of(key));
        if (own == NULL && meant->additional == NULL)
            continue;
        before = own ? check_push_key(check, key) : check_push_map_key(check, key);
        walk(check, own ? own : meant->additional, member, each);
        check_pop(check, before);
    }
    json_array_foreach(value, i, member) {
        if (!schema_is_container(member))
            continue;
        before = check_push_index(check, i);
        walk(check, meant->items, member, each);
        check_pop(check, before);
    }
}

/* Embedded resources */

static void require(struct check *check, const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    size_t before = check_push_key(check, key);
    if (value == NULL)
        cause_required(&check->causes, check_field(check), "");
    else if (!json_is_string(value))
        cause_invalid(&check->causes, check_field(check), value, "must be a string");
    else if (json_string_length(value) == 0)
        cause_invalid(&check->causes, check_field(check), value, "must not be empty");
    check_pop(check, before);
}

static void check_api_version(struct check *check, const json_t *value) {
    const char *text = json_string_value(value), *slash = text ? strchr(text, '/') : NULL;
    size_t before = check_push_key(check, "apiVersion");
    if (slash && strchr(slash + 1, '/'))
        cause_invalid(&check->causes, check_field(check), value,
                      "unexpected GroupVersion string: %s", text);
    check_pop(check, before);
}

static void check_kind(struct check *check, const json_t *value) {
    char lower[64];
    size_t len = json_string_length(value), before;
    for (size_t i = 0; i < len && i < sizeof lower; i++)
        lower[i] = (char)tolower((unsigned char)json_string_value(value)[i]);
    const char *fault = len == 0 ? NULL : dns_check_1035_label(str_n(lower, len));
    before = check_push_key(check, "kind");
    if (fault)
        cause_invalid(&check->causes, check_field(check), value,
                      "may have mixed case, but should otherwise match: %s", fault);
    check_pop(check, before);
}

static void check_metadata(struct check *check, const json_t *metadata) {
    const json_t *name = json_object_get(metadata, "name");
    size_t before = check_push_key(check, "metadata");
    if (metadata && !json_is_object(metadata))
        cause_invalid(&check->causes, check_field(check), metadata, "must be an object");
    size_t parent = check_push_key(check, "name");
    const char *fault =
        json_is_string(name) ? dns_check_path_segment(str_of(json_string_value(name))) : NULL;
    if (name && !json_is_string(name))
        fault = "must be a string";
    if (fault)
        cause_invalid(&check->causes, check_field(check), name, "%s", fault);
    check_pop(check, parent);
    check_pop(check, before);
}

static void embedded(struct check *check, const struct schema *schema, const json_t *value) {
    if (!json_is_object(value) || !schema_is_embedded(schema))
        return;
    require(check, value, "apiVersion");
    require(check, value, "kind");
    check_api_version(check, json_object_get(value, "apiVersion"));
    check_kind(check, json_object_get(value, "kind"));
    check_metadata(check, json_object_get(value, "metadata"));
}

void check_embedded(struct check *check, const struct schema *schema, const json_t *value) {
    walk(check, schema, value, embedded);
}

/* Lists. What identifies an item is compared as text; 1 and 1.0 are two values. */

static void add_if_repeated(struct check *check, struct map *seen, size_t index,
                            const json_t *identity) {
    struct strbuf text = {0};
    strbuf_addc(&text, json_is_real(identity) ? 'r' : ' ');
    cause_write_value(&text, identity);
    uintptr_t times = (uintptr_t)map_get(seen, strbuf_view(&text)) + 1;
    if (text.failed || map_set(seen, strbuf_view(&text), (void *)times, NULL) < 0)
        check->causes.failed = true;
    strbuf_finish(&text);
    if (times != 2)
        return;
    size_t before = check_push_index(check, index);
    cause_duplicate(&check->causes, check_field(check), identity);
    check_pop(check, before);
}

static json_t *identity_of(const json_t *item, const char *const *keys) {
    json_t *identity = json_object();
    for (; identity && keys && *keys; keys++) {
        json_t *key = json_object_get(item, *keys);
        if (key && json_object_set(identity, *keys, key) < 0) {
            json_decref(identity);
            return NULL;
        }
    }
    return identity;
}

static bool has_only_objects(struct check *check, const json_t *list) {
    json_t *item;
    size_t i;
    json_array_foreach(list, i, item) {
        if (json_is_object(item) || json_is_null(item))
            continue;
        size_t before = check_push_index(check, i);
        cause_invalid(&check->causes, check_field(check), item,
                      "must be an object for an array of list-type map");
        check_pop(check, before);
        return false;
    }
    return true;
}

static void list(struct check *check, const struct schema *schema, const json_t *value) {
    enum schema_list type = schema_list_type(schema);
    const char *const *keys = schema_list_keys(schema);
    struct map seen = {0};
    json_t *item;
    size_t i;
    if (!json_is_array(value) || type == SCHEMA_LIST_ATOMIC ||
        (type == SCHEMA_LIST_MAP && !has_only_objects(check, value)))
        return;
    json_array_foreach(value, i, item) {
        json_t *identity = type == SCHEMA_LIST_MAP ? identity_of(item, keys) : json_incref(item);
        if (identity)
            add_if_repeated(check, &seen, i, identity);
        else
            check->causes.failed = true;
        json_decref(identity);
    }
    map_finish(&seen);
}

void check_lists(struct check *check, const struct schema *schema, const json_t *value) {
    walk(check, schema, value, list);
}

/* Equal identities have equal hashes. Containers have none: 0. */
static uint64_t hash_of(const json_t *value) {
    double number = json_number_value(value);
    if (schema_is_container(value))
        return 0;
    if (json_is_string(value))
        return str_hash(str_n(json_string_value(value), json_string_length(value))) | 1;
    if (json_is_number(value))
        return str_hash(str_n((const char *)&number, sizeof number)) | 1;
    return value ? 3 + 2 * (uint64_t)json_typeof(value) : 1;
}

static uint64_t hash_of_item(const json_t *item, const char *const *keys, bool map) {
    uint64_t hash = map ? 1 : hash_of(item), of_key;
    if (map && !json_is_object(item))
        return 0;
    for (; map && hash && keys && *keys; keys++) {
        of_key = hash_of(json_object_get(item, *keys));
        hash = of_key ? (hash * 31 + of_key) | 1 : 0;
    }
    return hash;
}

bool check_list_is_suspect(const struct schema *schema, const json_t *list) {
    enum { MOST = 64 };
    enum schema_list type = schema_list_type(schema);
    const char *const *keys = schema_list_keys(schema);
    uint64_t hashes[MOST];
    size_t count = json_array_size(list);
    if (type == SCHEMA_LIST_ATOMIC)
        return false;
    if (count > MOST)
        return true;
    for (size_t i = 0; i < count; i++) {
        hashes[i] = hash_of_item(json_array_get(list, i), keys, type == SCHEMA_LIST_MAP);
        if (hashes[i] == 0)
            return true;
        for (size_t k = 0; k < i; k++)
            if (hashes[k] == hashes[i])
                return true;
    }
    return false;
}
