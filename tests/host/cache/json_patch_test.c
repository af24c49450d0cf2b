#include "cache/json_patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/mem.h"
#include "base/rng.h"
#include "support/random_json.h"

static struct dag *dag;

static node_t parse(const char *json) {
    node_t node = dag_parse(dag, str_of(json), 0, NULL);
    assert_int_not_equal(node, NODE_NONE);
    return node;
}

static char *patch_of(const char *from, const char *to, int *ret_count) {
    struct strbuf buf = {0};
    struct json_writer writer;
    node_t a = parse(from), b = parse(to);
    json_writer_init(&writer, &buf);
    *ret_count = node_json_patch(dag, a, b, &writer);
    node_unref(dag, a);
    node_unref(dag, b);
    return strbuf_take(&buf);
}

static void assert_patch(const char *from, const char *to, const char *expected) {
    int count;
    char *text = patch_of(from, to, &count);
    assert_string_equal(text, expected);
    mem_free(text);
}

static void patch_names_each_place_once(void **state) {
    (void)state;
    assert_patch("{\"a\":1}", "{\"a\":1}", "[]");
    assert_patch("{\"a\":{\"x\":1,\"y\":2}}", "{\"a\":{\"y\":2,\"x\":1}}", "[]");
    assert_patch("{\"a\":1}", "{\"a\":2}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":2}]");
    assert_patch("{\"a\":1}", "{}", "[{\"op\":\"remove\",\"path\":\"/a\"}]");
    assert_patch("{}", "{\"a\":null}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]");
    assert_patch("{\"a\":{}}", "{\"a\":[]}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":[]}]");
    assert_patch("{\"m\":{}}", "{\"m\":{\"a/b~c\":\"\"}}",
                 "[{\"op\":\"add\",\"path\":\"/m/a~1b~0c\",\"value\":\"\"}]");
    assert_patch("[1]", "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"a\":1}}]");
}

static void patch_of_arrays_is_minimal(void **state) {
    (void)state;
    assert_patch("[1,2,3]", "[1,3]", "[{\"op\":\"remove\",\"path\":\"/1\"}]");
    assert_patch("[1,3]", "[1,2,3]", "[{\"op\":\"add\",\"path\":\"/1\",\"value\":2}]");
    assert_patch("[1,2]", "[0,1,2]", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":0}]");
    assert_patch("[1,2]", "[1,2,3,4]",
                 "[{\"op\":\"add\",\"path\":\"/2\",\"value\":3},"
                 "{\"op\":\"add\",\"path\":\"/3\",\"value\":4}]");
    assert_patch("[1,2,3,4,5]", "[2,4,6]",
                 "[{\"op\":\"remove\",\"path\":\"/0\"},{\"op\":\"remove\",\"path\":\"/1\"},"
                 "{\"op\":\"replace\",\"path\":\"/2\",\"value\":6}]");
    assert_patch("[{\"name\":\"a\",\"image\":\"x\"},{\"name\":\"b\"}]",
                 "[{\"name\":\"i\"},{\"name\":\"a\",\"image\":\"y\"},{\"name\":\"b\"}]",
                 "[{\"op\":\"replace\",\"path\":\"/0/name\",\"value\":\"i\"},"
                 "{\"op\":\"remove\",\"path\":\"/0/image\"},"
                 "{\"op\":\"add\",\"path\":\"/1\",\"value\":{\"name\":\"a\",\"image\":\"y\"}}]");
}

/* An applier of RFC 6902 that shares no code with ours. */

static json_t *step(json_t *at, const char *token, size_t len) {
    char key[256];
    size_t out = 0;
    for (size_t i = 0; i < len; i++) {
        bool escape = token[i] == '~';
        key[out++] = !escape ? token[i] : token[++i] == '0' ? '~' : '/';
    }
    key[out] = '\0';
    return json_is_array(at) ? json_array_get(at, (size_t)strtoul(key, NULL, 10))
                             : json_object_get(at, key);
}

static json_t *apply_at(json_t *parent, const char *token, const char *op, json_t *value,
                        json_t *document) {
    char key[256];
    size_t out = 0, index = strtoul(token, NULL, 10);
    for (const char *c = token; *c; c++)
        key[out++] = *c != '~' ? *c : *++c == '0' ? '~' : '/';
    key[out] = '\0';
    bool array = json_is_array(parent), add = strcmp(op, "add") == 0;
    if (strcmp(op, "remove") == 0)
        assert_int_equal(array ? json_array_remove(parent, index) : json_object_del(parent, key),
                         0);
    else if (array && add)
        assert_int_equal(json_array_insert(parent, index, value), 0);
    else if (array)
        assert_int_equal(json_array_set(parent, index, value), 0);
    else {
        assert_int_equal(json_object_get(parent, key) != NULL, !add);
        json_object_set(parent, key, value);
    }
    return document;
}

static json_t *apply(json_t *document, const json_t *patch) {
    size_t i;
    json_t *op;
    json_array_foreach(patch, i, op) {
        const char *path = json_string_value(json_object_get(op, "path"));
        json_t *at = document, *value = json_object_get(op, "value");
        if (*path == '\0') {
            json_decref(document);
            document = json_incref(value);
            continue;
        }
        const char *last = strrchr(path, '/');
        for (const char *token = path; token < last;) {
            const char *end = strchr(token + 1, '/');
            at = step(at, token + 1, (size_t)(end - token - 1));
            assert_non_null(at);
            token = end;
        }
        document =
            apply_at(at, last + 1, json_string_value(json_object_get(op, "op")), value, document);
    }
    return document;
}

