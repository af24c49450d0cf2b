#include "cache/informer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/support/fake_source.h"
#include "support/given.h"

static const struct kube_resource pods = {.group = "",
                                          .version = "v1",
                                          .kind = "Pod",
                                          .plural = "pods",
                                          .api_version = "v1",
                                          .namespaced = true};
static const struct kube_resource nodes = {
    .group = "", .version = "v1", .kind = "Node", .plural = "nodes", .api_version = "v1"};

struct fixture {
    struct clock_fake clock;
    struct loop *loop;
    struct rng rng;
    struct dag *dag;
    struct epochs *epochs;
    struct fake_source fake;
    struct informer_set *set;
    struct log log;
    int log_lines;
    uint64_t blocks;
};

struct watcher {
    struct informer_handler handler;
    struct strbuf deltas;
    int states[8], state_count;
    bool leave;
    struct informer *release;
};

static void record(struct informer_handler *handler, const struct store_delta *delta) {
    struct watcher *w = CONTAINER_OF(handler, struct watcher, handler);
    const struct object *object = delta->now ? delta->now : delta->old;
    strbuf_printf(&w->deltas, "%c%.*s:%d%s ", "+~-"[delta->change], STR_ARG(object_name(object)),
                  (int)object -> version, delta -> initial ? "i" : "");
    if (w->leave)
        informer_remove_handler(handler);
    if (w->release)
        informer_release(w->release);
    w->release = NULL;
}

static void record_state(struct informer_handler *handler, enum informer_state state) {
    struct watcher *w = CONTAINER_OF(handler, struct watcher, handler);
    w->states[w->state_count++ % 8] = (int)state;
}

static void watcher_init(struct watcher *w) {
    *w = (struct watcher){.handler = {.on_delta = record, .on_state = record_state}};
}

static void watcher_finish(struct watcher *w) {
    informer_remove_handler(&w->handler);
    strbuf_finish(&w->deltas);
}

static void assert_deltas(struct watcher *w, const char *expected) {
    assert_string_equal(w->deltas.data ? w->deltas.data : "", expected);
    strbuf_clear(&w->deltas);
}

static int count_line(void *context, const char *line, size_t len) {
    (void)line, (void)len;
    ((struct fixture *)context)->log_lines++;
    return 0;
}

static void begin(struct fixture *f) {
    *f = (struct fixture){.blocks = mem_stats().blocks};
    clock_fake_init(&f->clock, 1000 * NS_PER_S, 0);
    f->log = (struct log){.clock = &f->clock.clock, .write = count_line, .context = f};
    f->loop = loop_create(&f->clock.clock, NULL);
    rng_init(&f->rng, 4);
    f->dag = dag_create(NULL, NULL);
    f->epochs = epochs_create(f->dag, NULL, NULL, NULL);
    fake_source_init(&f->fake);
    struct informer_set_options options = {
        .loop = f->loop, .dag = f->dag, .epochs = f->epochs, .rng = &f->rng, .log = &f->log};
    f->set = informer_set_create_over(&options, &f->fake.source, NULL);
}

static void finish(struct fixture *f) {
    informer_set_destroy(f->set);
    assert_int_equal(fake_source_open(&f->fake), 0);
    epochs_destroy(f->epochs);
    dag_destroy(f->dag);
    loop_destroy(f->loop);
    assert_int_equal(mem_stats().blocks, f->blocks);
}

static struct informer *acquire(struct fixture *f, struct informer_key key) {
    struct error err;
    key.api_version = "v1";
    key.kind = key.kind ? key.kind : "Pod";
    struct informer *informer = informer_acquire(f->set, &key, &err);
    if (informer == NULL)
        fail_msg("%s", err.message);
    return informer;
}

static void pass(struct fixture *f, uint64_t seconds) {
    loop_advance(f->loop, &f->clock, seconds * NS_PER_S);
}

GIVEN(struct fixture, begin, finish)

