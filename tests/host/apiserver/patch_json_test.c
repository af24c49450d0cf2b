#include "apiserver/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cache/json_patch.h"
#include "support/oom_sweep.h"
#include "support/random_json.h"

#define UNFIT "the server rejected our request due to an error in our request"

static json_t *load(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    return value;
}

static void assert_gives(const char *from, const char *patch, const char *expected) {
    json_t *a = load(from), *b = load(patch), *c = load(expected);
    struct error err = {0};
    json_t *result = patch_json(a, b, &err);
    if (result == NULL || !json_equal(result, c))
        fail_msg("%s + %s is not %s: %s", from, patch, expected, err.message);
    json_decref(result);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void assert_refused(const char *from, const char *patch, int status, const char *message) {
    json_t *a = load(from), *b = load(patch), *before = json_deep_copy(a);
    struct error err = {0};
    json_t *result = patch_json(a, b, &err);
    if (result)
        fail_msg("%s + %s is not refused", from, patch);
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_int_equal(err.status, status);
    assert_string_equal(err.reason, status == 400 ? "BadRequest" : "Invalid");
    assert_string_equal(err.message, message);
    assert_true(json_equal(a, before));
    json_decref(before);
    json_decref(a);
    json_decref(b);
}

static void assert_unfit(const char *from, const char *patch) {
    assert_refused(from, patch, 422, UNFIT);
}

#define OP(op, path) "[{\"op\":\"" op "\",\"path\":\"" path "\"}]"
#define FROM(op, from, path) "[{\"op\":\"" op "\",\"from\":\"" from "\",\"path\":\"" path "\"}]"
#define VALUE(op, path, value) "[{\"op\":\"" op "\",\"path\":\"" path "\",\"value\":" value "}]"

/* What RFC 6902, appendix A, shows. */
static void json_does_the_six_operations(void **state) {
    (void)state;
    assert_gives("{\"k\":1}", VALUE("add", "/j", "2"), "{\"j\":2,\"k\":1}");
    assert_gives("{\"k\":[1,3]}", VALUE("add", "/k/1", "2"), "{\"k\":[1,2,3]}");
    assert_gives("{\"k\":1,\"j\":2}", OP("remove", "/j"), "{\"k\":1}");
    assert_gives("{\"k\":[1,2,3]}", OP("remove", "/k/1"), "{\"k\":[1,3]}");
    assert_gives("{\"k\":1,\"j\":2}", VALUE("replace", "/k", "3"), "{\"k\":3,\"j\":2}");
    assert_gives("{\"k\":{\"l\":1,\"m\":2},\"j\":{}}", FROM("move", "/k/m", "/j/n"),
                 "{\"k\":{\"l\":1},\"j\":{\"n\":2}}");
    assert_gives("{\"k\":[1,2,3,4]}", FROM("move", "/k/1", "/k/3"), "{\"k\":[1,3,4,2]}");
    assert_gives("{\"k\":[1,{\"l\":2}]}", FROM("copy", "/k/1", "/j"),
                 "{\"k\":[1,{\"l\":2}],\"j\":{\"l\":2}}");
    assert_gives("{\"k\":\"v\",\"l\":[1,\"x\"]}",
                 "[{\"op\":\"test\",\"path\":\"/k\",\"value\":\"v\"},"
                 "{\"op\":\"test\",\"path\":\"/l/1\",\"value\":\"x\"}]",
                 "{\"k\":\"v\",\"l\":[1,\"x\"]}");
    assert_unfit("{\"k\":\"v\"}", VALUE("test", "/k", "\"w\""));
    assert_gives("{}", VALUE("add", "/k", "{\"l\":{}}"), "{\"k\":{\"l\":{}}}");
    assert_gives("{}", "[{\"op\":\"add\",\"path\":\"/k\",\"value\":1,\"more\":2}]", "{\"k\":1}");
    assert_unfit("{\"k\":1}", VALUE("add", "/j/l", "2"));
    assert_gives("{\"/\":9,\"~1\":10}", VALUE("test", "/~01", "10"), "{\"/\":9,\"~1\":10}");
    assert_unfit("{\"/\":9,\"~1\":10}", VALUE("test", "/~01", "\"10\""));
    assert_gives("{\"k\":[1]}", VALUE("add", "/k/-", "[2,3]"), "{\"k\":[1,[2,3]]}");
}

/* RFC 6901, section 5 */
static void json_finds_every_key(void **state) {
    (void)state;
    const char *from = "{\"f\":[\"x\",\"y\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"i\\\\j\":5,"
                       "\"k\\\"l\":6,\" \":7,\"m~n\":8,\"0\":9}";
    static const char *const tests[] = {
        VALUE("test", "/f", "[\"x\",\"y\"]"),
        VALUE("test", "/f/0", "\"x\""),
        VALUE("test", "/", "0"),
        VALUE("test", "/a~1b", "1"),
        VALUE("test", "/c%d", "2"),
        VALUE("test", "/e^f", "3"),
        VALUE("test", "/i\\\\j", "5"),
        VALUE("test", "/k\\\"l", "6"),
        VALUE("test", "/ ", "7"),
        VALUE("test", "/m~0n", "8"),
        VALUE("test", "/0", "9"),
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        assert_gives(from, tests[i], from);
    assert_gives("{\"~\":1}", VALUE("test", "/~", "1"), "{\"~\":1}");
    assert_gives("{\"~2\":1}", VALUE("test", "/~2", "1"), "{\"~2\":1}");
}

static void json_of_the_whole_document(void **state) {
    (void)state;
    assert_gives("{\"a\":1}", VALUE("test", "", "{\"a\":1}"), "{\"a\":1}");
    assert_gives("{\"a\":1}", VALUE("replace", "", "{\"b\":1}"), "{\"b\":1}");
    assert_gives("{\"a\":1}", VALUE("replace", "", "[1]"), "[1]");
    assert_unfit("{}", VALUE("replace", "", "1"));
    assert_unfit("{}", OP("replace", ""));
    assert_unfit("{}", OP("test", ""));
    assert_unfit("{}", VALUE("add", "", "{}"));
    assert_unfit("{}", OP("remove", ""));
    assert_unfit("{}", FROM("move", "", "/a"));
    assert_unfit("{}", FROM("copy", "", "/a"));
}

/* What the real server takes though the RFC does not. */
static void json_is_as_lenient_as_the_server(void **state) {
    (void)state;
    assert_gives("{}", VALUE("replace", "/a", "1"), "{\"a\":1}");
    assert_gives("{}", OP("add", "/a"), "{\"a\":null}");
    assert_gives("{}", FROM("copy", "/b", "/a"), "{\"a\":null}");
    assert_gives("{}", VALUE("test", "/a", "null"), "{}");
    assert_gives("{\"a\":null}", OP("test", "/a"), "{\"a\":null}");
    assert_gives("{}", VALUE("add", "x/a", "1"), "{\"a\":1}");
    assert_gives("{\"a\":[1,2,3]}", OP("remove", "/a/-1"), "{\"a\":[1,2]}");
    assert_gives("{\"a\":[1,2,3]}", VALUE("add", "/a/-1", "4"), "{\"a\":[1,2,3,4]}");
    assert_gives("{\"a\":[1,2,3]}", VALUE("replace", "/a/+01", "4"), "{\"a\":[1,4,3]}");
    assert_gives("{\"a\":1}", "null", "{\"a\":1}");
    assert_gives("{\"a\":1}", "[]", "{\"a\":1}");
}

static void json_that_does_not_apply_is_unprocessable(void **state) {
    (void)state;
    assert_unfit("{}", OP("remove", "/a"));
    assert_unfit("{}", FROM("move", "/a", "/b"));
    assert_unfit("{\"a\":{}}", FROM("move", "/a", "/a/b"));
    assert_unfit("{\"a\":1}", VALUE("add", "/a/b", "1"));
    assert_unfit("{\"a\":null}", VALUE("add", "/a/b", "1"));
    assert_unfit("{\"a\":[]}", OP("remove", "/a/0"));
    assert_unfit("{\"a\":[]}", OP("remove", "/a/-1"));
    assert_unfit("{\"a\":[1]}", VALUE("add", "/a/3", "1"));
    assert_unfit("{\"a\":[1]}", VALUE("add", "/a/-3", "1"));
    assert_unfit("{\"a\":[1]}", VALUE("replace", "/a/1", "1"));
    assert_unfit("{\"a\":[1]}", VALUE("replace", "/a/-", "1"));
    assert_unfit("{\"a\":[1]}", VALUE("add", "/a/b", "1"));
    assert_unfit("{\"a\":[1]}", VALUE("add", "/a/", "1"));
    assert_unfit("{\"a\":[1]}", VALUE("add", "/a/99999999999999999999", "1"));
    assert_unfit("{\"a\":[1]}", VALUE("test", "/a/1", "null"));
    assert_unfit("{\"a\":1}", OP("test", "/a"));
    assert_unfit("{\"a\":1}", VALUE("test", "/a", "1.0"));
    assert_unfit("{}", OP("jump", "/a"));
    assert_unfit("{}", VALUE("add", "a", "1"));
    assert_unfit("{}", VALUE("add", "/a\\u0000b", "1"));
    assert_unfit("{}", "[{\"op\":\"add\",\"value\":1}]");
    assert_unfit("{}", "[{\"op\":\"add\",\"path\":null,\"value\":1}]");
    assert_unfit("{}", "[{\"path\":\"/a\",\"value\":1}]");
    assert_unfit("{\"a\":1}", OP("move", "/b"));
    assert_unfit("{}", "[null]");
    assert_unfit("1", VALUE("add", "/a", "1"));
}

static void json_that_is_no_patch_is_a_bad_request(void **state) {
    (void)state;
#define BAD "error decoding patch: json: cannot unmarshal "
    assert_refused("{}", "{}", 400, BAD "object into Go value of type []handlers.jsonPatchOp");
    assert_refused("{}", "\"x\"", 400, BAD "string into Go value of type []handlers.jsonPatchOp");
    assert_refused("{}", "[1]", 400, BAD "number into Go value of type handlers.jsonPatchOp");
    assert_refused("{}", "[{\"op\":1}]", 400,
                   BAD "number into Go struct field jsonPatchOp.op of type string");
    assert_refused("{}", "[{\"op\":\"add\",\"path\":[\"a\"]}]", 400,
                   BAD "array into Go struct field jsonPatchOp.path of type string");
    assert_refused("{}", "[{\"op\":\"move\",\"from\":true}]", 400,
                   BAD "bool into Go struct field jsonPatchOp.from of type string");
#undef BAD
}

static json_t *repeated(const char *operation, int count) {
    json_t *patch = json_array(), *one = load(operation);
    for (int i = 0; i < count; i++)
        json_array_append(patch, one);
    json_decref(one);
    return patch;
}

static void json_of_too_many_operations_is_too_large(void **state) {
    (void)state;
    json_t *from = load("{\"a\":1}");
    json_t *patch = repeated("{\"op\":\"test\",\"path\":\"/a\",\"value\":1}", 10000);
    struct error err = {0};
    json_t *result = patch_json(from, patch, &err);
    assert_non_null(result);
    json_array_append(patch, json_array_get(patch, 0));
    assert_null(patch_json(from, patch, &err));
    assert_int_equal(err.status, 413);
    assert_string_equal(err.reason, "RequestEntityTooLarge");
    assert_string_equal(err.message, "Request entity too large: The allowed maximum operations in "
                                     "a JSON patch is 10000, got 10001");
    json_decref(result);
    json_decref(patch);
    json_decref(from);
}

static void json_copies_are_bounded(void **state) {
    (void)state;
    json_t *from = load("{\"a\":[\"0123456789\"]}");
    json_t *patch = repeated("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}", 40);
    struct error err = {0};
    assert_null(patch_json(from, patch, &err)); /* would double 40 times */
    assert_int_equal(err.status, 422);
    json_decref(patch);
    json_decref(from);
}

/* `levels` objects below "a", each in the one before. */
static json_t *nested(int levels) {
    json_t *value = json_integer(1);
    for (int i = 0; i < levels; i++)
        value = json_pack("{s:o}", "a", value);
    return value;
}

static char *path_of(int levels) {
    char *path = mem_zalloc((size_t)levels * 2 + 1);
    for (int i = 0; i < levels; i++)
        memcpy(path + 2 * i, "/a", 2);
    return path;
}

static int status_of(const json_t *from, json_t *operation) {
    struct error err = {0};
    json_t *patch = json_pack("[o]", operation), *result = patch_json(from, patch, &err);
    json_decref(patch);
    json_decref(result);
    return err.status;
}

static void json_cannot_make_a_document_too_deep(void **state) {
    (void)state;
    json_t *from = nested(300);
    json_object_set_new(from, "b", nested(300));
    char *far = path_of(212), *near = path_of(211);
    assert_int_equal(
        status_of(from, json_pack("{ssssso}", "op", "add", "path", far, "value", nested(301))),
        422);
    assert_int_equal(
        status_of(from, json_pack("{ssssso}", "op", "replace", "path", far, "value", nested(300))),
        0);
    assert_int_equal(
        status_of(from, json_pack("{ssssss}", "op", "copy", "from", "/b", "path", far)), 0);
    assert_int_equal(
        status_of(from, json_pack("{ssssss}", "op", "move", "from", "/b", "path", far)), 0);
    json_object_set_new(from, "b", nested(301));
    assert_int_equal(
        status_of(from, json_pack("{ssssss}", "op", "copy", "from", "/b", "path", far)), 422);
    assert_int_equal(
        status_of(from, json_pack("{ssssss}", "op", "move", "from", "/b", "path", far)), 422);
    assert_int_equal(
        status_of(from, json_pack("{ssssss}", "op", "move", "from", "/b", "path", near)), 0);
    mem_free(far);
    mem_free(near);
    json_decref(from);
}

static json_t *random_document(struct rng *rng) {
    json_t *value = random_json(rng, 4);
    while (!json_is_object(value) && !json_is_array(value)) {
        json_decref(value);
        value = random_json(rng, 4);
    }
    return value;
}

static char *difference(struct dag *dag, const json_t *from, const json_t *to) {
    char *before = json_dumps(from, 0), *after = json_dumps(to, 0);
    node_t a = dag_parse(dag, str_of(before), 0, NULL), b = dag_parse(dag, str_of(after), 0, NULL);
    struct strbuf buf = {0};
    struct json_writer writer;
    json_writer_init(&writer, &buf);
    assert_true(node_json_patch(dag, a, b, &writer) >= 0);
    node_unref(dag, a);
    node_unref(dag, b);
    mem_free(before);
    mem_free(after);
    return strbuf_take(&buf);
}

static void json_of_a_difference_gives_the_second(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    for (unsigned seed = 0; seed < 20000; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        json_t *from = random_document(&rng), *to = random_document(&rng);
        char *text = difference(dag, from, to);
        json_t *patch = load(text), *result = patch_json(from, patch, NULL);
        if (result == NULL || !json_equal(result, to))
            fail_msg("seed %u: %s", seed, text);
        mem_free(text);
        json_decref(from);
        json_decref(to);
        json_decref(patch);
        json_decref(result);
    }
    dag_destroy(dag);
}

static void json_survives_each_failed_allocation(void **state) {
    (void)state;
    json_t *from = load("{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":3}");
    json_t *patch = load("[{\"op\":\"add\",\"path\":\"/a/b/-\",\"value\":{\"x\":[1]}},"
                         "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/e\"},"
                         "{\"op\":\"move\",\"from\":\"/d\",\"path\":\"/f\"},"
                         "{\"op\":\"replace\",\"path\":\"/a/b/0\",\"value\":\"y\"},"
                         "{\"op\":\"test\",\"path\":\"/f\",\"value\":3},"
                         "{\"op\":\"remove\",\"path\":\"/a\"}]");
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        json_t *result = patch_json(from, patch, &err);
        assert_true(result ? err.code == 0 : err.code == ERROR_NOMEM);
        json_decref(result);
    }
    json_decref(from);
    json_decref(patch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_does_the_six_operations),
        cmocka_unit_test(json_finds_every_key),
        cmocka_unit_test(json_of_the_whole_document),
        cmocka_unit_test(json_is_as_lenient_as_the_server),
        cmocka_unit_test(json_that_does_not_apply_is_unprocessable),
        cmocka_unit_test(json_that_is_no_patch_is_a_bad_request),
        cmocka_unit_test(json_of_too_many_operations_is_too_large),
        cmocka_unit_test(json_copies_are_bounded),
        cmocka_unit_test(json_cannot_make_a_document_too_deep),
        cmocka_unit_test(json_of_a_difference_gives_the_second),
        cmocka_unit_test(json_survives_each_failed_allocation),
    };
    json_set_alloc_funcs(mem_alloc, mem_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
