#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "apiserver/storage.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/oom_sweep.h"

static struct storage *storage_of(struct dag **ret_dag, size_t history) {
    struct error err;
    *ret_dag = dag_create(NULL, &err);
    assert_non_null(*ret_dag);
    struct storage *storage =
        storage_create(&(struct storage_options){.dag = *ret_dag, .history = history}, &err);
    assert_non_null(storage);
    return storage;
}

static void finish(struct storage *storage, struct dag *dag) {
    storage_destroy(storage);
    assert_int_equal(dag_stats(dag).nodes, 0);
    dag_destroy(dag);
}

static struct storage_key key_of(unsigned resource, const char *ns, const char *name) {
    return (struct storage_key){.resource = resource, .ns = str_of(ns), .name = str_of(name)};
}

static int put(struct storage *storage, unsigned resource, const char *ns, const char *name,
               int value) {
    char json[256];
    struct error err;
    struct storage_key key = key_of(resource, ns, name);
    snprintf(json, sizeof json,
             "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"%s\",\"resourceVersion\":\"%llu\"},"
             "\"value\":%d}",
             ns, name, (unsigned long long)storage_revision(storage) + 1, value);
    return storage_put(storage, &key, str_of(json), &err);
}

static int drop(struct storage *storage, unsigned resource, const char *ns, const char *name) {
    char json[64];
    struct error err;
    struct storage_key key = key_of(resource, ns, name);
    snprintf(json, sizeof json, "{\"deleted\":%llu}",
             (unsigned long long)storage_revision(storage) + 1);
    return storage_delete(storage, &key, str_of(json), &err);
}

static int64_t value_of(const struct dag *dag, node_t node) {
    int64_t value = -1;
    node_int(dag, node_get(dag, node, str_of("value")), &value);
    return value;
}

/* --- lists ----------------------------------------------------------------------------------- */

struct names {
    const struct dag *dag;
    struct strbuf text; /* "a/x=1 a/y=2 " */
    size_t left;        /* items until it says "enough"; 0 = never */
};

static bool add_name(void *context, const struct storage_item *item) {
    struct names *names = context;
    strbuf_printf(&names->text, "%.*s/%.*s=%d@%d ", STR_ARG(item->key.ns), STR_ARG(item->key.name),
                  (int)value_of(names->dag, item->node), (int)item->revision);
    return names->left == 0 || --names->left > 0;
}

static struct str all_or(const char *ns) {
    return ns ? str_of(ns) : (struct str){0};
}

static void assert_list(struct storage *storage, struct dag *dag, const char *ns,
                        const struct storage_key *after, uint64_t revision, size_t limit,
                        const char *expected) {
    struct names names = {.dag = dag, .left = limit};
    struct error err;
    assert_int_equal(storage_list(storage, 1, all_or(ns), after, revision, add_name, &names, &err),
                     0);
    assert_string_equal(names.text.data ? names.text.data : "", expected);
    strbuf_finish(&names.text);
}

static void storage_lists_in_the_order_of_etcd_keys(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, 0);
    put(storage, 1, "a", "y", 1);
    put(storage, 1, "a", "x", 2);
    put(storage, 1, "a-b", "x", 3);
    put(storage, 1, "ab", "x", 4);
    put(storage, 2, "a", "other", 5);
    assert_list(storage, dag, NULL, NULL, 0, 0, "a-b/x=3@4 a/x=2@3 a/y=1@2 ab/x=4@5 ");
    assert_list(storage, dag, "a", NULL, 0, 0, "a/x=2@3 a/y=1@2 ");
    assert_list(storage, dag, "", NULL, 0, 0, "");
    struct storage_key after = key_of(1, "a", "x");
    assert_list(storage, dag, NULL, &after, 0, 1, "a/y=1@2 ");
    assert_list(storage, dag, "ab", &after, 0, 0, "ab/x=4@5 ");
    assert_list(storage, dag, "a-b", &after, 0, 0, "");
    assert_int_equal(storage_count(storage, 1), 4);
    assert_int_equal(storage_count(storage, 77), 0);
    finish(storage, dag);
}