static void informer_is_shared_and_counted(void **state) {
    struct fixture *f = *state;
    const char *two[] = {"b", "a", NULL}, *same[] = {"a", "b", NULL}, *one[] = {"a", NULL};
    struct informer *all = acquire(f, (struct informer_key){0});
    assert_true(acquire(f, (struct informer_key){.label_selector = ""}) == all);
    assert_true(acquire(f, (struct informer_key){.metadata_only = true}) == all); /* R23 */
    struct informer *others[] = {acquire(f, (struct informer_key){.label_selector = "a=b"}),
                                 acquire(f, (struct informer_key){.keep_managed_fields = true}),
                                 acquire(f, (struct informer_key){.namespaces = one}),
                                 acquire(f, (struct informer_key){.namespaces = two}),
                                 acquire(f, (struct informer_key){.field_selector = "a=b"})};
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++)
            assert_ptr_not_equal(others[i], others[j]);
    assert_true(acquire(f, (struct informer_key){.namespaces = same}) == others[3]);
    informer_release(others[3]);
    int count = 0;
    for (struct informer *i = NULL; (i = informer_next(f->set, i));)
        count++;
    assert_int_equal(count, 6);
    for (int i = 0; i < 5; i++)
        informer_release(others[i]);
    informer_release(all);
    informer_release(all);
    assert_non_null(informer_next(f->set, NULL));
    informer_release(all);
    assert_null(informer_next(f->set, NULL));
    assert_int_equal(fake_source_open(&f->fake), 0);
    pass(f, 0);
    /* metadata only first: who needs whole objects gets an informer that has them */
    struct informer *meta = acquire(f, (struct informer_key){.metadata_only = true});
    struct informer *full = acquire(f, (struct informer_key){0});
    assert_ptr_not_equal(meta, full);
    informer_release(meta);
    informer_release(full);
}

static void informer_bad_selector_is_invalid(void **state) {
    struct fixture *f = *state;
    struct error err;
    struct informer_key key = {.api_version = "v1", .kind = "Pod", .label_selector = "a in"};
    assert_null(informer_acquire(f->set, &key, &err));
    assert_int_equal(err.code, ERROR_INVALID);
}

static void informer_syncs_and_replays(void **state) {
    struct fixture *f = *state;
    struct watcher first, late, leaving;
    watcher_init(&first);
    watcher_init(&late);
    watcher_init(&leaving);
    struct informer *informer = acquire(f, (struct informer_key){0});
    informer_add_handler(informer, &first.handler, true);
    assert_int_equal(informer_state(informer), INFORMER_WAITING);
    assert_null(informer_resource(informer));
    fake_resolve(f->fake.last_lookup, &pods, 0);
    assert_int_equal(informer_state(informer), INFORMER_SYNCING);
    fake_pod(f->fake.last_watch, KUBE_ADDED, "a", 1);
    fake_pod(f->fake.last_watch, KUBE_ADDED, "b", 2);
    assert_int_equal(informer_state(informer), INFORMER_SYNCING); /* R10 */
    fake_bookmark(f->fake.last_watch, 5, true);
    assert_int_equal(informer_state(informer), INFORMER_SYNCED);
    assert_int_equal(first.state_count, 2);
    assert_int_equal(first.states[1], INFORMER_SYNCED);
    leaving.leave = true;
    informer_add_handler(informer, &late.handler, true);
    informer_add_handler(informer, &leaving.handler, true);
    fake_pod(f->fake.last_watch, KUBE_MODIFIED, "a", 6);
    assert_deltas(&first, "+a:1i +b:2i ~a:6 ");
    assert_int_equal(strlen(late.deltas.data), strlen("+a:1i +b:2i ~a:6 "));
    assert_int_equal(strlen(leaving.deltas.data), strlen("+a:1i "));
    struct informer_stats stats = informer_stats(informer);
    assert_int_equal(stats.objects, 2);
    assert_int_equal(stats.lists, 1);
    assert_int_equal(stats.events, 3);
    watcher_finish(&first);
    watcher_finish(&late);
    watcher_finish(&leaving);
    informer_release(informer);
}

