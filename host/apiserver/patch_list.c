#include <string.h>

#include "apiserver/patch_internal.h"

int patch_no_merge_key(const json_t *item, const char *key, struct error *err) {
    struct strbuf map = {0};
    patch_go_print(&map, item);
    int rc = map.failed
                 ? patch_no_memory(err)
                 : patch_refuse(err, 500, "map: %.800s does not contain declared merge key: %s",
                                map.data, key);
    strbuf_finish(&map);
    return rc;
}

/* Kinds */

static int not_identical(const json_t *original, const json_t *patch, struct error *err) {
    struct strbuf both = {0};
    json_t *empty = json_array();
    strbuf_adds(&both, "[");
    patch_go_print(&both, original ? original : empty);
    strbuf_adds(&both, " ");
    patch_go_print(&both, patch ? patch : empty);
    strbuf_adds(&both, "]");
    bool failed = both.failed || empty == NULL;
    int rc = failed ? patch_no_memory(err)
                    : patch_refuse(err, 500, "list element types are not identical: %s", both.data);
    json_decref(empty);
    strbuf_finish(&both);
    return rc;
}

int patch_list_kind(const json_t *original, const json_t *patch, bool *ret_maps,
                    struct error *err) {
    const json_t *const lists[] = {original, patch};
    const json_t *first = NULL, *item;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < json_array_size(lists[k]); i++) {
            item = json_array_get(lists[k], i);
            if (first == NULL && json_is_array(item))
                return patch_unfit(err);
            first = first ? first : item;
            if (json_is_null(item) || strcmp(patch_go_type(item), patch_go_type(first)) != 0)
                return not_identical(original, patch, err);
        }
    if (first == NULL)
        return patch_refuse(err, 500, "no elements in any of the given slices");
    *ret_maps = json_is_object(first);
    return 0;
}

/* The order of the patch */

static bool is_text(const json_t *value, const char *text) {
    const char *is = json_string_value(value);
    return is && strcmp(is, text) == 0;
}

static bool same_identity(const struct patch_list *list, const json_t *a, const json_t *b) {
    return list->key ? json_equal(json_object_get(a, list->key), json_object_get(b, list->key))
                     : json_equal((json_t *)a, (json_t *)b);
}

static int check_key(const struct patch_list *list, const json_t *item, struct error *err) {
    if (list->key == NULL)
        return 0;
    if (!json_is_object(item))
        return patch_bad_type("map[string]interface {}", item, err);
    return json_object_get(item, list->key) ? 0 : patch_no_merge_key(item, list->key, err);
}

static int wrong_order(const json_t *patch, const json_t *order, struct error *err) {
    struct strbuf is = {0}, must = {0};
    patch_go_print(&is, patch);
    patch_go_print(&must, order);
    bool failed = is.failed || must.failed;
    int rc = failed ? patch_no_memory(err)
                    : patch_refuse(err, 500,
                                   "The order in patch list:\n%.450s\n doesn't match "
                                   "$setElementOrder list:\n%.450s\n",
                                   is.data, must.data);
    strbuf_finish(&is);
    strbuf_finish(&must);
    return rc;
}

int patch_list_check_order(const struct patch_list *list, const json_t *patch, const json_t *order,
                           struct error *err) {
    size_t at = 0, count = json_array_size(patch), wanted = json_array_size(order), k = 0;
    while (wanted > 0 && at < count) {
        const json_t *item = json_array_get(patch, at);
        const json_t *directive = json_object_get(item, "$patch");
        if (is_text(directive, "delete") || (directive && k < wanted)) {
            at++;
            continue;
        }
        if (k == wanted)
            return wrong_order(patch, order, err);
        const json_t *next = json_array_get(order, k++);
        int rc = check_key(list, item, err);
        if (rc == 0)
            rc = check_key(list, next, err);
        if (rc < 0)
            return rc;
        at += same_identity(list, item, next);
    }
    return 0;
}

/* Merging */

/* The items of `patch` that are not directives, shared; those to delete are added to `gone`. */
static int sift(const json_t *patch, json_t *plain, struct patch_ranks *gone, bool *ret_replace,
                struct error *err) {
    int rc = 0;
    *ret_replace = false;
    for (size_t i = 0; rc == 0 && i < json_array_size(patch); i++) {
        json_t *item = json_array_get(patch, i);
        const json_t *directive = json_object_get(item, "$patch");
        if (directive == NULL)
            rc = json_array_append(plain, item) < 0 ? patch_no_memory(err) : 0;
        else if (is_text(directive, "delete"))
            rc = patch_ranks_add(gone, item, i, err);
        else if (is_text(directive, "merge"))
            rc = patch_refuse(err, 500, "merging lists cannot yet be specified in the patch");
        else if (is_text(directive, "replace"))
            *ret_replace = true;
        else
            rc = patch_bad_directive(directive, item, err);
    }
    return rc;
}

/* A new list of the items that are not in `gone`. */
static json_t *without(const json_t *items, struct patch_ranks *gone, struct error *err) {
    json_t *kept = json_array();
    int rc = kept ? 0 : patch_no_memory(err);
    for (size_t i = 0; rc == 0 && i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        json_int_t place;
        rc = patch_ranks_find(gone, item, &place, err);
        if (rc == 0 && place < 0 && json_array_append(kept, item) < 0)
            rc = patch_no_memory(err);
    }
    if (rc == 0)
        return kept;
    json_decref(kept);
    return NULL;
}