static void storage_lists_as_of_an_older_revision(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, 0);
    put(storage, 1, "a", "x", 1);
    put(storage, 1, "a", "y", 2);
    put(storage, 1, "a", "z", 3); /* revision 4 */
    put(storage, 1, "a", "x", 10);
    assert_int_equal(drop(storage, 1, "a", "y"), 0);
    put(storage, 1, "a", "y", 20);
    assert_int_equal(drop(storage, 1, "a", "z"), 0);
    put(storage, 1, "a", "w", 40);
    struct storage_key after = key_of(1, "a", "x");
    assert_list(storage, dag, NULL, NULL, 4, 0, "a/x=1@2 a/y=2@3 a/z=3@4 ");
    assert_list(storage, dag, "a", &after, 4, 0, "a/y=2@3 a/z=3@4 ");
    assert_list(storage, dag, NULL, NULL, 6, 0, "a/x=10@5 a/z=3@4 ");
    assert_list(storage, dag, NULL, NULL, 0, 0, "a/w=40@9 a/x=10@5 a/y=20@7 ");
    struct names names = {.dag = dag};
    struct error err;
    assert_int_equal(storage_list(storage, 1, (struct str){0}, NULL, 10, add_name, &names, &err),
                     ERROR_TIMEOUT);
    storage_compact(storage, 5);
    assert_list(storage, dag, NULL, NULL, 5, 0, "a/x=10@5 a/y=2@3 a/z=3@4 ");
    assert_int_equal(storage_list(storage, 1, (struct str){0}, NULL, 4, add_name, &names, &err),
                     ERROR_GONE);
    assert_int_equal(err.status, 410);
    assert_string_equal(err.reason, "Expired");
    finish(storage, dag);
}

static void storage_refuses_what_it_cannot_hold(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, 0);
    struct storage_key key = key_of(1, "a", "x"), far = key_of(STORAGE_RESOURCES, "a", "x");
    struct error err;
    assert_int_equal(storage_put(storage, &key, str_of("{"), &err), ERROR_REJECTED);
    assert_int_equal(storage_put(storage, &key, str_of("[]"), &err), ERROR_REJECTED);
    assert_int_equal(storage_put(storage, &far, str_of("{}"), &err), ERROR_INVALID);
    assert_int_equal(storage_delete(storage, &key, str_of("{}"), &err), ERROR_NOT_FOUND);
    put(storage, 1, "a", "x", 1);
    assert_int_equal(storage_delete(storage, &key, str_of("1"), &err), ERROR_REJECTED);
    uint64_t revision;
    assert_int_equal(value_of(dag, storage_get(storage, &key, &revision)), 1);
    assert_int_equal(revision, 2);
    assert_int_equal(storage_revision(storage), 2);
    finish(storage, dag);
}

/* --- watches --------------------------------------------------------------------------------- */

struct teller {
    struct storage_watcher watcher;
    struct storage *storage;
    const struct dag *dag;
    struct strbuf text; /* "+x=1 " created, "=x=2 " changed, "-x=2 " deleted */
    void (*also)(struct teller *teller);
    struct teller *other;
    int calls;
};

static void tell(struct storage_watcher *watcher, const struct storage_change *change) {
    struct teller *teller = CONTAINER_OF(watcher, struct teller, watcher);
    char sign = change->old == NODE_NONE ? '+' : change->now == NODE_NONE ? '-' : '=';
    assert_int_equal(change->key.resource, watcher->resource);
    assert_true((change->last != NODE_NONE) == (sign == '-'));
    strbuf_printf(&teller->text, "%c%.*s=%d ", sign, STR_ARG(change->key.name),
                  (int)value_of(teller->dag, sign == '-' ? change->old : change->now));
    teller->calls++;
    if (teller->also)
        teller->also(teller);
}

static struct teller teller_of(struct storage *storage, struct dag *dag) {
    return (struct teller){
        .watcher = {.resource = 1, .changed = tell}, .storage = storage, .dag = dag};
}

