#include <string.h>

#include "apiserver/patch_internal.h"

/* Kubernetes' strategic merge patch: apimachinery's strategicpatch, the server's half of it. */

static const char deletes_prefix[] = "$deleteFromPrimitiveList";
static const char order_prefix[] = "$setElementOrder";

static bool starts(const char *key, const char *prefix) {
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

/* What follows "PREFIX/", or NULL. */
static const char *field_of(const char *key, const char *prefix) {
    size_t len = strlen(prefix);
    return starts(key, prefix) && key[len] == '/' ? key + len + 1 : NULL;
}

/* `strategies` has the word, between commas. */
static bool has_strategy(const struct schema *schema, const char *word) {
    size_t len = strlen(word);
    const char *at = schema_patch_strategy(schema);
    while ((at = strstr(at, word)) != NULL) {
        if (at[len] == '\0' || at[len] == ',')
            return true;
        at += len;
    }
    return false;
}

int patch_bad_type(const char *expected, const json_t *actual, struct error *err) {
    return patch_refuse(err, 500, "expected a %s, but received a %s", expected,
                        patch_go_type(actual));
}

int patch_bad_directive(const json_t *directive, const json_t *patch, struct error *err) {
    struct strbuf kind = {0}, map = {0};
    if (!json_is_string(directive))
        strbuf_printf(
            &kind, json_is_null(directive) ? "%%!s(<nil>" : "%%!s(%s=", patch_go_type(directive));
    if (!json_is_null(directive))
        patch_go_print(&kind, directive);
    strbuf_adds(&kind, json_is_string(directive) ? "" : ")");
    patch_go_print(&map, patch);
    bool failed = kind.failed || map.failed;
    int rc = failed
                 ? patch_no_memory(err)
                 : patch_refuse(err, 500, "unknown patch type: %s in map: %s", kind.data, map.data);
    strbuf_finish(&kind);
    strbuf_finish(&map);
    return rc;
}

/* $patch: replace or delete, of the object it stands in */
static json_t *apply_directive(const json_t *directive, const json_t *patch, struct error *err) {
    const char *text = json_string_value(directive);
    json_t *result;
    if (text && strcmp(text, "replace") == 0)
        result = patch_copy(patch, PATCH_DROP_NULLS);
    else if (text && strcmp(text, "delete") == 0)
        result = json_object();
    else
        return patch_bad_directive(directive, patch, err), NULL;
    if (result == NULL)
        patch_no_memory(err);
    else
        json_object_del(result, "$patch");
    return result;
}

/* $retainKeys */

/* An object with the strings as keys, so that looking them up is quick. NULL: no memory. */
static json_t *set_of(const json_t *list) {
    json_t *names = json_object(), *item;
    size_t i;
    json_array_foreach(list, i, item) {
        if (json_is_string(item) &&
            json_object_set_nocheck(names, json_string_value(item), json_true()) < 0) {
            json_decref(names);
            return NULL;
        }
    }
    return names;
}

/* The patch may set only what is retained; nulls and lists' directives may name anything. */
static bool within(const json_t *patch, const json_t *retained) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)patch, key, value) {
        bool allowed = json_is_null(value) || strcmp(key, "$retainKeys") == 0 ||
                       starts(key, deletes_prefix) || starts(key, order_prefix);
        if (!allowed && !json_object_get(retained, key))
            return false;
    }
    return true;
}

static int retain_keys(json_t *original, const json_t *patch, struct error *err) {
    const json_t *list = json_object_get(patch, "$retainKeys");
    const char *key;
    json_t *value;
    void *next;
    if (list == NULL)
        return 0;
    if (!json_is_array(list))
        return patch_refuse(err, 400, "invalid patch format of retainKeys");
    json_t *retained = set_of(list);
    if (retained == NULL)
        return patch_no_memory(err);
    bool fits = within(patch, retained);
    json_object_foreach_safe(original, next, key, value) {
        if (fits && !json_object_get(retained, key))
            json_object_del(original, key);
    }
    json_decref(retained);
    return fits ? 0 : patch_refuse(err, 400, "invalid patch format of retainKeys");
}

/* Members */