/* A copy with some places changed. */
static json_t *change(struct rng *rng, const json_t *value, unsigned depth) {
    json_t *copy;
    if (rng_next(rng) % 8 == 0)
        return random_json(rng, depth);
    if (json_is_array(value)) {
        copy = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (rng_next(rng) % 6 == 0)
                continue;
            if (rng_next(rng) % 6 == 0)
                json_array_append_new(copy, random_json(rng, depth));
            json_array_append_new(copy, change(rng, json_array_get(value, i), depth));
        }
        return copy;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    const char *key;
    json_t *item;
    copy = json_object();
    json_object_foreach((json_t *)value, key, item) {
        if (rng_next(rng) % 6 != 0)
            json_object_set_new(copy, key, change(rng, item, depth));
    }
    return copy;
}

static void assert_turns(json_t *from, const json_t *to, unsigned seed) {
    int count;
    char *before = json_dumps(from, JSON_ENCODE_ANY), *after = json_dumps(to, JSON_ENCODE_ANY);
    char *text = patch_of(before, after, &count);
    json_t *patch = json_loads(text, 0, NULL);
    assert_non_null(patch);
    assert_int_equal(json_array_size(patch), count);
    json_t *result = apply(json_deep_copy(from), patch);
    if (!json_equal(result, to))
        fail_msg("seed %u: %s\n -> %s\n patch %s", seed, before, after, text);
    json_decref(result);
    json_decref(patch);
    mem_free(text);
    free(before);
    free(after);
}

static void patch_applied_to_the_first_gives_the_second(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < 100000; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        json_t *from = random_json(&rng, 4);
        json_t *to = seed % 4 == 0 ? random_json(&rng, 4) : change(&rng, from, 2);
        assert_turns(from, to, seed);
        json_decref(from);
        json_decref(to);
    }
}

static void patch_of_huge_arrays_takes_bounded_memory(void **state) {
    (void)state;
    json_t *from = json_array(), *to = json_array();
    for (int i = 0; i < 3000; i++) {
        json_array_append_new(from, json_integer(i));
        json_array_append_new(to, json_integer(3000 - i));
    }
    assert_turns(from, to, 0);
    json_decref(from);
    json_decref(to);
}

static void assert_changes(const char *from, const char *changes, const char *expected) {
    struct strbuf buf = {0};
    struct json_writer writer;
    node_t a = parse(from), b = parse(changes);
    json_writer_init(&writer, &buf);
    int count = node_json_patch_changes(dag, a, b, &writer);
    if (expected)
        assert_string_equal(buf.data, expected);
    else
        assert_int_equal(count, ERROR_INVALID);
    strbuf_finish(&buf);
    node_unref(dag, a);
    node_unref(dag, b);
}

static void patch_of_changes_says_what_they_say(void **state) {
    (void)state;
    const char *from = "{\"a\":{\"l\":[1,2],\"s\":\"x\"},\"n\":1}";
    assert_changes(from, "[]", "[]");
    assert_changes(from, "[{\"path\":[\"a\",\"s\"],\"value\":\"x\"}]", "[]");
    assert_changes(from, "[{\"path\":[\"b\"]}]", "[]");
    assert_changes(from, "[{\"path\":[\"a\",\"s\"]},{\"path\":[\"n\"],\"value\":2}]",
                   "[{\"op\":\"remove\",\"path\":\"/a/s\"},"
                   "{\"op\":\"replace\",\"path\":\"/n\",\"value\":2}]");
    assert_changes(from, "[{\"path\":[\"a\",\"l\"],\"value\":[1,2,3]}]",
                   "[{\"op\":\"add\",\"path\":\"/a/l/2\",\"value\":3}]");
    assert_changes(from, "[{\"path\":[\"a\",\"x/y\"],\"value\":{\"z\":null}}]",
                   "[{\"op\":\"add\",\"path\":\"/a/x~1y\",\"value\":{\"z\":null}}]");
    assert_changes(from, "[{\"path\":[],\"value\":{\"n\":1}}]",
                   "[{\"op\":\"remove\",\"path\":\"/a\"}]");
}

static void patch_of_changes_refuses_a_path_through_a_scalar(void **state) {
    (void)state;
    assert_changes("{\"n\":1}", "[{\"path\":[\"n\",\"x\"],\"value\":1}]", NULL);
    assert_changes("{\"n\":1}", "[{\"path\":[\"m\",\"x\"]}]", NULL);
}

static int open_dag(void **state) {
    (void)state;
    dag = dag_create(NULL, NULL);
    return dag == NULL;
}

static int close_dag(void **state) {
    (void)state;
    dag_destroy(dag);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patch_names_each_place_once),
        cmocka_unit_test(patch_of_arrays_is_minimal),
        cmocka_unit_test(patch_applied_to_the_first_gives_the_second),
        cmocka_unit_test(patch_of_huge_arrays_takes_bounded_memory),
        cmocka_unit_test(patch_of_changes_says_what_they_say),
        cmocka_unit_test(patch_of_changes_refuses_a_path_through_a_scalar),
    };
    return cmocka_run_group_tests(tests, open_dag, close_dag);
}