static void assert_told(struct teller *teller, const char *expected) {
    assert_string_equal(teller->text.data ? teller->text.data : "", expected);
    strbuf_clear(&teller->text);
}

static void storage_watch_replays_and_goes_on(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, /* history= */ 4);
    struct teller teller = teller_of(storage, dag), later = teller_of(storage, dag);
    struct error err;
    put(storage, 1, "a", "x", 1);
    put(storage, 2, "a", "other", 1);
    put(storage, 1, "a", "x", 2); /* revision 4 */
    assert_int_equal(storage_watch(storage, &teller.watcher, 2, &err), 0);
    assert_told(&teller, "=x=2 ");
    storage_unwatch(&teller.watcher);
    assert_int_equal(storage_watch(storage, &teller.watcher, 0, &err), 0);
    assert_told(&teller, "+x=1 =x=2 ");
    assert_int_equal(storage_watch(storage, &later.watcher, 5, &err), 0); /* in the future */
    drop(storage, 1, "a", "x");
    put(storage, 2, "a", "other", 2);
    assert_told(&teller, "-x=2 ");
    assert_told(&later, "");
    storage_unwatch(&teller.watcher);
    storage_unwatch(&teller.watcher);
    put(storage, 1, "a", "y", 3);
    assert_told(&teller, "");
    assert_told(&later, "+y=3 ");
    assert_int_equal(storage_watch(storage, &teller.watcher, 2, &err), ERROR_GONE);
    storage_unwatch(&teller.watcher);
    assert_int_equal(storage_watch(storage, &teller.watcher, 3, &err), 0);
    assert_told(&teller, "=x=2 -x=2 +y=3 ");
    storage_compact(storage, UINT64_MAX);
    storage_unwatch(&teller.watcher);
    assert_int_equal(storage_watch(storage, &teller.watcher, 6, &err), ERROR_GONE);
    assert_int_equal(storage_watch(storage, &teller.watcher, UINT64_MAX, &err), 0);
    finish(storage, dag);
    storage_unwatch(&later.watcher); /* after the storage: nothing happens */
    strbuf_finish(&teller.text);
    strbuf_finish(&later.text);
}

static void put_twice(struct teller *teller) {
    if (teller->calls > 1)
        return;
    put(teller->storage, 1, "a", "y", 7);
    put(teller->storage, 1, "a", "z", 8);
    struct storage_key key = key_of(1, "a", "z");
    assert_int_equal(value_of(teller->dag, storage_get(teller->storage, &key, NULL)), 8);
}

static void storage_change_inside_a_call_is_told_in_order(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, /* history= */ 1);
    struct teller first = teller_of(storage, dag), second = teller_of(storage, dag);
    struct error err;
    first.also = put_twice;
    assert_int_equal(storage_watch(storage, &first.watcher, 1, &err), 0);
    assert_int_equal(storage_watch(storage, &second.watcher, 1, &err), 0);
    put(storage, 1, "a", "x", 1);
    assert_told(&first, "+x=1 +y=7 +z=8 ");
    assert_told(&second, "+x=1 +y=7 +z=8 ");
    assert_int_equal(storage_revision(storage), 4);
    finish(storage, dag);
    strbuf_finish(&first.text);
    strbuf_finish(&second.text);
}

/* The same while a watch replays: the history is kept for it however short it should be. */
static void storage_change_inside_a_replay_is_told_in_order(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, /* history= */ 2);
    struct teller first = teller_of(storage, dag), second = teller_of(storage, dag);
    struct error err;
    put(storage, 1, "a", "w", 0);
    put(storage, 1, "a", "x", 1);
    first.also = put_twice;
    assert_int_equal(storage_watch(storage, &second.watcher, 3, &err), 0);
    assert_int_equal(storage_watch(storage, &first.watcher, 1, &err), 0);
    assert_told(&first, "+w=0 +x=1 +y=7 +z=8 ");
    assert_told(&second, "+y=7 +z=8 ");
    storage_unwatch(&second.watcher);
    assert_int_equal(storage_watch(storage, &second.watcher, 2, &err), ERROR_GONE);
    finish(storage, dag);
    strbuf_finish(&first.text);
    strbuf_finish(&second.text);
}

