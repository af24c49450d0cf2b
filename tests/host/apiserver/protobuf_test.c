/* Bodies in protobuf, as the JSON that they stand for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/protobuf.h"
#include "apiserver/protobuf_wire.h"
#include "kube/base64.h"
#include "support/oom_sweep.h"

/* --- an encoder for what the tests need ---------------------------------------------------- */

static void varint(struct strbuf *out, uint64_t value) {
    for (; value > 0x7f; value >>= 7)
        strbuf_addc(out, (char)(value | 0x80));
    strbuf_addc(out, (char)value);
}

static void tag(struct strbuf *out, unsigned number, unsigned wire) {
    varint(out, number << 3 | wire);
}

static void add_int(struct strbuf *out, unsigned number, int64_t value) {
    tag(out, number, WIRE_VARINT);
    varint(out, (uint64_t)value);
}

static void add_bytes(struct strbuf *out, unsigned number, const char *data, size_t len) {
    tag(out, number, WIRE_BYTES);
    varint(out, len);
    strbuf_add(out, data, len);
}

static void add_text(struct strbuf *out, unsigned number, const char *text) {
    add_bytes(out, number, text, strlen(text));
}

/* Takes `inner`. */
static void add_message(struct strbuf *out, unsigned number, struct strbuf *inner) {
    add_bytes(out, number, inner->data ? inner->data : "", inner->len);
    strbuf_finish(inner);
}

/* Takes `raw`. */
static struct strbuf envelope(const char *api_version, const char *kind, struct strbuf *raw) {
    struct strbuf out = {0}, type = {0};
    add_text(&type, 1, api_version);
    add_text(&type, 2, kind);
    strbuf_add(&out, "k8s", 4);
    add_message(&out, 1, &type);
    add_message(&out, 2, raw);
    add_text(&out, 3, "");
    add_text(&out, 4, "");
    return out;
}

static json_t *read_text(struct str text, struct error *err) {
    struct protobuf_body body;
    *err = (struct error){0};
    if (protobuf_open(text, &body, err) < 0)
        return NULL;
    const struct protobuf_kind *kind = protobuf_find(&body);
    assert_non_null(kind);
    return protobuf_read(kind, &body, err);
}

/* Takes `raw`. */
static void expect_refused(const char *kind, struct strbuf *raw, const char *message) {
    struct strbuf text = envelope("v1", kind, raw);
    struct error err;
    assert_null(read_text(strbuf_view(&text), &err));
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_int_equal(err.status, 400);
    assert_string_equal(err.message, message);
    strbuf_finish(&text);
}

/* Takes `raw`. */
static void expect_json(const char *api_version, const char *kind, struct strbuf *raw,
                        const char *json) {
    struct strbuf text = envelope(api_version, kind, raw);
    struct error err;
    json_t *read = read_text(strbuf_view(&text), &err), *wanted = json_loads(json, 0, NULL);
    assert_string_equal(err.message, "");
    char *got = json_dumps(read, JSON_SORT_KEYS), *want = json_dumps(wanted, JSON_SORT_KEYS);
    assert_string_equal(got, want);
    free(got);
    free(want);
    json_decref(read);
    json_decref(wanted);
    strbuf_finish(&text);
}

static struct strbuf named(const char *name) { /* ObjectMeta, with the zeros that Go writes */
    struct strbuf meta = {0};
    add_text(&meta, 1, name);
    add_text(&meta, 2, "");
    add_int(&meta, 7, 0);
    add_text(&meta, 8, ""); /* the zero time */
    return meta;
}

static struct strbuf config_map(void) {
    struct strbuf raw = {0}, meta = named("x"), entry = {0}, bytes = {0};
    add_message(&raw, 1, &meta);
    add_text(&entry, 1, "k");
    add_text(&entry, 2, "v");
    add_message(&raw, 2, &entry);
    add_text(&bytes, 1, "b");
    add_bytes(&bytes, 2, "\0\377", 2);
    add_message(&raw, 3, &bytes);
    add_int(&raw, 4, 0);
    return raw;
}