static void informer_waits_for_a_kind_that_appears_later(void **state) {
    struct fixture *f = *state;
    struct watcher w;
    watcher_init(&w);
    struct informer *informer = acquire(f, (struct informer_key){0});
    informer_add_handler(informer, &w.handler, true);
    for (int i = 0; i < 5; i++) {
        fake_resolve(f->fake.last_lookup, NULL, i == 3 ? ERROR_UNAVAILABLE : ERROR_NOT_FOUND);
        assert_int_equal(informer_state(informer), INFORMER_WAITING);
        assert_int_equal(informer_error(informer)->code,
                         i == 3 ? ERROR_UNAVAILABLE : ERROR_NOT_FOUND);
        assert_non_null(strstr(informer_error(informer)->message, "list and watch v1/Pod"));
        int lookups = f->fake.lookups;
        pass(f, 10);
        assert_int_equal(f->fake.lookups, lookups + 1);
    }
    assert_int_equal(f->log_lines, 3); /* not once per try */
    fake_resolve(f->fake.last_lookup, &pods, 0);
    assert_int_equal(informer_state(informer), INFORMER_SYNCING);
    fake_bookmark(f->fake.last_watch, 5, true);
    assert_int_equal(informer_state(informer), INFORMER_SYNCED);
    assert_int_equal(informer_error(informer)->code, 0);
    watcher_finish(&w);
    informer_release(informer);
}

static void informer_forbidden_waits_and_is_retried(void **state) {
    struct fixture *f = *state;
    struct informer *informer = acquire(f, (struct informer_key){0});
    fake_resolve(f->fake.last_lookup, &pods, 0);
    fake_watch_end(f->fake.last_watch, ERROR_FORBIDDEN, 403, 0);
    assert_int_equal(informer_state(informer), INFORMER_WAITING); /* R10 */
    assert_int_equal(informer_error(informer)->code, ERROR_FORBIDDEN);
    pass(f, 1);
    fake_bookmark(f->fake.last_watch, 5, true);
    assert_int_equal(informer_state(informer), INFORMER_SYNCED);
    fake_watch_end(f->fake.last_watch, ERROR_FORBIDDEN, 403, 0);
    assert_int_equal(informer_state(informer), INFORMER_SYNCED); /* stays so */
    assert_int_equal(informer_error(informer)->code, ERROR_FORBIDDEN);
    pass(f, 2);
    fake_pod(f->fake.last_watch, KUBE_ADDED, "a", 6);
    assert_int_equal(informer_error(informer)->code, 0);
    informer_release(informer);
}

static void informer_follows_a_crd_deleted_and_recreated(void **state) {
    struct fixture *f = *state;
    struct watcher w;
    watcher_init(&w);
    struct informer *informer = acquire(f, (struct informer_key){0});
    informer_add_handler(informer, &w.handler, true);
    fake_resolve(f->fake.last_lookup, &pods, 0);
    fake_pod(f->fake.last_watch, KUBE_ADDED, "a", 1);
    fake_bookmark(f->fake.last_watch, 5, true);
    fake_watch_end(f->fake.last_watch, ERROR_NOT_FOUND, 404, 0);
    assert_int_equal(f->fake.forgotten, 1);
    assert_null(informer_resource(informer));
    assert_non_null(strstr(informer_error(informer)->message, "was its CRD deleted?"));
    pass(f, 1);
    fake_resolve(f->fake.last_lookup, NULL, ERROR_NOT_FOUND);
    pass(f, 10);
    fake_resolve(f->fake.last_lookup, &pods, 0);
    fake_pod(f->fake.last_watch, KUBE_ADDED, "b", 20);
    fake_bookmark(f->fake.last_watch, 21, true);
    assert_deltas(&w, "+a:1i +b:20 -a:1 ");
    assert_int_equal(informer_state(informer), INFORMER_SYNCED);
    assert_int_equal(informer_stats(informer).lists, 2);
    assert_int_equal(informer_error(informer)->code, 0);
    assert_int_equal(f->log_lines, 2); /* gone; works again */
    fake_watch_end(f->fake.last_watch, ERROR_NOT_FOUND, 404, 0);
    assert_int_equal(f->log_lines, 3);
    watcher_finish(&w);
    informer_release(informer);
}

