#include <string.h>

#include "apiserver/patch_internal.h"
#include "base/mem.h"

/* Ranks */

void patch_ranks_finish(struct patch_ranks *ranks) {
    json_decref(ranks->places);
    strbuf_finish(&ranks->text);
}

/* Types differ by their first letter. */
static int write_identity(struct strbuf *text, const json_t *value, struct error *err) {
    strbuf_clear(text);
    if (json_is_string(value)) {
        strbuf_addc(text, 's');
        strbuf_add(text, json_string_value(value), json_string_length(value));
    } else if (json_is_object(value) || json_is_array(value)) {
        return patch_refuse(err, 500, "runtime error: hash of unhashable type %s",
                            patch_go_type(value));
    } else {
        strbuf_adds(text, patch_json_type(value));
        strbuf_adds(text, json_is_real(value) ? "." : " ");
        patch_go_print(text, value);
    }
    return text->failed ? patch_no_memory(err) : 0;
}

static int identify(struct patch_ranks *ranks, const json_t *item, struct error *err) {
    if (ranks->key == NULL)
        return write_identity(&ranks->text, item, err);
    if (!json_is_object(item))
        return patch_bad_type("map[string]interface {}", item, err);
    const json_t *value = json_object_get(item, ranks->key);
    return value ? write_identity(&ranks->text, value, err)
                 : patch_no_merge_key(item, ranks->key, err);
}

int patch_ranks_find(struct patch_ranks *ranks, const json_t *item, json_int_t *ret_rank,
                     struct error *err) {
    int rc = identify(ranks, item, err);
    if (rc < 0)
        return rc;
    const json_t *place = json_object_getn(ranks->places, ranks->text.data, ranks->text.len);
    *ret_rank = place ? json_integer_value(place) : -1;
    return 0;
}

int patch_ranks_add(struct patch_ranks *ranks, const json_t *item, size_t rank, struct error *err) {
    json_int_t before;
    int rc = patch_ranks_find(ranks, item, &before, err);
    if (rc < 0 || before >= 0)
        return rc;
    rc = json_object_setn_new_nocheck(ranks->places, ranks->text.data, ranks->text.len,
                                      json_integer((json_int_t)rank));
    return rc < 0 ? patch_no_memory(err) : 0;
}

int patch_ranks_init(struct patch_ranks *ranks, const char *key, const json_t *items,
                     struct error *err) {
    *ranks = (struct patch_ranks){.key = key, .places = json_object()};
    int rc = ranks->places ? 0 : patch_no_memory(err);
    for (size_t i = 0; rc == 0 && i < json_array_size(items); i++)
        rc = patch_ranks_add(ranks, json_array_get(items, i), i, err);
    return rc;
}

/* Order */

struct entry {
    json_t *item;           /* borrowed */
    json_int_t order, live; /* where its like stands there, or -1 */
};

/* What is nowhere counts as smaller than its neighbour, either way: as the real server sorts. */
static bool before(json_int_t a, json_int_t b) {
    return a < 0 || b < 0 || a < b;
}

static bool smaller(const struct entry *a, const struct entry *b, bool live) {
    return live ? before(a->live, b->live) : before(a->order, b->order);
}

static void sort_block(struct entry *entries, size_t count, bool live) {
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && smaller(&entries[k], &entries[k - 1], live); k--) {
            struct entry swap = entries[k];
            entries[k] = entries[k - 1];
            entries[k - 1] = swap;
        }
}

static void join_blocks(const struct entry *from, size_t middle, size_t count, struct entry *to,
                        bool live) {
    size_t a = 0, b = middle;
    for (size_t i = 0; i < count; i++) {
        bool right = a == middle || (b < count && smaller(&from[b], &from[a], live));
        to[i] = right ? from[b++] : from[a++];
    }
}

/* Stable: insertion into blocks of 20 as Go's SliceStable, which shows where `before` is no order;
 * then the blocks are joined. `room` is for as many. */
static void sort(struct entry *entries, size_t count, struct entry *room, bool live) {
    enum { BLOCK = 20 };
    for (size_t i = 0; i < count; i += BLOCK)
        sort_block(entries + i, count - i < BLOCK ? count - i : BLOCK, live);
    for (size_t width = BLOCK; width < count; width *= 2) {
        for (size_t i = 0; i < count; i += 2 * width) {
            size_t both = count - i < 2 * width ? count - i : 2 * width;
            join_blocks(entries + i, width < both ? width : both, both, room + i, live);
        }
        memcpy(entries, room, count * sizeof *entries);
    }
}

/* Items that only the server has go before the first of the patch that stands behind them live. */
static json_t *weave(const struct entry *patch, size_t patch_count, const struct entry *server,
                     size_t server_count) {
    json_t *result = json_array();
    for (size_t i = 0, k = 0; result && i + k < patch_count + server_count;) {
        bool from_server = k < server_count;
        if (from_server && i < patch_count)
            from_server =
                server[k].live >= 0 && patch[i].live >= 0 && server[k].live < patch[i].live;
        const struct entry *next = from_server ? &server[k++] : &patch[i++];
        if (json_array_append(result, next->item) < 0) {
            json_decref(result);
            return NULL;
        }
    }
    return result;
}

/* Items in `order` from the front of `entries`, the others from its middle on. */
static int rank_all(const json_t *merged, struct patch_ranks *order, struct patch_ranks *live,
                    struct entry *entries, size_t *ret_patch, struct error *err) {
    size_t count = json_array_size(merged), server = 0;
    *ret_patch = 0;
    for (size_t i = 0; i < count; i++) {
        struct entry entry = {.item = json_array_get(merged, i)};
        int rc = patch_ranks_find(order, entry.item, &entry.order, err);
        if (rc == 0)
            rc = patch_ranks_find(live, entry.item, &entry.live, err);
        if (rc < 0)
            return rc;
        entries[entry.order >= 0 ? (*ret_patch)++ : count + server++] = entry;
    }
    return 0;
}

json_t *patch_list_order(const struct patch_list *list, const json_t *merged, const json_t *order,
                         const json_t *live, struct error *err) {
    struct patch_ranks by_order = {0}, by_live = {0};
    size_t count = json_array_size(merged), patch;
    struct entry *entries = mem_calloc(3 * count + 1, sizeof *entries);
    json_t *result = NULL;
    int rc = entries ? 0 : patch_no_memory(err);
    if (rc == 0)
        rc = patch_ranks_init(&by_order, list->key, order, err);
    if (rc == 0)
        rc = patch_ranks_init(&by_live, list->key, live, err);
    if (rc == 0)
        rc = rank_all(merged, &by_order, &by_live, entries, &patch, err);
    if (rc == 0) {
        struct entry *server = entries + count, *room = server + count;
        sort(entries, patch, room, false);
        sort(server, count - patch, room, true);
        result = weave(entries, patch, server, count - patch);
        if (result == NULL)
            patch_no_memory(err);
    }
    patch_ranks_finish(&by_order);
    patch_ranks_finish(&by_live);
    mem_free(entries);
    return result;
}