/* --- what is refused ----------------------------------------------------------------------- */

static void a_body_cut_anywhere_is_refused_or_another_object(void **state) {
    (void)state;
    struct strbuf raw = config_map(), text = envelope("v1", "ConfigMap", &raw);
    for (size_t len = 0; len < text.len; len++) {
        struct error err = {0};
        struct protobuf_body body;
        char *copy = test_malloc(len + 1); /* so that a sanitizer sees what is read behind it */
        memcpy(copy, text.data, len);
        if (protobuf_open(str_n(copy, len), &body, &err) == 0 && protobuf_find(&body))
            json_decref(protobuf_read(protobuf_find(&body), &body, &err));
        assert_true(err.code == 0 || err.code == ERROR_REJECTED);
        test_free(copy);
    }
    strbuf_finish(&text);
}

static void a_message_cut_anywhere_but_between_fields_is_refused(void **state) {
    (void)state;
    struct strbuf raw = config_map();
    size_t whole = 0;
    for (size_t len = 0; len < raw.len; len++) {
        struct error err = {0};
        struct protobuf_body body = {str_of("v1"), str_of("ConfigMap"), str_n(raw.data, len)};
        json_t *read = protobuf_read(protobuf_find(&body), &body, &err);
        whole += read != NULL;
        if (read == NULL)
            assert_string_equal(err.message, "unexpected EOF");
        json_decref(read);
    }
    assert_int_equal(whole, 4); /* nothing, metadata, data, binaryData */
    strbuf_finish(&raw);
}

static void no_envelope_is_refused(void **state) {
    (void)state;
    static const char *const texts[] = {"", "k8s", "{\"kind\":\"ConfigMap\"}"};
    struct protobuf_body body;
    struct error err;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(protobuf_open(str_of(texts[i]), &body, &err), ERROR_REJECTED);
        assert_int_equal(err.status, 400);
    }
    struct strbuf text = {0};
    strbuf_add(&text, "k8s", 4);
    add_int(&text, 2, 7);
    assert_int_equal(protobuf_open(strbuf_view(&text), &body, &err), ERROR_REJECTED);
    assert_string_equal(err.message, "proto: wrong wireType = 0 for field Unknown");
    strbuf_finish(&text);
}

static void unknown_kinds_are_not_found(void **state) {
    (void)state;
    struct protobuf_body boat = {str_of("sea.example.com/v1"), str_of("Boat"), str_of("")};
    struct protobuf_body old = {str_of("apps/v1beta1"), str_of("Deployment"), str_of("")};
    struct protobuf_body options = {str_of("apps/v1"), str_of("DeleteOptions"), str_of("")};
    assert_null(protobuf_find(&boat));
    assert_null(protobuf_find(&old));
    assert_non_null(protobuf_find(&options));
}

static void wrong_wire_types_are_refused(void **state) {
    (void)state;
    struct strbuf raw = {0}, inner = {0};
    add_int(&raw, 1, 5);
    expect_refused("ConfigMap", &raw, "proto: wrong wireType = 0 for field metadata");
    add_int(&raw, 2, 5);
    expect_refused("ConfigMap", &raw, "proto: wrong wireType = 0 for field data");
    add_text(&raw, 4, "yes");
    expect_refused("ConfigMap", &raw, "proto: wrong wireType = 2 for field immutable");
    add_int(&inner, 2, 5); /* the value of an entry */
    add_message(&raw, 2, &inner);
    expect_refused("ConfigMap", &raw, "proto: wrong wireType = 0 for field data");
    add_int(&inner, 1, 5); /* its key */
    add_message(&raw, 2, &inner);
    expect_refused("ConfigMap", &raw, "proto: wrong wireType = 0 for field data");
    tag(&raw, 1, 3);
    expect_refused("ConfigMap", &raw, "proto: illegal wireType 3");
    tag(&raw, 1, 7);
    expect_refused("ConfigMap", &raw, "proto: illegal wireType 7");
    tag(&raw, 0, 0);
    expect_refused("ConfigMap", &raw, "proto: illegal tag 0");
}