static int find_schema(const struct schema *schema, const char *name, const struct schema **ret,
                       struct error *err) {
    if (schema_is_map(schema))
        return patch_refuse(err, 500,
                            "merging an object in json but data type is not struct, instead is: "
                            "map");
    *ret = schema_member(schema, str_of(name));
    return 0;
}

static struct patch_list list_of(const struct schema *schema) {
    return (struct patch_list){schema_patch_merge_key(schema), schema_items(schema)};
}

/* Takes `value`, NULL when there was no memory for it. */
static int set(json_t *object, const char *name, json_t *value, struct error *err) {
    return json_object_set_new_nocheck(object, name, value) < 0 ? patch_no_memory(err) : 0;
}

/* Takes `value`, NULL when there is an error already. */
static int set_result(json_t *object, const char *name, json_t *value, struct error *err) {
    return value ? set(object, name, value, err) : ERROR_REJECTED;
}

/* `now` is the member as it is, an object or array as `wish` is. */
static json_t *merge_lists(const struct schema *schema, json_t *now, const json_t *wish,
                           struct error *err) {
    struct patch_list list = list_of(schema);
    if (has_strategy(schema, "merge"))
        return patch_list_merge(&list, now, wish, err);
    json_t *copy = patch_copy(wish, PATCH_DROP_NULLS);
    if (copy == NULL)
        patch_no_memory(err);
    return copy;
}

static json_t *merge_maps(const struct schema *schema, json_t *now, const json_t *wish,
                          struct error *err) {
    if (!has_strategy(schema, "replace"))
        return patch_strategic_map(now, wish, schema, err);
    json_t *copy = patch_copy(wish, PATCH_DROP_NULLS);
    if (copy == NULL)
        patch_no_memory(err);
    return copy;
}

/* A new value instead of what is there, if anything: an object with a directive is no value. */
static int put(json_t *original, const char *name, const json_t *wish, struct error *err) {
    if (json_object_get(wish, "$patch")) {
        json_object_del(original, name);
        return 0;
    }
    return set(original, name, patch_copy(wish, PATCH_DROP_NULLS | PATCH_DROP_DIRECTIVES), err);
}

static int merge_member(json_t *original, const char *name, const json_t *wish,
                        const struct schema *schema, struct error *err) {
    const struct schema *sub = NULL;
    json_t *now = json_object_get(original, name);
    bool array = json_is_array(wish) && json_is_array(now);
    if (json_is_null(wish)) {
        json_object_del(original, name);
        return 0;
    }
    if (!array && !(json_is_object(wish) && json_is_object(now)))
        return put(original, name, wish, err);
    int rc = find_schema(schema, name, &sub, err);
    if (rc < 0)
        return rc;
    json_t *merged = array ? merge_lists(sub, now, wish, err) : merge_maps(sub, now, wish, err);
    return set_result(original, name, merged, err);
}

/* $deleteFromPrimitiveList/NAME */
static int delete_items(json_t *original, const char *key, const json_t *gone, struct error *err) {
    const char *name = field_of(key, deletes_prefix);
    if (name == NULL)
        return patch_refuse(err, 400, "invalid patch format of primitive list");
    if (json_is_null(gone))
        json_object_del(original, name);
    json_t *now = json_object_get(original, name);
    if (!json_is_array(now) || !json_is_array(gone))
        return 0;
    return set_result(original, name, patch_list_without(now, gone, err), err);
}

/* $setElementOrder/NAME */

static int unknown_field(const struct schema *schema, const char *name, struct error *err) {
    if (schema == NULL || schema_preserves_unknown(schema))
        return 0;
    return patch_refuse(err, 500, "unable to find api field in struct for the json field \"%s\"",
                        name);
}

/* The list as the patch makes it, before it is put into order. */
static json_t *merged_list(const struct schema *schema, json_t *now, const json_t *wish,
                           struct error *err) {
    if (wish == NULL)
        return json_incref(now);
    if (now)
        return merge_lists(schema, now, wish, err);
    json_t *copy = patch_copy(wish, PATCH_DROP_NULLS | PATCH_DROP_DIRECTIVES);
    if (copy == NULL)
        patch_no_memory(err);
    return copy;
}

