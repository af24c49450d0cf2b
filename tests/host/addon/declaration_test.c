#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "addon/declaration.h"
#include "support/oom_sweep.h"

static const char text[] =
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"app\",\"source\":\"app.lua:3\","
    "\"resource\":{\"kind\":\"example.com/v1/App\",\"labels\":\"a=b\",\"namespaces\":[\"x\"],"
    "\"annotations\":{\"k\":[\"v\"],\"p\":true},\"when\":\"spec_changed\"},"
    "\"owns\":[{\"kind\":\"apps/v1/Deployment\"}],\"reads\":[{\"kind\":\"v1/Node\"}],"
    "\"writes\":[{\"kind\":\"v1/Secret\",\"verbs\":[\"create\"]}],\"secrets\":[\"s\",\"n/t\"],"
    "\"handlers\":[\"reconcile\",\"finalize\"],\"indexes\":{\"v1/Node\":[\"by_ip\"]},"
    "\"retry\":{\"base\":0.5,\"attempts\":3},\"config\":{\"a\":{\"type\":\"integer\"}}}],"
    "\"crds\":[{\"metadata\":{\"name\":\"apps.example.com\"},\"spec\":{\"group\":\"example.com\","
    "\"scope\":\"Namespaced\",\"names\":{\"kind\":\"App\",\"plural\":\"apps\"},"
    "\"versions\":[{\"name\":\"v1\",\"subresources\":{\"status\":{}}}]}}]}";

static void declaration_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err;
        struct declaration *declaration = declaration_parse(str_of(text), &err);
        if (declaration == NULL)
            assert_true(err.code == ERROR_NOMEM || err.code == ERROR_INVALID);
        declaration_destroy(declaration);
    }
}

static void declaration_of_another_shape_is_refused(void **state) {
    (void)state;
    /* clang-format off */
    static const char *const bad[] = {
        "{",
        "{\"definitions\":[{\"type\":\"daemon\",\"name\":\"a\"}]}",
        "{\"definitions\":[{\"type\":\"controller\",\"name\":\"a\"}]}",
        "{\"definitions\":[{\"type\":\"controller\",\"name\":\"a\",\"resource\":{\"kind\":\"Pod\"}}]}",
        "{\"definitions\":[{\"type\":\"startup\",\"name\":\"a\",\"handlers\":[\"children\"]}]}",
        "{\"definitions\":[{\"type\":\"startup\",\"name\":\"a\",\"timeout\":-1}]}",
        "{\"crds\":[{}]}",
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err = {0};
        assert_null(declaration_parse(str_of(bad[i]), &err));
        assert_int_equal(err.code, ERROR_INVALID);
    }
}

static void declaration_says_what_may_be_read_and_written(void **state) {
    (void)state;
    struct error err = {0};
    struct declaration *declaration = declaration_parse(str_of(text), &err);
    assert_non_null(declaration);
    const struct definition *d = &declaration->definitions[0];
    assert_int_equal(d->retry_base_ns, 500000000);
    assert_int_equal(d->retry_attempts, 3);
    assert_int_equal(d->resource.when, WHEN_SPEC);
    assert_true(definition_owns(d, "apps/v1/Deployment"));
    assert_true(definition_may_read(d, "v1/Node", &err));
    assert_false(definition_may_read(d, "v1/Secret", &err));
    assert_non_null(strstr(err.message, "add reads = { \"v1/Secret\" }"));
    assert_true(definition_may_write(d, "v1/Secret", "create", &err));
    assert_false(definition_may_write(d, "v1/Secret", "delete", &err));
    assert_false(definition_may_write(d, "v1/Node", "patch", &err));
    assert_non_null(strstr(err.message, "add writes = { \"v1/Node\" }"));
    assert_true(definition_may_write(d, "example.com/v1/App", "patch", &err));
    assert_false(definition_may_write(d, "example.com/v1/App", "delete", &err));
    declaration_destroy(declaration);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declaration_survives_each_failed_allocation),
        cmocka_unit_test(declaration_of_another_shape_is_refused),
        cmocka_unit_test(declaration_says_what_may_be_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