static void overlong_numbers_are_refused(void **state) {
    (void)state;
    struct strbuf raw = {0};
    strbuf_add(&raw, "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11); /* 65 bits */
    expect_refused("ConfigMap", &raw, "proto: integer overflow");
    strbuf_add(&raw, "\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 12); /* 11 bytes */
    expect_refused("ConfigMap", &raw, "proto: integer overflow");
    strbuf_add(&raw, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11); /* a length */
    expect_refused("ConfigMap", &raw, "unexpected EOF");
    strbuf_add(&raw, "\x09\x00", 2); /* 8 bytes */
    expect_refused("ConfigMap", &raw, "unexpected EOF");
}

static void bad_texts_are_refused(void **state) {
    (void)state;
    struct strbuf raw = {0}, inner = {0};
    add_text(&inner, 1, "\xff");
    add_message(&raw, 1, &inner);
    expect_refused("ConfigMap", &raw, "proto: a string contains invalid UTF-8");
    add_text(&inner, 1, "\xc3");
    add_message(&raw, 2, &inner);
    expect_refused("ConfigMap", &raw, "proto: a string contains invalid UTF-8");
    add_bytes(&inner, 1, "a\0b", 3);
    add_message(&raw, 2, &inner);
    expect_refused("ConfigMap", &raw, "proto: a key has a NUL");
}

/* CustomResourceDefinition: spec 2, versions 7, schema 4, openAPIV3Schema 1, not 28. */
static void too_deep_is_refused(void **state) {
    (void)state;
    for (unsigned depth = PROTOBUF_MAX_DEPTH - 5; depth <= PROTOBUF_MAX_DEPTH; depth++) {
        static const unsigned path[] = {1, 4, 7, 2};
        struct strbuf message = {0}, outer = {0};
        struct error err;
        for (unsigned i = 0; i < depth - 4; i++, message = outer, outer = (struct strbuf){0})
            add_message(&outer, 28, &message);
        for (size_t i = 0; i < 4; i++, message = outer, outer = (struct strbuf){0})
            add_message(&outer, path[i], &message);
        struct strbuf text =
            envelope("apiextensions.k8s.io/v1", "CustomResourceDefinition", &message);
        json_t *read = read_text(strbuf_view(&text), &err);
        assert_true((read != NULL) == (depth < PROTOBUF_MAX_DEPTH));
        if (read == NULL)
            assert_string_equal(err.message, "proto: deeper than 100 messages");
        json_decref(read);
        strbuf_finish(&text);
    }
}

static void each_failed_allocation_is_told(void **state) {
    (void)state;
    struct strbuf raw = config_map(), text = envelope("v1", "ConfigMap", &raw);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err;
        json_t *read = read_text(strbuf_view(&text), &err);
        assert_true(read != NULL || err.code == ERROR_NOMEM);
        json_decref(read);
    }
    strbuf_finish(&text);
}

/* --- what is read -------------------------------------------------------------------------- */

static void zeros_that_json_leaves_out_are_left_out(void **state) {
    (void)state;
    struct strbuf raw = config_map();
    expect_json("v1", "ConfigMap", &raw,
                "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},"
                "\"data\":{\"k\":\"v\"},\"binaryData\":{\"b\":\"AP8=\"},\"immutable\":false}");
}

static void the_last_one_counts_and_messages_merge(void **state) {
    (void)state;
    struct strbuf raw = {0}, first = named("x"), second = {0}, unknown = {0};
    add_message(&raw, 1, &first);
    add_text(&second, 3, "town");
    add_message(&raw, 1, &second);
    add_int(&raw, 4, 1);
    add_int(&raw, 4, 0);
    add_text(&unknown, 1, "anything");
    add_message(&raw, 99, &unknown);
    expect_json("v1", "ConfigMap", &raw,
                "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\","
                "\"metadata\":{\"name\":\"x\",\"namespace\":\"town\"},\"immutable\":false}");
}

static void times_are_text(void **state) {
    (void)state;
    struct strbuf raw = {0}, spec = {0}, at = {0};
    add_int(&at, 1, 1767225600);
    add_int(&at, 2, 123456789);
    add_message(&spec, 3, &at); /* acquireTime, a MicroTime */
    add_int(&spec, 2, -1);
    add_message(&raw, 2, &spec);
    expect_json("coordination.k8s.io/v1", "Lease", &raw,
                "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"spec\":"
                "{\"leaseDurationSeconds\":-1,\"acquireTime\":\"2026-01-01T00:00:00.123456Z\"}}");
    struct strbuf meta = {0};
    add_int(&at, 1, INT64_MAX);
    add_message(&meta, 9, &at);
    add_message(&raw, 1, &meta);
    expect_refused("ConfigMap", &raw, "proto: a time is out of range");
    add_int(&at, 1, -62135596800); /* Go's zero time */
    add_message(&meta, 9, &at);
    add_message(&raw, 1, &meta);
    expect_json("v1", "ConfigMap", &raw,
                "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{}}");
}

/* DeploymentSpec: replicas 1, strategy 4 {type 1, rollingUpdate 2 {maxUnavailable 1}}. */
static void int_or_string_is_either(void **state) {
    (void)state;
    for (int64_t type = 0; type < 3; type++) {
        struct strbuf raw = {0}, spec = {0}, strategy = {0}, rolling = {0}, value = {0};
        add_int(&value, 1, type);
        add_int(&value, 2, 3);
        add_text(&value, 3, "25%");
        add_message(&rolling, 1, &value);
        add_message(&strategy, 2, &rolling);
        add_int(&spec, 1, 0);
        add_message(&spec, 4, &strategy);
        add_message(&raw, 2, &spec);
        char json[256];
        snprintf(json, sizeof json,
                 "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"spec\":{\"replicas\":0,"
                 "\"strategy\":{\"rollingUpdate\":{\"maxUnavailable\":%s}}}}",
                 type ? "\"25%\"" : "3");
        if (type < 2) {
            expect_json("apps/v1", "Deployment", &raw, json);
            continue;
        }
        struct strbuf text = envelope("apps/v1", "Deployment", &raw);
        struct error err;
        assert_null(read_text(strbuf_view(&text), &err));
        assert_string_equal(err.message, "proto: IntOrString is neither");
        strbuf_finish(&text);
    }
}

/* ControllerRevision: data 2 {raw 1}, revision 3. */
static void raw_json_stays_json(void **state) {
    (void)state;
    struct strbuf raw = {0}, data = {0};
    add_text(&data, 1, "{\"a\":[1,null]}");
    add_message(&raw, 2, &data);
    add_int(&raw, 3, 0);
    expect_json("apps/v1", "ControllerRevision", &raw,
                "{\"kind\":\"ControllerRevision\",\"apiVersion\":\"apps/v1\","
                "\"data\":{\"a\":[1,null]},\"revision\":0}");
    add_text(&data, 1, "{");
    add_message(&raw, 2, &data);
    struct strbuf text = envelope("apps/v1", "ControllerRevision", &raw);
    struct error err;
    assert_null(read_text(strbuf_view(&text), &err));
    assert_int_equal(err.code, ERROR_REJECTED);
    strbuf_finish(&text);
}

/* PodSecurityContext.supplementalGroups is 4, of the pod's securityContext 14. */
static void numbers_may_be_packed(void **state) {
    (void)state;
    struct strbuf raw = {0}, spec = {0}, context = {0};
    add_bytes(&context, 4, "\x01\xac\x02", 3);
    add_int(&context, 4, 7);
    add_message(&spec, 14, &context);
    add_message(&raw, 2, &spec);
    expect_json("v1", "Pod", &raw,
                "{\"kind\":\"Pod\",\"apiVersion\":\"v1\","
                "\"spec\":{\"securityContext\":{\"supplementalGroups\":[1,300,7]}}}");
    add_bytes(&context, 4, "\x01\xac", 2);
    add_message(&spec, 14, &context);
    add_message(&raw, 2, &spec);
    expect_refused("Pod", &raw, "unexpected EOF");
}

/* PodSpec: volumes 1, Volume {name 1, volumeSource 2 inline {hostPath 1 {path 1}}}. */
static void inline_messages_are_the_parents(void **state) {
    (void)state;
    struct strbuf raw = {0}, spec = {0}, volume = {0}, source = {0}, path = {0};
    add_text(&path, 1, "/tmp");
    add_message(&source, 1, &path);
    add_text(&volume, 1, "v");
    add_message(&volume, 2, &source);
    add_message(&spec, 1, &volume);
    add_message(&raw, 2, &spec);
    expect_json("v1", "Pod", &raw,
                "{\"kind\":\"Pod\",\"apiVersion\":\"v1\","
                "\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/tmp\"}}]}}");
}

/* --- every kind, every field, as Go writes it ---------------------------------------------- */

static void strip_nulls(json_t *value) {
    const char *key;
    json_t *member;
    void *next;
    size_t i;
    json_object_foreach_safe(value, next, key, member) {
        if (json_is_null(member))
            json_object_del(value, key);
        else
            strip_nulls(member);
    }
    json_array_foreach(value, i, member) {
        strip_nulls(member);
    }
}

/* A whole number is the same with and without a point. */
static void make_whole(json_t *value) {
    const char *key;
    json_t *member;
    size_t i;
    json_object_foreach(value, key, member) {
        double real = json_real_value(member);
        if (json_is_real(member) && real == (double)(json_int_t)real)
            json_object_set_new(value, key, json_integer((json_int_t)real));
        else
            make_whole(member);
    }
    json_array_foreach(value, i, member) {
        make_whole(member);
    }
}

static void every_kind_reads_as_go_writes_it(void **state) {
    (void)state;
    json_t *cases = json_load_file(TEST_FOLDER "/protobuf_cases.json", 0, NULL), *one;
    size_t i;
    assert_int_equal(json_array_size(cases), 2 * protobuf_kind_count);
    json_array_foreach(cases, i, one) {
        json_t *wanted = json_object_get(one, "json");
        struct strbuf text = {0};
        struct error err;
        assert_true(base64_decode(json_string_value(json_object_get(one, "protobuf")), &text));
        json_t *read = read_text(strbuf_view(&text), &err);
        assert_string_equal(err.message, "");
        strip_nulls(wanted);
        make_whole(wanted);
        char *got = json_dumps(read, JSON_SORT_KEYS), *want = json_dumps(wanted, JSON_SORT_KEYS);
        assert_string_equal(got, want);
        free(got);
        free(want);
        json_decref(read);
        strbuf_finish(&text);
    }
    json_decref(cases);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_cut_anywhere_is_refused_or_another_object),
        cmocka_unit_test(a_message_cut_anywhere_but_between_fields_is_refused),
        cmocka_unit_test(no_envelope_is_refused),
        cmocka_unit_test(unknown_kinds_are_not_found),
        cmocka_unit_test(wrong_wire_types_are_refused),
        cmocka_unit_test(overlong_numbers_are_refused),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(too_deep_is_refused),
        cmocka_unit_test(each_failed_allocation_is_told),
        cmocka_unit_test(zeros_that_json_leaves_out_are_left_out),
        cmocka_unit_test(the_last_one_counts_and_messages_merge),
        cmocka_unit_test(times_are_text),
        cmocka_unit_test(int_or_string_is_either),
        cmocka_unit_test(raw_json_stays_json),
        cmocka_unit_test(numbers_may_be_packed),
        cmocka_unit_test(inline_messages_are_the_parents),
        cmocka_unit_test(every_kind_reads_as_go_writes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