static void informer_of_namespaces_lists_each(void **state) {
    struct fixture *f = *state;
    struct watcher w;
    watcher_init(&w);
    const char *two[] = {"one", "two", NULL};
    struct informer *informer = acquire(f, (struct informer_key){.namespaces = two});
    informer_add_handler(informer, &w.handler, true);
    fake_resolve(f->fake.last_lookup, &pods, 0);
    struct kube_watch *one = &f->fake.watch[0], *other = &f->fake.watch[1];
    assert_string_equal(one->ns, "one");
    assert_string_equal(other->ns, "two");
    fake_pod(one, KUBE_ADDED, "a", 1);
    fake_pod(other, KUBE_ADDED, "b", 2);
    fake_bookmark(one, 5, true);
    assert_int_equal(informer_state(informer), INFORMER_SYNCING);
    fake_bookmark(other, 5, true);
    assert_int_equal(informer_state(informer), INFORMER_SYNCED);
    pass(f, 1);
    fake_watch_end(one, ERROR_GONE, 410, 0); /* its relist is not the other's */
    fake_bookmark(f->fake.last_watch, 9, true);
    assert_deltas(&w, "+a:1i +b:2i -a:1 ");
    watcher_finish(&w);
    informer_release(informer);
    pass(f, 0);
    informer = acquire(f, (struct informer_key){.kind = "Node", .namespaces = two});
    fake_resolve(f->fake.last_lookup, &nodes, 0); /* cluster-scoped: one watch, no namespace */
    assert_int_equal(fake_source_open(&f->fake), 1);
    assert_string_equal(f->fake.last_watch->ns, "(null)");
    informer_release(informer);
}

/* An answer to a write; what came of it is given to nobody here. */
static void wrote(struct fixture *f, const char *kind, const char *json) {
    node_unref(f->dag, informer_set_wrote(f->set, "v1", kind, str_of(json), NULL));
}

/* What the script gets is what the cache has, parsed once; managedFields are for who keeps them. */
static void informer_set_gives_what_was_written(void **state) {
    struct fixture *f = *state;
    struct error err;
    const char *json =
        "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\","
        "\"uid\":\"u1\",\"resourceVersion\":\"7\",\"managedFields\":[{\"manager\":\"m\"}]}}";
    struct informer *keeps = acquire(f, (struct informer_key){.keep_managed_fields = true});
    for (int i = 0; i < 2; i++) {
        struct informer *drops = i ? acquire(f, (struct informer_key){0}) : NULL;
        node_t root = informer_set_wrote(f->set, "v1", "Pod", str_of(json), &err);
        assert_true(node_is(f->dag, node_path(f->dag, root, "metadata.uid"), "u1"));
        assert_int_equal(node_path(f->dag, root, "metadata.managedFields"), NODE_NONE);
        const struct object *kept = store_get(informer_store(keeps), str_of("ns"), str_of("a"));
        assert_int_equal(
            node_count(f->dag, node_path(f->dag, kept->root, "metadata.managedFields")), 1);
        if (drops)
            assert_int_equal(store_get(informer_store(drops), str_of("ns"), str_of("a"))->root,
                             root);
        node_unref(f->dag, root);
        if (drops)
            informer_release(drops);
    }
    assert_int_equal(informer_set_wrote(f->set, "v1", "Pod", str_of("nonsense"), &err), NODE_NONE);
    assert_int_equal(err.code, ERROR_REJECTED);
    informer_release(keeps);
}

