#include "apiserver/patch_internal.h"

/* Where a member becomes an object or list it was not before, the real server leaves out nulls in
 * lists too, which RFC 7386 does not ask for; but not where it was an object. */
static int merge(json_t *into, const json_t *patch) {
    const char *key;
    json_t *wish;
    json_object_foreach((json_t *)patch, key, wish) {
        json_t *now = json_object_get(into, key);
        if (json_is_null(wish)) {
            json_object_del(into, key);
        } else if (json_is_object(now) && json_is_object(wish)) {
            if (merge(now, wish) < 0)
                return -1;
        } else {
            json_t *copy = patch_copy(wish, json_is_object(now) ? 0 : PATCH_DROP_NULLS);
            if (json_object_set_new_nocheck(into, key, copy) < 0)
                return -1;
        }
    }
    return 0;
}

json_t *patch_merge(const json_t *from, const json_t *patch, struct error *err) {
    json_t *result = NULL;
    if (json_is_null(patch)) {
        patch_refuse(err, 400, "Invalid JSON Patch");
        return NULL;
    }
    if (!json_is_object(patch)) {
        patch_refuse(err, 400,
                     "error decoding patch: json: cannot unmarshal %s into Go value of type "
                     "map[string]interface {}",
                     patch_json_type(patch));
        return NULL;
    }
    if (patch_check_depth(from, patch, err) < 0)
        return NULL;
    if (!json_is_object(from)) {
        result = patch_copy(patch, PATCH_DROP_NULLS);
    } else {
        result = patch_copy_named(from, patch);
        if (result && merge(result, patch) < 0) {
            json_decref(result);
            result = NULL;
        }
    }
    if (result == NULL)
        patch_no_memory(err);
    return result;
}
