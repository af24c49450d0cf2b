#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cache/dag.h"

enum { DROP = DAG_DROP_MANAGED_FIELDS | DAG_DROP_LAST_APPLIED };

/* What comes out with a guess is what comes out without. */
static void same(struct dag *dag, struct str json, node_t like) {
    struct error plain = {0}, guessed = {0};
    node_t expected = dag_parse(dag, json, DROP, &plain);
    node_t node = dag_parse_like(dag, json, DROP, &(struct dag_guess){.like = like}, &guessed);
    if (node != expected || strcmp(plain.message, guessed.message) != 0)
        fail_msg("%.*s: \"%s\" became \"%s\"", STR_ARG(json), plain.message, guessed.message);
    node_unref(dag, node);
    node_unref(dag, expected);
}

static void guess_accepts_what_is_json_and_nothing_else(void **state) {
    (void)state;
    static const char *const documents[] = {
        "{\"a\":1,\"b\":\"x\",\"c\":[1,2,{\"d\":null}],\"e\":{}}",
        "{\"a\":1,\"b\":\"x\",\"c\":[1,2,{\"d\":null}],\"e\":{},\"f\":2}",
        "{\"a\":1,\"b\":\"x\",\"c\":[1,2,{\"d\":null}]}",
        "{\"a\":1,\"b\":\"y\",\"c\":[1,2],\"e\":{}}",
        "{\"a\":1,\"c\":[1,2,{\"d\":null},{\"d\":null},{\"d\":1,\"d\":2}],\"e\":{}}",
        "{\"a\":1,\"b\":\"x\",\"b\":\"x\",\"c\":[1,2,{\"d\":null}],\"e\":{}}",
        "{\"a\":1,\"b\":\"x\",\"c\":[1,2,{\"d\":null}],\"a\":{}}",
        "{\"a\":1\"b\":\"x\"}",
        "{\"a\":1,,\"b\":\"x\"}",
        "{,\"a\":1}",
        "{\"a\":1,\"b\":\"x\",}",
        "{\"a\":12,\"b\":\"xy\"}",
        "{\"a\":1.0,\"b\":\"x\"}",
        "{\"a\":1e5}",
        "{\"a\":1",
        "{\"a\":",
        "{\"a\"",
        "{\"a\":1]",
        "{\"a\":1,\"c\":[1 2]}",
        "{\"a\":1,\"c\":[1,2,]}",
        "{\"a\":1,\"c\":[,1]}",
        "{\"a\":1,\"c\":[12,{\"d\":nul}]}",
        "{\"a\":1,\"c\":[1,2,{\"d\":nullx}]}",
        "{ \"a\" : 1 , \"b\" : \"x\" , \"c\" : [ 1 , 2 , { \"d\" : null } ] , \"e\" : { } }",
        "{\"\\u0061\":1,\"b\":\"\\u0078\"}",
        "{\"a\":1,\"b\":\"\\\"x\"}",
        "{\"a\":1,\"b\":\"\\\\\"}",
        "{\"a\":1,\"b\":\"\\\"}",
        "{\"a\":[1],\"b\":{\"x\":1},\"c\":{},\"e\":[]}",
        "[]",
        "7",
        "{}",
        "",
        ("{\"kind\":\"A\",\"metadata\":{\"name\":\"a\",\"managedFields\":[1],\"uid\":\"u\"},\"x\":"
         "1}"),
        "{\"kind\":\"A\",\"metadata\":{\"name\":\"b\",\"namespace\":\"n\",\"managedFields\":[}]}}",
        ("{\"kind\":\"A\",\"metadata\":{\"name\":{\"a\":1},\"namespace\":[1],\"uid\":\"u\"},\"x\":"
         "1}"),
        "{\"metadata\":{\"managedFields\":[{\"a\":\"\\\"\"}],\"name\":\"a\"},\"kind\":\"A\"}",
    };
    enum { COUNT = sizeof documents / sizeof *documents };
    struct dag *dag = dag_create(NULL, NULL);
    for (size_t i = 0; i < COUNT; i++) {
        node_t like = dag_parse(dag, str_of(documents[i]), DROP, NULL);
        for (size_t j = 0; j < COUNT; j++)
            same(dag, str_of(documents[j]), like);
        node_unref(dag, like);
    }
    assert_int_equal(dag_stats(dag).nodes, 0);
    dag_destroy(dag);
}

