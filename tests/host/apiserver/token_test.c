/* Signed claims, and the key that signs them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "apiserver/support/folder.h"
#include "apiserver/token.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

static char *make(const char *key) {
    json_t *claims = json_pack("{s:s, s:i}", "sub", "somebody \xc3\xbc?>", "exp", 7);
    char *token = token_make(key, claims);
    json_decref(claims);
    return token;
}

static void a_changed_token_has_no_claims(void **state) {
    (void)state;
    char *token = make("key");
    for (size_t i = 0; token[i]; i++) {
        char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        assert_null(token_claims("key", token));
        token[i] = was;
    }
    for (size_t len = strlen(token); len-- > 0;) {
        token[len] = '\0';
        assert_null(token_claims("key", token));
    }
    mem_free(token);
}

static void nonsense_has_no_claims(void **state) {
    (void)state;
    static const char *const others[] = {
        "", ".", "..", "...", "a.b", "a.b.", "eyJhbGciOiJub25lIn0.e30."};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(token_claims("key", others[i]));
    char *token = make("another key");
    assert_null(token_claims("key", token));
    mem_free(token);
}

static void claims_come_back(void **state) {
    (void)state;
    char *token = make("key");
    json_t *claims = token_claims("key", token);
    assert_string_equal(json_string_value(json_object_get(claims, "sub")), "somebody \xc3\xbc?>");
    assert_int_equal(
        strspn(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."),
        strlen(token));
    json_decref(claims);
    mem_free(token);
}

static void each_failed_allocation_is_no_token(void **state) {
    (void)state;
    char *good = make("key");
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        char *token = make("key");
        json_decref(token_claims("key", token ? token : good));
        mem_free(token);
    }
    mem_free(good);
}

static void the_seed_has_its_key(void **state) {
    (void)state;
    char one[TOKEN_KEY], same[TOKEN_KEY], other[TOKEN_KEY];
    assert_int_equal(token_key_find(one, NULL, 1, NULL), 0);
    assert_int_equal(token_key_find(same, NULL, 1, NULL), 0);
    assert_int_equal(token_key_find(other, NULL, 2, NULL), 0);
    assert_int_equal(strlen(one), TOKEN_KEY - 1);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
}

static void the_folder_keeps_its_key(void **state) {
    (void)state;
    char *folder = folder_create(), path[512], one[TOKEN_KEY], same[TOKEN_KEY];
    struct stat facts;
    snprintf(path, sizeof path, "%s/token.key", folder);
    assert_int_equal(token_key_find(one, folder, 1, NULL), 0);
    assert_int_equal(token_key_find(same, folder, 2, NULL), 0);
    assert_string_equal(one, same);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    FILE *file = fopen(path, "w"); /* a crash left half of it */
    fputs("abc", file);
    fclose(file);
    assert_int_equal(token_key_find(same, folder, 1, NULL), 0);
    assert_int_equal(strlen(same), TOKEN_KEY - 1);
    assert_string_not_equal(one, same);
    folder_remove(folder);
    mem_free(folder);
}

static void a_folder_that_is_none_is_said(void **state) {
    (void)state;
    char key[TOKEN_KEY];
    struct error err;
    assert_int_equal(token_key_find(key, "/nowhere", 1, &err), ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "/nowhere/token.key"));
    assert_int_equal(token_key_find(key, "/dev/null", 1, &err), ERROR_UNAVAILABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_changed_token_has_no_claims),
        cmocka_unit_test(nonsense_has_no_claims),
        cmocka_unit_test(claims_come_back),
        cmocka_unit_test(each_failed_allocation_is_no_token),
        cmocka_unit_test(the_seed_has_its_key),
        cmocka_unit_test(the_folder_keeps_its_key),
        cmocka_unit_test(a_folder_that_is_none_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
