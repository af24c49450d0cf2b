#include "serve/admission.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/oom_sweep.h"

#define V1 "\"apiVersion\":\"admission.k8s.io/v1\""

static const char whole[] =
    "{\"kind\":\"AdmissionReview\"," V1 ",\"request\":{\"uid\":\"u1\",\"kind\":{\"group\":\"\","
    "\"version\":\"v1\",\"kind\":\"Pod\"},\"name\":\"web\",\"namespace\":\"ns1\",\"operation\":"
    "\"UPDATE\",\"object\":{\"a\":[1, 2]},\"oldObject\":{\"a\":1},\"dryRun\":true}}";

static void admission_that_is_none_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *body, *why;
    } cases[] = {
        {"", "AdmissionReview: "},
        {"[]", "AdmissionReview: an object is expected"},
        {"{}", "AdmissionReview: apiVersion \"\" is not admission.k8s.io/v1 or v1beta1"},
        {"{\"apiVersion\":1}", "AdmissionReview: apiVersion is not a string"},
        {"{\"apiVersion\":\"admission.k8s.io/v2\"}", "is not admission.k8s.io/v1 or v1beta1"},
        {"{" V1 "}", "AdmissionReview: there is no request with a uid"},
        {"{" V1 ",\"request\":{}}", "AdmissionReview: there is no request with a uid"},
        {"{" V1 ",\"request\":[]}", "AdmissionReview: an object is expected"},
        {"{" V1 ",\"request\":{\"uid\":\"a\"},\"request\":{}}", "request stands there twice"},
        {"{" V1 ",\"request\":{\"uid\":\"a\",\"object\":[]}}", "request.object is not an object"},
        {"{" V1 ",\"request\":{\"uid\":\"a\",\"object\":{},\"object\":{}}}", "stands there twice"},
        {"{" V1 ",\"request\":{\"uid\":\"a\",\"oldObject\":1}}",
         "request.oldObject is not an object"},
        {"{" V1 ",\"request\":{\"uid\":\"a\",\"operation\":\"AN OPERATION TOO LONG\"}}",
         "operation is no such text"},
        {"{" V1 ",\"request\":{\"uid\":\"a\"}} x", "AdmissionReview: byte"},
        {"{" V1 ",\"request\":{\"uid\":\"a\"", "AdmissionReview: byte"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct admission_review review = {0};
        struct error err = {0};
        assert_int_equal(admission_review_parse(&review, str_of(cases[i].body), &err),
                         ERROR_REJECTED);
        if (!strstr(err.message, cases[i].why))
            fail_msg("case %zu: %s", i, err.message);
        admission_review_finish(&review);
    }
}

static void admission_that_is_refused_keeps_its_uid(void **state) {
    (void)state;
    struct admission_review review = {0};
    struct error err = {0};
    const char *body = "{" V1 ",\"request\":{\"uid\":\"u\\u0031\",\"object\":7}}";
    assert_int_equal(admission_review_parse(&review, str_of(body), &err), ERROR_REJECTED);
    assert_string_equal(review.uid, "u1");
    admission_review_finish(&review);
}

static void admission_is_cut_into_its_parts(void **state) {
    (void)state;
    struct admission_review review = {0};
    struct error err = {0};
    assert_int_equal(admission_review_parse(&review, str_of(whole), &err), 0);
    assert_string_equal(review.uid, "u1");
    assert_string_equal(review.operation, "UPDATE");
    assert_string_equal(review.ns, "ns1");
    assert_string_equal(review.name, "web");
    assert_true(str_is(review.object, "{\"a\":[1, 2]}"));
    assert_true(str_is(review.old, "{\"a\":1}"));
    assert_string_equal(review.info.data,
                        "{\"uid\":\"u1\",\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":"
                        "\"Pod\"},\"name\":\"web\",\"namespace\":\"ns1\",\"operation\":\"UPDATE\","
                        "\"object\":null,\"oldObject\":null,\"dryRun\":true}");
    admission_review_finish(&review);
}

static void admission_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct admission_review review = {0};
        struct error err = {0};
        int rc = admission_review_parse(&review, str_of(whole), &err);
        assert_true(rc == 0 || rc == ERROR_NOMEM);
        admission_review_finish(&review);
    }
}

