#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apiserver/condition.h"

#define OBJECT "(object != null ? object : oldObject)"

static void a_condition_is_judged(void **state) {
    static const struct {
        const char *expression;
        enum condition is;
    } cases[] = {
        {"true", CONDITION_TRUE},
        {"!true || false", CONDITION_FALSE},
        {"request.userInfo.username != 'x'", CONDITION_TRUE},
        {"has(object.metadata.labels)", CONDITION_FALSE},
        {"has(object.none.labels)", CONDITION_ERROR},
        {"has(" OBJECT ".metadata.annotations) && \"a.b/c\" in " OBJECT
         ".metadata.annotations && " OBJECT ".metadata.annotations[\"a.b/c\"] == \"yes\"",
         CONDITION_TRUE},
        {"object.metadata.annotations[\"a.b/c\"] in [\"no\", \"maybe\"]", CONDITION_FALSE},
        {"!(\"spec\" in " OBJECT " && \"n\" in " OBJECT "[\"spec\"] && string(" OBJECT
         "[\"spec\"][\"n\"]) == \"3\")",
         CONDITION_FALSE},
        {"object.none == 1 && false", CONDITION_FALSE},
        {"object.none == 1 || true", CONDITION_TRUE},
        {"object.none == 1 || false", CONDITION_ERROR},
        {"object.spec.n", CONDITION_ERROR},
        {"oldObject == null && object.kind.startsWith(\"P\") && !object.kind.contains('x')",
         CONDITION_TRUE},
    };
    (void)state;
    json_t *variables =
        json_loads("{\"object\":{\"kind\":\"Pod\",\"spec\":{\"n\":3},\"metadata\":{\"annotations\":"
                   "{\"a.b/c\":\"yes\"}}},\"oldObject\":null,\"request\":{\"userInfo\":{"
                   "\"username\":\"me\"}}}",
                   0, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(condition_known(cases[i].expression));
        assert_int_equal(condition_judge(cases[i].expression, variables), cases[i].is);
    }
    json_decref(variables);
}

static void what_is_not_known_is_told(void **state) {
    static const char *const wrong[] = {"",        "object.",    "1 +",          "variables.x",
                                        "size(x)", "object.f()", "true true",    "\"a",
                                        "[1, 2",   "(true",      "object.a < 3", "true ?"};
    char deep[200] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(condition_known(wrong[i]));
    for (size_t i = 0; i < sizeof deep - 1; i++)
        deep[i] = '(';
    assert_false(condition_known(deep));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_is_judged),
        cmocka_unit_test(what_is_not_known_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