/* R5 */
static void informer_set_takes_own_writes_where_they_fit(void **state) {
    struct fixture *f = *state;
    const char *ns[] = {"ns", NULL}, *other[] = {"other", NULL};
    struct informer *all = acquire(f, (struct informer_key){0});
    struct informer *inside =
        acquire(f, (struct informer_key){.namespaces = ns, .label_selector = "app=web"});
    struct informer *outside = acquire(f, (struct informer_key){.namespaces = other});
    struct informer *unmatched = acquire(f, (struct informer_key){.label_selector = "app!=web"});
    struct informer *meta = acquire(
        f, (struct informer_key){.field_selector = "metadata.name=a", .metadata_only = true});
    const char *json =
        "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"ns\","
        "\"uid\":\"u1\","
        "\"resourceVersion\":\"7\",\"labels\":{\"app\":\"web\"}},\"spec\":{\"x\":1}}";
    wrote(f, "Pod", json);
    wrote(f, "Pod", "nonsense");
    wrote(f, "Other", json);
    assert_int_equal(store_count(informer_store(all)), 1);
    assert_int_equal(store_count(informer_store(inside)), 1);
    assert_int_equal(store_count(informer_store(outside)), 0);
    assert_int_equal(store_count(informer_store(unmatched)), 0);
    const struct object *object = store_get(informer_store(meta), str_of("ns"), str_of("a"));
    assert_int_equal(node_path(f->dag, object->root, "spec"), NODE_NONE);
    assert_true(node_is(f->dag, node_path(f->dag, object->root, "kind"), "Pod"));
    object = informer_set_find(f->set, "v1", "Pod", str_of("ns"), str_of("a"));
    assert_int_not_equal(node_path(f->dag, object->root, "spec.x"), NODE_NONE);
    object_unpin(object);
    informer_set_deleted(f->set, "v1", "Pod", str_of("ns"), str_of("a"), str_of("u1"));
    assert_null(informer_set_find(f->set, "v1", "Pod", str_of("ns"), str_of("a")));
    wrote(f, "Pod", json); /* late */
    assert_int_equal(store_count(informer_store(all)), 0);
    struct informer *each[] = {all, inside, outside, unmatched, meta};
    for (int i = 0; i < 5; i++)
        informer_release(each[i]);
}

/* A pod that one informer still has, while another one that should have it knows that it is gone.
 */
static void informer_set_doubts_what_not_all_have(void **state) {
    struct fixture *f = *state;
    const char *selectors[] = {"", "!app", "app"};
    struct informer *informers[3];
    struct kube_watch *watches[3];
    for (int i = 0; i < 3; i++) {
        informers[i] = acquire(f, (struct informer_key){.label_selector = selectors[i]});
        fake_resolve(f->fake.last_lookup, &pods, 0);
        watches[i] = f->fake.last_watch;
        if (i < 2)
            fake_pod(watches[i], KUBE_ADDED, "a", 1);
    }
    const struct object *a = informer_set_find(f->set, "v1", "Pod", str_of("ns"), str_of("a"));
    assert_non_null(a);
    for (int i = 0; i < 3; i++) {
        fake_bookmark(watches[i], 5, true);
        assert_false(informer_set_doubts(f->set, "v1", "Pod", a));
    }
    fake_pod(watches[1], KUBE_DELETED, "a", 6);
    assert_true(informer_set_doubts(f->set, "v1", "Pod", a));
    assert_false(informer_set_doubts(f->set, "v1", "Node", a));
    fake_pod(watches[0], KUBE_DELETED, "a", 6);
    assert_null(informer_set_find(f->set, "v1", "Pod", str_of("ns"), str_of("a")));
    object_unpin(a);
    for (int i = 0; i < 3; i++)
        informer_release(informers[i]);
}