/* A value of up to `depth` levels out of few keys and texts, so that two have much in common. */
static void random_value(struct rng *rng, struct strbuf *buf, unsigned depth) {
    static const char *const scalars[] = {
        "1",    "12",    "-1.5",       "1.50",   "true",        "false",       "null",
        "\"\"", "\"a\"", "\"a\\\"b\"", "\"ab\"", "\"\\u00e9\"", "\"\xc3\xa9\""};
    uint64_t what = rng_below(rng, depth ? 4 : 2);
    if (what < 2) {
        strbuf_adds(buf, scalars[rng_below(rng, sizeof scalars / sizeof *scalars)]);
        return;
    }
    strbuf_addc(buf, what == 2 ? '[' : '{');
    for (uint64_t i = 0, count = rng_below(rng, 12); i < count; i++) {
        strbuf_adds(buf, i ? "," : "");
        if (what == 3)
            strbuf_printf(buf, "\"%s%d\":", rng_below(rng, 40) ? "k" : "k\\n", (int)i);
        random_value(rng, buf, depth - 1);
    }
    strbuf_addc(buf, what == 2 ? ']' : '}');
}

/* One byte another, some bytes less, or white space more. */
static void damage(struct rng *rng, struct strbuf *buf) {
    static const char bytes[] = "{}[],:\"\\ 0a\n";
    if (buf->len == 0)
        return;
    size_t at = (size_t)rng_below(rng, buf->len);
    switch (rng_below(rng, 3)) {
    case 0:
        buf->data[at] = bytes[rng_below(rng, sizeof bytes - 1)];
        break;
    case 1:
        buf->len = at;
        break;
    default:
        if (strchr("{}[],:", buf->data[at])) {
            strbuf_addc(buf, ' ');
            memmove(buf->data + at + 1, buf->data + at, buf->len - at - 1);
            buf->data[at] = ' ';
        }
    }
}

static void guess_is_never_seen_in_what_comes_out(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    struct rng rng;
    rng_init(&rng, 11);
    struct strbuf model = {0}, other = {0};
    for (int i = 0; i < 3000; i++) {
        strbuf_clear(&model);
        strbuf_clear(&other);
        random_value(&rng, &model, 4);
        random_value(&rng, &other, 4);
        node_t like = dag_parse(dag, strbuf_view(&model), DROP, NULL);
        same(dag, strbuf_view(&other), like);
        for (int j = 0; j < 6; j++) {
            same(dag, strbuf_view(&model), like);
            damage(&rng, &model);
        }
        node_unref(dag, like);
    }
    strbuf_finish(&model);
    strbuf_finish(&other);
    assert_int_equal(dag_stats(dag).nodes, 0);
    dag_destroy(dag);
}

struct versions {
    struct dag *dag;
    node_t root;
    unsigned asked;
};

static node_t find(void *context, struct str ns, struct str name) {
    struct versions *versions = context;
    const struct dag *dag = versions->dag;
    versions->asked++;
    return str_equal(ns, node_text(dag, node_path(dag, versions->root, "metadata.namespace"))) &&
                   str_equal(name, node_text(dag, node_path(dag, versions->root, "metadata.name")))
               ? versions->root
               : NODE_NONE;
}

static void guess_changes_to_the_known_version(void **state) {
    (void)state;
    static const char *const neighbours[] = {
        ("{\"kind\":\"A\",\"metadata\":{\"name\":\"x\",\"namespace\":\"m\",\"uid\":\"1\"},\"spec\":"
         "{"
         "\"a\":9}}"),
        "{\"metadata\":{\"labels\":{},\"name\":\"x\",\"namespace\":\"n\"},\"kind\":\"A\",\"z\":1}",
        "{\"kind\":\"A\",\"metadata\":7}", "{}"};
    static const char *const roots[] = {
        ("{\"kind\":\"A\",\"metadata\":{\"name\":\"b\",\"namespace\":\"n\",\"uid\":\"2\"},\"spec\":"
         "{"
         "\"a\":[1]}}"),
        ("{\"kind\":\"A\",\"metadata\":{\"labels\":{\"l\":\"1\"},\"name\":\"b\"},\"spec\":{\"a\":["
         "1]"
         "},\"y\":1}"),
    };
    struct dag *dag = dag_create(NULL, NULL);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < 2; k++) {
                struct versions versions = {.dag = dag};
                node_t like = dag_parse(dag, str_of(neighbours[i]), 0, NULL);
                versions.root = dag_parse(dag, str_of(roots[j]), 0, NULL);
                const struct dag_guess guess = {like, find, &versions};
                node_t node = dag_parse_like(dag, str_of(roots[k]), 0, &guess, NULL);
                node_t expected = dag_parse(dag, str_of(roots[k]), 0, NULL);
                assert_true(node == expected && node != NODE_NONE);
                if (i < 2) /* with a namespace, so all of that kind have one: asked when it came */
                    assert_int_equal(versions.asked, k == 0);
                else
                    assert_true(versions.asked > 0);
                node_t all[] = {like, versions.root, node, expected};
                for (int l = 0; l < 4; l++)
                    node_unref(dag, all[l]);
            }
    assert_int_equal(dag_stats(dag).nodes, 0);
    dag_destroy(dag);
}