static void leave(struct teller *teller) {
    storage_unwatch(&teller->watcher);
    memset(&teller->watcher, 0xee, sizeof teller->watcher); /* as if it were freed */
}

static void leave_both(struct teller *teller) {
    leave(teller->other);
    leave(teller);
}

static void storage_watcher_may_leave_inside_a_call(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, 0);
    struct teller tellers[4];
    struct error err;
    for (int i = 0; i < 4; i++) {
        tellers[i] = teller_of(storage, dag);
        assert_int_equal(storage_watch(storage, &tellers[i].watcher, 1, &err), 0);
    }
    tellers[1].also = leave_both;
    tellers[1].other = &tellers[2]; /* the very next one */
    put(storage, 1, "a", "x", 1);
    put(storage, 1, "a", "x", 2);
    assert_told(&tellers[0], "+x=1 =x=2 ");
    assert_told(&tellers[1], "+x=1 ");
    assert_told(&tellers[2], "");
    assert_told(&tellers[3], "+x=1 =x=2 ");
    strbuf_finish(&tellers[1].text);
    tellers[1] = teller_of(storage, dag);
    tellers[1].also = leave;
    assert_int_equal(storage_watch(storage, &tellers[1].watcher, 1, &err),
                     0); /* while it replays */
    assert_told(&tellers[1], "+x=1 ");
    finish(storage, dag);
    for (int i = 0; i < 4; i++)
        strbuf_finish(&tellers[i].text);
}

static void watch_other(struct teller *teller) {
    struct error err;
    if (teller->calls == 1)
        assert_int_equal(storage_watch(teller->storage, &teller->other->watcher, 1, &err), 0);
}

static void storage_watch_inside_a_call_is_told_once(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = storage_of(&dag, 0);
    struct teller first = teller_of(storage, dag), second = teller_of(storage, dag);
    struct error err;
    first.also = watch_other;
    first.other = &second;
    second.also = put_twice;
    assert_int_equal(storage_watch(storage, &first.watcher, 1, &err), 0);
    put(storage, 1, "a", "x", 1);
    assert_told(&first, "+x=1 +y=7 +z=8 ");
    assert_told(&second, "+x=1 +y=7 +z=8 ");
    finish(storage, dag);
    strbuf_finish(&first.text);
    strbuf_finish(&second.text);
}

/* --- any operations against a plain list of all changes ----------------------------------------
 */

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
    return key_of((unsigned)key % 3, spaces[key / 3 % 4], name);
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
    assert_int_equal(value_of(model->dag, change->old), before);
    assert_int_equal(value_of(model->dag, change->now), model->changes[self->next - 2].value);
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
        assert_int_equal(drop(model->storage, where.resource, where.ns.data, name),
                         ERROR_NOT_FOUND);
        return;
    }
    model->changes[model->revision - 1].key = key;
    model->changes[model->revision - 1].value = value;
    model->revision++;
    int rc = deletes ? drop(model->storage, where.resource, where.ns.data, name)
                     : put(model->storage, where.resource, where.ns.data, name, value);
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
    assert_int_equal(value_of(list->model->dag, item->node), value);
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
        int rc = storage_list(model->storage, list.resource, all_or(list.ns),
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
        model->storage = storage_of(&model->dag, HISTORY);
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
        finish(model->storage, model->dag);
        mem_free(model);
    }
}

/* --- many, and little memory -------------------------------------------------------------------
 */

static void count_change(struct storage_watcher *watcher, const struct storage_change *change) {
    (void)change;
    struct teller *teller = CONTAINER_OF(watcher, struct teller, watcher);
    teller->calls++;
}

static bool count_item(void *context, const struct storage_item *item) {
    (void)item;
    ++*(size_t *)context;
    return true;
}