static json_t *ordered_list(const struct schema *schema, json_t *now, const json_t *wish,
                            const json_t *order, struct error *err) {
    struct patch_list list = list_of(schema);
    json_t *merged, *ordered = NULL;
    bool maps;
    if (patch_list_check_order(&list, wish, order, err) < 0)
        return NULL;
    merged = merged_list(schema, now, wish, err);
    if (merged && patch_list_kind(now, wish, &maps, err) == 0)
        ordered = patch_list_order(&list, merged, order, now, err);
    json_decref(merged);
    return ordered;
}

static int order_list(json_t *original, const json_t *patch, const char *key, const json_t *order,
                      const struct schema *schema, struct error *err) {
    const char *name = field_of(key, order_prefix);
    const struct schema *sub = NULL;
    if (!json_is_array(order))
        return patch_bad_type("[]interface {}", order, err);
    if (name == NULL)
        return patch_refuse(err, 400, "invalid patch format of setElementOrder list");
    json_t *now = json_object_get(original, name), *wish = json_object_get(patch, name);
    if (now && !json_is_array(now))
        return patch_bad_type("[]interface {}", now, err);
    if (wish && !json_is_array(wish))
        return patch_bad_type("[]interface {}", wish, err);
    int rc = find_schema(schema, name, &sub, err);
    if (rc == 0 && sub == NULL)
        rc = unknown_field(schema, name, err);
    if (rc == 0 && sub && schema_type(sub) != SCHEMA_ARRAY && schema_type(sub) != SCHEMA_ANY)
        rc = patch_refuse(err, 500, "expected slice or array type, but got: struct");
    if (rc < 0 || (now == NULL && wish == NULL))
        return rc;
    return set_result(original, name, ordered_list(sub, now, wish, order, err), err);
}

/* *ret_done: an object whose keys are the lists that are merged already; NULL: none is. */
static int order_lists(json_t *original, const json_t *patch, const struct schema *schema,
                       json_t **ret_done, struct error *err) {
    const char *key;
    json_t *order;
    json_object_foreach((json_t *)patch, key, order) {
        if (!starts(key, order_prefix))
            continue;
        int rc = order_list(original, patch, key, order, schema, err);
        if (rc < 0)
            return rc;
        if (*ret_done == NULL)
            *ret_done = json_object();
        rc = set(*ret_done, field_of(key, order_prefix), json_true(), err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int merge_member_or_directive(json_t *original, const char *key, const json_t *wish,
                                     const struct schema *schema, struct error *err) {
    if (starts(key, deletes_prefix))
        return delete_items(original, key, wish, err);
    if (strcmp(key, "$retainKeys") == 0 || starts(key, order_prefix))
        return 0;
    return merge_member(original, key, wish, schema, err);
}

json_t *patch_strategic_map(json_t *original, const json_t *patch, const struct schema *schema,
                            struct error *err) {
    const json_t *directive = json_object_get(patch, "$patch");
    json_t *done = NULL, *wish;
    const char *key;
    if (directive)
        return apply_directive(directive, patch, err);
    int rc = retain_keys(original, patch, err);
    if (rc == 0)
        rc = order_lists(original, patch, schema, &done, err);
    json_object_foreach((json_t *)patch, key, wish) {
        if (rc == 0 && !json_object_get(done, key))
            rc = merge_member_or_directive(original, key, wish, schema, err);
    }
    json_decref(done);
    return rc < 0 ? NULL : json_incref(original);
}

json_t *patch_strategic(const json_t *from, const json_t *patch, const struct schema *schema,
                        struct error *err) {
    json_t *copy, *result = NULL;
    if (!json_is_object(patch) && !json_is_null(patch)) {
        patch_refuse(err, 400,
                     "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                     patch_json_type(patch));
        return NULL;
    }
    if (patch_check_depth(from, patch, err) < 0)
        return NULL;
    copy = json_is_object(from) ? patch_copy_named(from, patch) : json_object();
    if (copy == NULL)
        patch_no_memory(err);
    else if (json_is_null(patch))
        result = json_incref(copy);
    else
        result = patch_strategic_map(copy, patch, schema, err);
    json_decref(copy);
    return result;
}
