#include "cache/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static bool labels_match(const char *text, const char *labels) {
    struct dag *dag = dag_create(NULL, NULL);
    struct error err = {0};
    struct selector *selector = selector_parse(text, &err);
    if (selector == NULL)
        fail_msg("%s", err.message);
    node_t node = labels ? dag_parse(dag, str_of(labels), 0, &err) : NODE_NONE;
    bool matches = selector_matches(selector, dag, node);
    node_unref(dag, node);
    selector_destroy(selector);
    dag_destroy(dag);
    return matches;
}

static bool fields_match(const char *text, const char *json) {
    struct dag *dag = dag_create(NULL, NULL);
    struct error err = {0};
    struct field_selector *selector = field_selector_parse(text, &err);
    if (selector == NULL)
        fail_msg("%s", err.message);
    node_t node = dag_parse(dag, str_of(json), 0, &err);
    bool matches = field_selector_matches(selector, dag, node);
    node_unref(dag, node);
    field_selector_destroy(selector);
    dag_destroy(dag);
    return matches;
}

/* R7: selectors that are not pushed to the server mean the same in the host. */
static void match_labels_follow_the_servers_grammar(void **state) {
    (void)state;
    static const char labels[] =
        "{\"app\":\"web\",\"tier\":\"\",\"n\":\"5\",\"x.io/in\":\"notin\",\"in\":\"in\"}";
    static const char *const yes[] = {"",
                                      "  ",
                                      "app",
                                      "app=web",
                                      "app==web",
                                      "app = web",
                                      "app in (web)",
                                      "app in ( a , web )",
                                      "app notin (a,b)",
                                      "none notin (a)",
                                      "none!=x",
                                      "app!=x",
                                      "!none",
                                      "! none",
                                      "tier=",
                                      "tier in (,a)",
                                      "tier in (a,)",
                                      "tier in ()",
                                      "n>4",
                                      "n > 4, n<6",
                                      "app,tier,!z",
                                      "x.io/in=notin",
                                      "x.io/in in (in,notin)",
                                      "in in (in)",
                                      "app=web,x.io/in,n notin (6)",
                                      "n>-1"};
    static const char *const no[] = {
        "none", "app=x", "app!=web", "app in (a,b)", "app notin (web)", "!app", "n>5",
        "n<5",  "app>1", "none>1",   "tier=x",       "app=web,none",    "none="};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!labels_match(yes[i], labels))
            fail_msg("%s should match", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (labels_match(no[i], labels))
            fail_msg("%s should not match", no[i]);
    assert_true(labels_match("!a", NULL));
    assert_false(labels_match("a", NULL));
    assert_true(selector_matches(NULL, NULL, NODE_NONE));
}

static void match_nonsense_is_invalid(void **state) {
    (void)state;
    static const char *const labels[] = {
        ",",        "a,",
        ",a",       "a in",
        "a in (,",  "a in (b",
        "a in b",   "a=b=c",
        "a b",      "=a",
        "a>x",      "a>",
        "-a",       "a/",
        "/a",       "a/b/c",
        "UP/b",     "a=-b",
        "a==(b)",   "!a=b",
        "!!a",      "a in (b) c",
        "a=b/c",    "a..b/c",
        "a exists", "a234567890123456789012345678901234567890123456789012345678901234"};
    static const char *const fields[] = {"a", "=a", "!=a", "a=b=c", "a=\\x", "a=b\\", "a=b,c"};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        struct error err = {0};
        if (selector_parse(labels[i], &err))
            fail_msg("%s should be refused", labels[i]);
        assert_int_equal(err.code, ERROR_INVALID);
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct error err = {0};
        if (field_selector_parse(fields[i], &err))
            fail_msg("%s should be refused", fields[i]);
        assert_int_equal(err.code, ERROR_INVALID);
    }
}

/* As kube-apiserver 1.36 says it. */
static void match_nonsense_is_told_in_the_servers_words(void **state) {
    (void)state;
    static const char *const said[][2] = {
        {"=1", "found '=', expected: !, identifier, or 'end of string'"},
        {"x,=1", "found '=', expected: identifier after ','"},
        {"x=1 2", "found '2', expected: ',' or 'end of string'"},
        {"x in", "unable to parse requirement: found '' expected: '('"},
        {"x in (a", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"x 1", "unable to parse requirement: found '1', expected: in, notin, =, ==, !=, gt, lt"},
        {"x>a", "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' "
                "operators, the value must be an integer"},
    };
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct error err = {0};
        assert_null(selector_parse(said[i][0], &err));
        assert_string_equal(err.message, said[i][1]);
    }
}

static void match_fields_by_path(void **state) {
    (void)state;
    static const char json[] = "{\"metadata\":{\"name\":\"a,b=c\\\\\"},\"status\":{\"phase\":"
                               "\"Running\",\"n\":3,\"ok\":true}}";
    static const char *const yes[] = {"",
                                      "status.phase=Running",
                                      "status.phase==Running,status.n=3",
                                      "status.phase!=Failed",
                                      "status.none=",
                                      "status.none!=x",
                                      "metadata.name=a\\,b\\=c\\\\",
                                      "status.ok=true",
                                      ",status.n=3,,"};
    static const char *const no[] = {"status.phase=Failed", "status.phase!=Running",
                                     "status.none=x", "status=x", "status.n=3,status.ok=false"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        if (!fields_match(yes[i], json))
            fail_msg("%s should match", yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        if (fields_match(no[i], json))
            fail_msg("%s should not match", no[i]);
}

static void match_parse_survives_each_failed_allocation(void **state) {
    (void)state;
    uint64_t blocks = mem_stats().blocks;
    bool hit = true;
    for (uint64_t n = 0; hit; n++) {
        struct error err = {0};
        mem_fail_at(n, /* forever= */ false);
        struct selector *selector = selector_parse("a in (b,c),!d,e=f,g>1,h", &err);
        hit = mem_fail_stop();
        assert_true(hit ? selector == NULL && err.code == ERROR_NOMEM : selector != NULL);
        selector_destroy(selector);
        mem_fail_at(n, /* forever= */ false);
        struct field_selector *fields = field_selector_parse("a=b,c!=d\\,e,f=", &err);
        bool hit_fields = mem_fail_stop();
        assert_true(hit_fields ? fields == NULL && err.code == ERROR_NOMEM : fields != NULL);
        field_selector_destroy(fields);
        hit |= hit_fields;
        assert_int_equal(mem_stats().blocks, blocks);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(match_labels_follow_the_servers_grammar),
        cmocka_unit_test(match_nonsense_is_invalid),
        cmocka_unit_test(match_nonsense_is_told_in_the_servers_words),
        cmocka_unit_test(match_fields_by_path),
        cmocka_unit_test(match_parse_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