static void storage_bears_many_objects_and_watchers(void **state) {
    (void)state;
    enum { OBJECTS = 100000, TELLERS = 1000 };
    struct dag *dag;
    struct storage *storage = storage_of(&dag, 0);
    struct error err;
    char ns[16], name[16];
    for (int i = 0; i < OBJECTS; i++) {
        int scattered = (int)((int64_t)i * 7919 % OBJECTS);
        snprintf(ns, sizeof ns, "ns-%d", scattered % 100);
        snprintf(name, sizeof name, "pod-%06d", scattered);
        assert_int_equal(put(storage, 1, ns, name, scattered), 0);
    }
    struct teller *tellers = mem_calloc(TELLERS, sizeof *tellers);
    for (unsigned i = 0; i < TELLERS; i++) {
        tellers[i].watcher.resource = 1 + i % 2;
        tellers[i].watcher.changed = count_change;
        uint64_t revision = storage_revision(storage);
        assert_int_equal(storage_watch(storage, &tellers[i].watcher, revision, &err), 0);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "pod-%06d", i);
        snprintf(ns, sizeof ns, "ns-%d", i);
        assert_int_equal(put(storage, 1, ns, name, -i), 0);
    }
    for (unsigned i = 0; i < TELLERS; i++)
        assert_int_equal(tellers[i].calls, i % 2 == 0 ? 100 : 0);
    size_t listed = 0;
    assert_int_equal(
        storage_list(storage, 1, str_of("ns-7"), NULL, OBJECTS, count_item, &listed, &err), 0);
    assert_int_equal(listed, OBJECTS / 100);
    assert_int_equal(storage_count(storage, 1), OBJECTS);
    finish(storage, dag);
    mem_free(tellers);
}

static void storage_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err;
        struct dag *dag = dag_create(NULL, &err);
        struct storage *storage =
            dag ? storage_create(&(struct storage_options){.dag = dag}, &err) : NULL;
        if (storage) {
            struct storage_watcher watcher = {.resource = 1, .changed = count_change};
            struct teller teller = {.watcher = watcher};
            struct storage_key key = key_of(1, "a", "x");
            size_t listed = 0;
            storage_watch(storage, &teller.watcher, 1, &err);
            for (int i = 0; i < 3; i++) {
                uint64_t revision = storage_revision(storage), at = 0;
                int rc = i < 2 ? put(storage, 1, "a", "x", i) : drop(storage, 1, "a", "x");
                assert_true(rc == 0 || rc == ERROR_NOMEM || (i == 2 && rc == ERROR_NOT_FOUND));
                assert_int_equal(storage_revision(storage), rc == 0 ? revision + 1 : revision);
                storage_get(storage, &key, &at);
                if (rc == 0 && i < 2)
                    assert_int_equal(at, revision + 1);
            }
            int rc = storage_list(storage, 1, (struct str){0}, NULL, 1, count_item, &listed, &err);
            assert_true(rc == 0 || rc == ERROR_NOMEM);
            assert_int_equal(listed, 0);
            storage_unwatch(&teller.watcher);
        }
        storage_destroy(storage);
        if (dag)
            assert_int_equal(dag_stats(dag).nodes, 0);
        dag_destroy(dag);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_lists_in_the_order_of_etcd_keys),
        cmocka_unit_test(storage_lists_as_of_an_older_revision),
        cmocka_unit_test(storage_refuses_what_it_cannot_hold),
        cmocka_unit_test(storage_watch_replays_and_goes_on),
        cmocka_unit_test(storage_change_inside_a_call_is_told_in_order),
        cmocka_unit_test(storage_change_inside_a_replay_is_told_in_order),
        cmocka_unit_test(storage_watcher_may_leave_inside_a_call),
        cmocka_unit_test(storage_watch_inside_a_call_is_told_once),
        cmocka_unit_test(storage_does_as_a_plain_list_of_changes),
        cmocka_unit_test(storage_bears_many_objects_and_watchers),
        cmocka_unit_test(storage_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