static void guess_survives_each_failed_allocation(void **state) {
    (void)state;
    static const char model[] =
        "{\"a\":[1,{\"b\":\"c\"}],\"metadata\":{\"name\":\"n\",\"l\":{\"x\":\"y\"}},\"z\":0}";
    static const char other[] = "{\"a\":[1,{\"b\":\"d\"}],\"metadata\":{\"name\":\"n\",\"l\":{"
                                "\"x\":\"z\"},\"m\":1},\"zz\":\"\\n\"}";
    struct dag *dag = dag_create(NULL, NULL);
    node_t like = dag_parse(dag, str_of(model), 0, NULL), node = NODE_NONE;
    uint64_t nodes = dag_stats(dag).nodes;
    for (uint64_t i = 0; node == NODE_NONE; i++) {
        struct dag *fresh = dag_create(NULL, NULL);
        struct error err = {0};
        node_t first = dag_parse(fresh, str_of(model), 0, NULL);
        mem_fail_at(i, /* forever= */ true);
        node = dag_parse_like(fresh, str_of(other), 0, &(struct dag_guess){.like = first}, &err);
        mem_fail_stop();
        assert_true(node != NODE_NONE || err.code == ERROR_NOMEM);
        node_unref(fresh, node);
        assert_int_equal(dag_stats(fresh).nodes, nodes);
        node_unref(fresh, first);
        dag_destroy(fresh);
    }
    node_unref(dag, like);
    dag_destroy(dag);
}

/* Objects of few parts, each of which many hold: their texts are compared whole. */
static void guess_compares_what_many_hold_as_text(void **state) {
    (void)state;
    enum { PARTS = 12, HELD = 40 };
    struct dag *dag = dag_create(NULL, NULL);
    struct rng rng;
    rng_init(&rng, 5);
    struct strbuf parts[PARTS] = {{0}}, document = {0}, filler = {0};
    node_t held[HELD] = {NODE_NONE};
    size_t most = 0;
    for (int i = 0; i < 20000; i++) /* texts are kept in relation to what there is */
        strbuf_printf(&filler, "%s\"filler %d\"", i ? "," : "[", i);
    strbuf_adds(&filler, "]");
    node_t ballast = dag_parse(dag, strbuf_view(&filler), DROP, NULL);
    for (int i = 0; i < PARTS; i++) {
        strbuf_printf(&parts[i], "{\"part %d, long enough to be worth it, whatever comes\":", i);
        random_value(&rng, &parts[i], 2);
        strbuf_adds(&parts[i], "}");
    }
    for (int i = 0; i < 4000; i++) {
        node_t *place = &held[rng_below(&rng, HELD)], like = held[rng_below(&rng, HELD)];
        strbuf_clear(&document);
        strbuf_printf(&document, "{\"id\":%d,\"x\":{\"a\":%s,\"id\":%d,\"b\":[%s,1,%s]}}", i % 50,
                      parts[rng_below(&rng, PARTS)].data, i % 50,
                      parts[rng_below(&rng, PARTS)].data, parts[rng_below(&rng, PARTS)].data);
        node_t node = dag_parse_like(dag, strbuf_view(&document), DROP,
                                     &(struct dag_guess){.like = like}, NULL);
        same(dag, strbuf_view(&document), like);
        damage(&rng, &document);
        same(dag, strbuf_view(&document), like);
        node_unref(dag, *place);
        *place = node;
        most = dag->texts.count > most ? dag->texts.count : most;
    }
    assert_true(most > PARTS / 2);
    for (int i = 0; i < HELD; i++)
        node_unref(dag, held[i]);
    assert_int_equal(dag->texts.count, 0); /* they went with their nodes */
    assert_int_equal(dag->texts.bytes, 0);
    node_unref(dag, ballast);
    assert_int_equal(dag_stats(dag).nodes, 0);
    dag_destroy(dag);
    for (int i = 0; i < PARTS; i++)
        strbuf_finish(&parts[i]);
    strbuf_finish(&document);
    strbuf_finish(&filler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guess_accepts_what_is_json_and_nothing_else),
        cmocka_unit_test(guess_is_never_seen_in_what_comes_out),
        cmocka_unit_test(guess_compares_what_many_hold_as_text),
        cmocka_unit_test(guess_changes_to_the_known_version),
        cmocka_unit_test(guess_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
