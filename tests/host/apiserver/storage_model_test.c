#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "apiserver/support/storage/values.h"
#include "base/mem.h"
#include "base/rng.h"

/* Any operations against a plain list of all changes. */

enum { KEYS = 3 * 4 * 8, CHANGES = 6000, WATCHERS = 6, HISTORY = 200 };
static const char *const spaces[] = {"", "a", "a-b", "ab"};

struct model {
    struct {
        int key, value; /* value -1: deleted */
    } changes[CHANGES]; /* the first makes revision 2 */
    uint64_t revision, compacted;
    struct storage *storage;
    struct dag *dag;
    struct rng rng;
};
struct model_watcher {
    struct storage_watcher watcher;
    struct model *model;
    uint64_t next; /* what it expects at the earliest */
    bool on;
};

static struct storage_key model_key(int key, char name[8]) {
    snprintf(name, 8, "n%d", key / 12);
    return values_key((unsigned)key % 3, spaces[key / 3 % 4], name);
}

static int model_value(const struct model *model, int key, uint64_t revision, uint64_t *ret_at) {
    for (uint64_t at = revision; at > 1; at--)
        if (model->changes[at - 2].key == key) {
            *ret_at = at;
            return model->changes[at - 2].value;
        }
    *ret_at = 0;
    return -1;
}

static void model_changed(struct storage_watcher *watcher, const struct storage_change *change) {
    struct model_watcher *self = CONTAINER_OF(watcher, struct model_watcher, watcher);
    struct model *model = self->model;
    uint64_t at;
    while ((unsigned)model->changes[self->next - 2].key % 3 != watcher->resource)
        self->next++;
    assert_int_equal(change->revision, self->next);
    int key = model->changes[self->next - 2].key;
    int before = model_value(model, key, self->next - 1, &at);
    assert_int_equal(values_of(model->dag, change->old), before);
    assert_int_equal(values_of(model->dag, change->now), model->changes[self->next - 2].value);
    self->next++;
}

static void model_change(struct model *model) {
    int key = (int)rng_below(&model->rng, KEYS);
    bool deletes = rng_below(&model->rng, 3) == 0;
    int value = deletes ? -1 : (int)rng_below(&model->rng, 1000);
    char name[8];
    struct storage_key where = model_key(key, name);
    uint64_t at;
    bool there = model_value(model, key, model->revision, &at) >= 0;
    if (deletes && !there) {
        assert_int_equal(values_drop(model->storage, where.resource, where.ns.data, name),
                         ERROR_NOT_FOUND);
        return;
    }
    model->changes[model->revision - 1].key = key;
    model->changes[model->revision - 1].value = value;
    model->revision++;
    int rc = deletes ? values_drop(model->storage, where.resource, where.ns.data, name)
                     : values_put(model->storage, where.resource, where.ns.data, name, value);
    assert_int_equal(rc, 0);
    if (model->revision > HISTORY + 1 && model->compacted < model->revision - HISTORY)
        model->compacted = model->revision - HISTORY;
}

struct model_list {
    const struct model *model;
    uint64_t revision;
    unsigned resource;
    const char *ns;
    size_t limit, count;
    struct storage_key last; /* of a page */
    char name[8];
    bool seen[KEYS];
};

static bool model_item(void *context, const struct storage_item *item) {
    struct model_list *list = context;
    char name[8];
    int key = 0;
    struct storage_key where = model_key(key, name);
    while (where.resource != item->key.resource || storage_key_compare(&where, &item->key) != 0)
        where = model_key(++key, name);
    if (list->last.name.data)
        assert_true(storage_key_compare(&list->last, &where) < 0);
    uint64_t at;
    int value = model_value(list->model, key, list->revision, &at);
    assert_int_equal(values_of(list->model->dag, item->node), value);
    assert_int_equal(item->revision, at);
    list->seen[key] = true;
    memcpy(list->name, name, sizeof name);
    list->last = where;
    list->last.name = str_of(list->name);
    return list->limit == 0 || ++list->count % list->limit != 0;
}

/* Page by page, each as of the same revision; then everything must have been there. */
static void model_lists(struct model *model) {
    uint64_t back = rng_below(&model->rng, 2 * HISTORY);
    struct model_list list = {.model = model,
                              .revision = back < model->revision ? model->revision - back : 1,
                              .resource = (unsigned)rng_below(&model->rng, 3),
                              .limit = rng_below(&model->rng, 6)};
    uint64_t space = rng_below(&model->rng, 6);
    list.ns = space < 4 ? spaces[space] : NULL;
    struct error err;
    size_t before;
    do {
        before = list.count;
        int rc = storage_list(model->storage, list.resource, values_namespace(list.ns),
                              list.last.name.data ? &list.last : NULL, list.revision, model_item,
                              &list, &err);
        assert_int_equal(rc, list.revision < model->compacted ? ERROR_GONE : 0);
        if (rc < 0)
            return;
    } while (list.limit > 0 && list.count > before);
    for (int key = 0; key < KEYS; key++) {
        uint64_t at;
        bool wanted = (unsigned)key % 3 == list.resource &&
                      (list.ns == NULL || strcmp(list.ns, spaces[key / 3 % 4]) == 0) &&
                      model_value(model, key, list.revision, &at) >= 0;
        assert_int_equal(list.seen[key], wanted);
    }
}

static void model_watches(struct model *model, struct model_watcher *self) {
    struct error err;
    if (self->on) {
        while (self->next <= model->revision &&
               (unsigned)model->changes[self->next - 2].key % 3 != self->watcher.resource)
            self->next++;
        assert_int_equal(self->next, model->revision + 1); /* nothing was left out */
        storage_unwatch(&self->watcher);
    }
    uint64_t back = rng_below(&model->rng, 2 * HISTORY);
    uint64_t since = back < model->revision ? model->revision - back : 1;
    *self = (struct model_watcher){
        .watcher = {.resource = (unsigned)rng_below(&model->rng, 3), .changed = model_changed},
        .model = model,
        .next = since + 1};
    int rc = storage_watch(model->storage, &self->watcher, since, &err);
    assert_int_equal(rc, since < model->compacted ? ERROR_GONE : 0);
    self->on = rc == 0;
}

static void storage_does_as_a_plain_list_of_changes(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct model *model = mem_zalloc(sizeof *model);
        struct model_watcher watchers[WATCHERS] = {0};
        model->storage = values_storage(&model->dag, HISTORY);
        model->revision = 1;
        rng_init(&model->rng, seed);
        while (model->revision < CHANGES / 4) {
            uint64_t what = rng_below(&model->rng, 100);
            if (what < 80)
                model_change(model);
            else if (what < 90)
                model_lists(model);
            else if (what < 99)
                model_watches(model, &watchers[rng_below(&model->rng, WATCHERS)]);
            else if (rng_below(&model->rng, 4) == 0) {
                uint64_t to = model->revision - rng_below(&model->rng, HISTORY) % model->revision;
                storage_compact(model->storage, to);
                model->compacted = to > model->compacted ? to : model->compacted;
            }
            assert_int_equal(storage_revision(model->storage), model->revision);
        }
        values_finish(model->storage, model->dag);
        mem_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_does_as_a_plain_list_of_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
