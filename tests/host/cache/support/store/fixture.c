#include "cache/support/store/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void record(void *context, const struct store_delta *delta) {
    struct fixture *f = context;
    const struct object *object = delta->now ? delta->now : delta->old;
    strbuf_printf(&f->deltas, "%c%.*s:%d ", "+~-"[delta->change], STR_ARG(object_name(object)),
                  (int)object -> version);
    f->initial += delta->initial;
}

void fixture_begin(struct fixture *f, bool split) {
    *f = (struct fixture){.blocks = mem_stats().blocks};
    f->dag = dag_create(NULL, NULL);
    f->epochs = epochs_create(f->dag, NULL, NULL, NULL);
    struct store_options options = {.epochs = f->epochs,
                                    .dag = f->dag,
                                    .drop = DAG_DROP_MANAGED_FIELDS,
                                    .api_version = "v1",
                                    .kind = "Pod",
                                    .split = split,
                                    .emit = record,
                                    .context = f};
    f->store = store_create(&options, NULL);
}

void fixture_end(struct fixture *f) {
    store_destroy(f->store);
    epochs_destroy(f->epochs);
    assert_int_equal(dag_stats(f->dag).nodes, 0);
    dag_destroy(f->dag);
    strbuf_finish(&f->deltas);
    assert_int_equal(mem_stats().blocks, f->blocks);
}

struct str fixture_pod(char *buf, const char *ns, const char *name, const char *uid, int version,
                       const char *rest) {
    int len = snprintf(
        buf, 1000,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
        "\"%s\",\"uid\":\"%s\",\"resourceVersion\":\"%d\"%s}}",
        name, ns, uid, version, rest);
    return str_n(buf, (size_t)len);
}

void fixture_put(struct fixture *f, enum store_source source, const char *ns, const char *name,
                 const char *uid, int version, const char *rest) {
    char buf[1000];
    struct error err;
    if (store_put(f->store, fixture_pod(buf, ns, name, uid, version, rest), source, NULL, &err) < 0)
        fail_msg("%s", err.message);
}

void fixture_delete_event(struct fixture *f, const char *name, const char *uid, int version) {
    char buf[1000];
    assert_int_equal(
        store_delete_event(f->store, fixture_pod(buf, "ns", name, uid, version, ""), NULL), 0);
}

void fixture_assert_deltas(struct fixture *f, const char *expected) {
    assert_string_equal(f->deltas.data ? f->deltas.data : "", expected);
    strbuf_clear(&f->deltas);
}

const struct object *fixture_get(struct fixture *f, const char *name) {
    return store_get(f->store, str_of("ns"), str_of(name));
}

int fixture_setup(void **state) {
    static struct fixture fixture;
    fixture_begin(&fixture, /* split= */ false);
    *state = &fixture;
    return 0;
}

int fixture_teardown(void **state) {
    fixture_end(*state);
    return 0;
}
