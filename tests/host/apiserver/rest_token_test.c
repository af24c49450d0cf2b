/* Tokens of service accounts: made, shown again, and no longer good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/folder.h"
#include "apiserver/support/rest/api.h"
#include "base/mem.h"

#define NS "/api/v1/namespaces/default"
#define TOKEN NS "/serviceaccounts/default/token"

static char *make(struct api_client *client, const char *body) {
    json_t *answer = api_call(client, "POST", TOKEN, NULL, body);
    api_expect(client, 201);
    char *token = mem_strdup(text_at(answer, "status.token"));
    json_decref(answer);
    return token;
}

static void expect_account(struct api_client *client, const char *token, const char *name) {
    char *account = apiserver_account(client->server, token);
    if (name)
        assert_string_equal(account, name);
    else
        assert_null(account);
    mem_free(account);
}

static void refuse(struct api_client *client, const char *path, const char *body, int status,
                   const char *message) {
    json_t *answer = api_call(client, "POST", path, NULL, body);
    api_expect(client, status);
    assert_string_equal(text_at(answer, "message"), message);
    json_decref(answer);
}

static void wrong_requests_are_refused(void **state) {
    struct api_client *client = *state;
    refuse(client, NS "/serviceaccounts/nobody/token", "{}", 404,
           "serviceaccounts \"nobody\" not found");
    refuse(client, TOKEN, "{\"spec\":{\"expirationSeconds\":1}}", 422,
           "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid "
           "value: 1: may not specify a duration less than 10 minutes");
    refuse(client, TOKEN, "{\"spec\":{\"expirationSeconds\":4294967297}}", 422,
           "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid "
           "value: 4294967297: may not specify a duration larger than 2^32 seconds");
    refuse(
        client, TOKEN,
        "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"p\"}}}",
        404, "pods \"p\" not found");
    refuse(client, TOKEN,
           "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Service\"}}}", 400,
           "cannot bind token for serviceaccount \"default\" to object of type v1, Kind=Service");
    refuse(client, TOKEN, "[]", 400, "a TokenRequest must be an object");
    refuse(client, "/apis/authentication.k8s.io/v1/tokenreviews", "{\"spec\":{}}", 400,
           "token is required for TokenReview in authentication");
    expect_account(client, "", NULL);
    expect_account(client, "a.b.c", NULL);
}

static void the_answer_is_the_request_with_its_defaults(void **state) {
    struct api_client *client = *state;
    json_t *made = api_call(client, "POST", TOKEN, NULL, "{}");
    api_expect(client, 201);
    assert_string_equal(text_at(made, "kind"), "TokenRequest");
    assert_string_equal(text_at(made, "metadata.name"), "default");
    assert_int_equal(strlen(text_at(made, "metadata.uid")), 36);
    assert_int_equal(json_integer_value(value_at(made, "spec.expirationSeconds")), 3600);
    assert_string_equal(text_at(made, "spec.audiences.0"),
                        "https://kubernetes.default.svc.cluster.local");
    assert_string_equal(text_at(made, "status.expirationTimestamp"), "2026-01-01T01:00:00Z");
    json_decref(made);
}

static void a_token_is_good_until_it_ends(void **state) {
    struct api_client *client = *state;
    char *token = make(client, "{\"spec\":{\"expirationSeconds\":600}}");
    expect_account(client, token, "system:serviceaccount:default:default");
    api_wait(client, 599);
    expect_account(client, token, "system:serviceaccount:default:default");
    api_wait(client, 1);
    expect_account(client, token, NULL);
    mem_free(token);
}

static void a_token_ends_with_its_account(void **state) {
    struct api_client *client = *state;
    char *token = make(client, "{}");
    api_put(client, "DELETE", NS "/serviceaccounts/default", "{}");
    api_wait(client, 1); /* a new one is made, and is another */
    expect_account(client, token, NULL);
    mem_free(token);
}

static void a_bound_token_ends_with_what_it_is_bound_to(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", NS "/secrets", "{\"metadata\":{\"name\":\"s\"}}");
    static const char to[] = "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":"
                             "\"Secret\",\"name\":\"s\"}}}";
    char *token = make(client, to);
    expect_account(client, token, "system:serviceaccount:default:default");
    refuse(
        client, TOKEN,
        "{\"spec\":{\"boundObjectRef\":{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"name\":\"s\","
        "\"uid\":\"another\"}}}",
        409,
        "Operation cannot be fulfilled on secrets \"s\": the UID in the bound object reference "
        "(another) does not match the UID in record. The object might have been deleted and "
        "then recreated");
    api_put(client, "DELETE", NS "/secrets/s", "{}");
    expect_account(client, token, NULL);
    mem_free(token);
}

static void a_token_for_others_is_no_way_in(void **state) {
    struct api_client *client = *state;
    char *token = make(client, "{\"spec\":{\"audiences\":[\"x\",\"y\"]}}");
    char body[4096];
    expect_account(client, token, NULL);
    snprintf(body, sizeof body, "{\"spec\":{\"token\":\"%s\",\"audiences\":[\"z\",\"y\"]}}", token);
    json_t *review =
        api_call(client, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", NULL, body);
    assert_true(json_is_true(value_at(review, "status.authenticated")));
    assert_int_equal(json_array_size(value_at(review, "status.audiences")), 1);
    assert_string_equal(text_at(review, "status.audiences.0"), "y");
    assert_string_equal(text_at(review, "status.user.username"),
                        "system:serviceaccount:default:default");
    assert_string_equal(text_at(review, "status.user.groups.1"), "system:serviceaccounts:default");
    json_decref(review);
    snprintf(body, sizeof body, "{\"spec\":{\"token\":\"%s\"}}", token);
    review = api_call(client, "POST", "/apis/authentication.k8s.io/v1/tokenreviews", NULL, body);
    assert_false(json_is_true(value_at(review, "status.authenticated")));
    assert_string_equal(text_at(review, "status.error"), "invalid bearer token");
    json_decref(review);
    mem_free(token);
}

static void another_server_does_not_know_it_but_the_same_folder_does(void **state) {
    struct api_client client, other;
    char *folder = folder_create();
    (void)state;
    api_init_at(&client, folder);
    char *token = make(&client, "{}");
    api_finish(&client);
    api_init(&other);
    expect_account(&other, token, NULL);
    api_finish(&other);
    api_init_at(&client, folder);
    expect_account(&client, token, "system:serviceaccount:default:default");
    api_finish(&client);
    mem_free(token);
    folder_remove(folder);
    mem_free(folder);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(wrong_requests_are_refused),
        TEST(the_answer_is_the_request_with_its_defaults),
        TEST(a_token_is_good_until_it_ends),
        TEST(a_token_ends_with_its_account),
        TEST(a_bound_token_ends_with_what_it_is_bound_to),
        TEST(a_token_for_others_is_no_way_in),
        cmocka_unit_test(another_server_does_not_know_it_but_the_same_folder_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