/* R5: a new informer has not heard of our writes; its first list must be from after them. */
static void informer_of_a_kind_we_wrote_begins_with_the_newest_state(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct fixture f;
        begin(&f);
        if (i == 1)
            wrote(&f, "Pod", "{}");
        if (i == 2)
            informer_set_deleted(f.set, "v1", "Pod", str_of("ns"), str_of("a"), str_of("u1"));
        struct informer *informer = acquire(&f, (struct informer_key){0});
        fake_resolve(f.fake.last_lookup, &pods, 0);
        fake_watch_end(f.fake.last_watch, ERROR_REJECTED, 422, 0); /* no streaming lists */
        assert_string_equal(f.fake.last_list->version, i == 0 ? "0" : "(null)");
        informer_release(informer);
        finish(&f);
    }
}

/* R23 */
static void informer_metadata_only_keeps_the_kind(void **state) {
    struct fixture *f = *state;
    struct informer *informer = acquire(f, (struct informer_key){.metadata_only = true});
    fake_resolve(f->fake.last_lookup, &pods, 0);
    assert_true(f->fake.last_watch->options.select.metadata_only);
    fake_event(f->fake.last_watch, KUBE_ADDED,
               "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/"
               "v1\",\"metadata\":{\"name\":\"a\","
               "\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":\"3\"}}");
    const struct object *object = store_get(informer_store(informer), str_of("ns"), str_of("a"));
    assert_true(node_is(f->dag, node_path(f->dag, object->root, "kind"), "Pod"));
    assert_true(node_is(f->dag, node_path(f->dag, object->root, "apiVersion"), "v1"));
    informer_release(informer);
}

static void informer_released_from_its_handler_stops(void **state) {
    struct fixture *f = *state;
    struct watcher w;
    watcher_init(&w);
    struct informer *informer = acquire(f, (struct informer_key){0});
    informer_add_handler(informer, &w.handler, true);
    fake_resolve(f->fake.last_lookup, &pods, 0);
    w.release = informer;
    fake_pod(f->fake.last_watch, KUBE_ADDED, "a", 1);
    assert_int_equal(fake_source_open(&f->fake), 0);
    pass(f, 1);
    strbuf_finish(&w.deltas);
}

static void informer_acquire_survives_each_failed_allocation(void **state) {
    (void)state;
    const char *two[] = {"one", "two", NULL};
    struct informer_key key = {.api_version = "v1",
                               .kind = "Pod",
                               .namespaces = two,
                               .label_selector = "a=b",
                               .field_selector = "c=d"};
    bool hit = true;
    for (uint64_t n = 0; hit; n++) {
        struct fixture f;
        struct error err = {0};
        begin(&f);
        mem_fail_at(n, /* forever= */ false);
        struct informer *informer = informer_acquire(f.set, &key, &err);
        hit = mem_fail_stop();
        assert_true(hit ? informer == NULL && err.code == ERROR_NOMEM : informer != NULL);
        informer_release(informer);
        finish(&f);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(informer_is_shared_and_counted),
        TEST(informer_bad_selector_is_invalid),
        TEST(informer_syncs_and_replays),
        TEST(informer_waits_for_a_kind_that_appears_later),
        TEST(informer_forbidden_waits_and_is_retried),
        TEST(informer_follows_a_crd_deleted_and_recreated),
        TEST(informer_of_namespaces_lists_each),
        TEST(informer_set_gives_what_was_written),
        TEST(informer_set_takes_own_writes_where_they_fit),
        TEST(informer_set_doubts_what_not_all_have),
        cmocka_unit_test(informer_of_a_kind_we_wrote_begins_with_the_newest_state),
        TEST(informer_metadata_only_keeps_the_kind),
        TEST(informer_released_from_its_handler_stops),
        cmocka_unit_test(informer_acquire_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