static int remove_gone(json_t *original, struct patch_ranks *gone, struct error *err) {
    if (json_object_size(gone->places) == 0)
        return 0;
    json_t *kept = without(original, gone, err);
    if (kept == NULL)
        return ERROR_REJECTED;
    json_array_clear(original); /* and keeps its room */
    int rc = json_array_extend(original, kept) < 0 ? patch_no_memory(err) : 0;
    json_decref(kept);
    return rc;
}

static int merge_item(const struct patch_list *list, json_t *merged, const json_t *item,
                      struct patch_ranks *places, struct error *err) {
    json_int_t place;
    int rc = patch_ranks_find(places, item, &place, err);
    if (rc < 0)
        return rc;
    if (place < 0) {
        if (json_array_append_new(merged, patch_copy(item, PATCH_DROP_NULLS)) < 0)
            return patch_no_memory(err);
        return patch_ranks_add(places, item, json_array_size(merged) - 1, err);
    }
    json_t *now = json_array_get(merged, (size_t)place);
    json_t *result = patch_strategic_map(now, item, list->items, err);
    if (result == NULL)
        return ERROR_REJECTED;
    return json_array_set_new(merged, (size_t)place, result) < 0 ? patch_no_memory(err) : 0;
}

/* Each item of `patch` into the first of `original` with its key, or after them all. */
static json_t *merge_items(const struct patch_list *list, const json_t *original,
                           const json_t *patch, struct error *err) {
    struct patch_ranks places;
    json_t *merged = json_array();
    int rc = patch_ranks_init(&places, list->key, original, err);
    if (rc == 0 &&
        (merged == NULL || (original && json_array_extend(merged, (json_t *)original) < 0)))
        rc = patch_no_memory(err);
    for (size_t i = 0; rc == 0 && i < json_array_size(patch); i++)
        rc = merge_item(list, merged, json_array_get(patch, i), &places, err);
    patch_ranks_finish(&places);
    if (rc == 0)
        return merged;
    json_decref(merged);
    return NULL;
}

static json_t *merge_ordered(const struct patch_list *list, const json_t *original,
                             const json_t *patch, struct error *err) {
    json_t *merged = merge_items(list, original, patch, err), *ordered = NULL;
    if (merged)
        ordered = patch_list_order(list, merged, patch, original, err);
    json_decref(merged);
    return ordered;
}

static json_t *replace_all(const struct patch_list *list, const json_t *plain, struct error *err) {
    json_t *copy = patch_copy(plain, PATCH_DROP_NULLS), *ordered = NULL;
    if (copy == NULL)
        patch_no_memory(err);
    else
        ordered = patch_list_order(list, copy, NULL, copy, err);
    json_decref(copy);
    return ordered;
}

static json_t *merge_maps(const struct patch_list *list, json_t *original, const json_t *patch,
                          struct error *err) {
    struct patch_ranks gone;
    json_t *plain = json_array(), *result = NULL;
    bool replace;
    int rc = patch_ranks_init(&gone, list->key, NULL, err);
    if (rc == 0 && plain == NULL)
        rc = patch_no_memory(err);
    if (rc == 0)
        rc = sift(patch, plain, &gone, &replace, err);
    if (rc == 0)
        rc = remove_gone(original, &gone, err);
    if (rc == 0)
        result =
            replace ? replace_all(list, plain, err) : merge_ordered(list, original, plain, err);
    patch_ranks_finish(&gone);
    json_decref(plain);
    return result;
}

/* Each value once, in the order of the patch, the others where they were. */
static json_t *merge_scalars(const struct patch_list *list, const json_t *original,
                             const json_t *patch, struct error *err) {
    const json_t *const lists[] = {original, patch};
    struct patch_ranks seen;
    json_t *merged = json_array(), *ordered = NULL;
    int rc = patch_ranks_init(&seen, list->key, NULL, err);
    if (rc == 0 && merged == NULL)
        rc = patch_no_memory(err);
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; rc == 0 && i < json_array_size(lists[k]); i++) {
            json_t *item = json_array_get(lists[k], i);
            json_int_t place;
            rc = patch_ranks_find(&seen, item, &place, err);
            if (rc == 0 && place < 0)
                rc = patch_ranks_add(&seen, item, 0, err);
            if (rc == 0 && place < 0 && json_array_append(merged, item) < 0)
                rc = patch_no_memory(err);
        }
    if (rc == 0)
        ordered = patch_list_order(list, merged, patch, original, err);
    patch_ranks_finish(&seen);
    json_decref(merged);
    return ordered;
}

json_t *patch_list_merge(const struct patch_list *list, json_t *original, const json_t *patch,
                         struct error *err) {
    bool maps;
    if (json_array_size(original) == 0 && json_array_size(patch) == 0)
        return json_incref(original);
    if (patch_list_kind(original, patch, &maps, err) < 0)
        return NULL;
    if (!maps)
        return merge_scalars(list, original, patch, err);
    if (list->key)
        return merge_maps(list, original, patch, err);
    patch_refuse(err, 500, "cannot merge lists without merge key for struct");
    return NULL;
}

json_t *patch_list_without(const json_t *original, const json_t *gone, struct error *err) {
    struct patch_ranks ranks;
    json_t *kept = NULL;
    bool maps;
    if (json_array_size(original) == 0 && json_array_size(gone) == 0)
        return json_incref((json_t *)original);
    if (patch_list_kind(original, gone, &maps, err) < 0)
        return NULL;
    if (maps) {
        patch_refuse(err, 500, "cannot merge lists without merge key for struct");
        return NULL;
    }
    if (patch_ranks_init(&ranks, NULL, gone, err) == 0)
        kept = without(original, &ranks, err);
    patch_ranks_finish(&ranks);
    return kept;
}