static void admission_answer_says_what_is_known(void **state) {
    (void)state;
    struct admission_review review = {.api_version = "admission.k8s.io/v1beta1", .uid = "u1"};
    struct strbuf out = {0};
    admission_answer_write(&review, &(struct admission_answer){.allowed = true}, &out);
    assert_string_equal(out.data, "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":"
                                  "\"AdmissionReview\",\"response\":{\"uid\":\"u1\",\"allowed\":"
                                  "true}}");
    strbuf_clear(&out);
    struct admission_answer answer = {.code = 403,
                                      .reason = str_of("Forbidden"),
                                      .message = str_of("no \"x\""),
                                      .patch_base64 = str_of("W10="),
                                      .warnings = str_of("[\"w\"]"),
                                      .audit = str_of("{\"k\":\"v\"}")};
    admission_answer_write(&review, &answer, &out);
    assert_string_equal(
        out.data,
        "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"kind\":\"AdmissionReview\",\"response\":{"
        "\"uid\":\"u1\",\"allowed\":false,\"status\":{\"code\":403,\"reason\":\"Forbidden\","
        "\"message\":\"no \\\"x\\\"\"},\"patchType\":\"JSONPatch\",\"patch\":\"W10=\","
        "\"warnings\":[\"w\"],\"auditAnnotations\":{\"k\":\"v\"}}}");
    strbuf_finish(&out);
}

#define CONVERSION "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"request\":"

static void conversion_that_is_none_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"a\"}}",
        CONVERSION "{\"uid\":\"a\"}}",
        CONVERSION "{\"uid\":\"a\",\"desiredAPIVersion\":\"v1\"}}",
        CONVERSION "{\"uid\":\"a\",\"desiredAPIVersion\":\"a/v1\",\"objects\":{}}}",
        CONVERSION "{\"uid\":\"a\",\"desiredAPIVersion\":\"a/v1\",\"objects\":[1]}}",
        CONVERSION "{\"uid\":\"a\",\"desiredAPIVersion\":\"a/v1\",\"objects\":[{}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct conversion_review review;
        struct error err = {0};
        assert_int_equal(conversion_review_parse(&review, str_of(bad[i]), &err), ERROR_REJECTED);
        conversion_review_finish(&review);
    }
}

static void conversion_is_cut_and_answered(void **state) {
    (void)state;
    struct conversion_review review;
    struct strbuf out = {0};
    struct error err = {0};
    const char *body = CONVERSION "{\"uid\":\"a\",\"desiredAPIVersion\":\"a/v1\",\"objects\":["
                                  "{\"x\":1}, {}]}}";
    assert_int_equal(conversion_review_parse(&review, str_of(body), &err), 0);
    assert_int_equal(review.count, 2);
    assert_true(str_is(review.objects[0], "{\"x\":1}"));
    assert_string_equal(review.desired, "a/v1");
    conversion_answer_write(&review, str_of("[{},{}]"), NULL, &out);
    assert_string_equal(out.data,
                        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"ConversionReview\","
                        "\"response\":{\"uid\":\"a\",\"result\":{\"status\":\"Success\"},"
                        "\"convertedObjects\":[{},{}]}}");
    strbuf_clear(&out);
    conversion_answer_write(&review, str_of(""), "App a/b: no", &out);
    assert_non_null(strstr(out.data, "{\"status\":\"Failed\",\"message\":\"App a/b: no\"}"));
    strbuf_finish(&out);
    conversion_review_finish(&review);
}

struct taken {
    char text[2][64];
    int code;
};

static int take(void *context, bool old, struct str ahead, size_t *ret_len, struct error *err) {
    struct taken *taken = context;
    const char *end = memchr(ahead.data, '}', ahead.len);
    if (taken->code)
        return error_set(err, taken->code, "not this one");
    *ret_len = (size_t)(end + 1 - ahead.data);
    memcpy(taken->text[old], ahead.data, *ret_len);
    return 0;
}

static void admission_hands_its_objects_to_who_takes_them(void **state) {
    (void)state;
    const char *body =
        "{" V1 ",\"request\":{\"oldObject\": {\"a\":1} ,\"uid\":\"u\",\"object\":\n{\"a\":2}}}";
    struct taken taken = {0};
    struct admission_review review = {.take = take, .context = &taken};
    struct error err = {0};
    assert_int_equal(admission_review_parse(&review, str_of(body), &err), 0);
    assert_string_equal(taken.text[0], "{\"a\":2}");
    assert_string_equal(taken.text[1], "{\"a\":1}");
    assert_true(str_is(review.object, taken.text[0]));
    assert_true(str_is(review.old, taken.text[1]));
    admission_review_finish(&review);
    taken.code = ERROR_REJECTED;
    review = (struct admission_review){.take = take, .context = &taken};
    assert_int_equal(admission_review_parse(&review, str_of(body), &err), ERROR_REJECTED);
    assert_string_equal(err.message, "AdmissionReview: oldObject: not this one");
    admission_review_finish(&review);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(admission_hands_its_objects_to_who_takes_them),
        cmocka_unit_test(admission_that_is_none_is_refused),
        cmocka_unit_test(admission_that_is_refused_keeps_its_uid),
        cmocka_unit_test(admission_is_cut_into_its_parts),
        cmocka_unit_test(admission_survives_each_failed_allocation),
        cmocka_unit_test(admission_answer_says_what_is_known),
        cmocka_unit_test(conversion_that_is_none_is_refused),
        cmocka_unit_test(conversion_is_cut_and_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
