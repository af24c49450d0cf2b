#include "serve/admission.h"

#include <string.h>

#include "base/mem.h"
#include "json/scan.h"
#include "json/write.h"

enum { USUAL_INFO = 1024, USUAL_ANSWER = 1024 };

/* Reading: one member at a time; `member` gets the key and must step over the value. */

typedef int (*read_member)(void *context, struct json_scanner *scanner, struct str key,
                           struct error *err);

static int read_object(struct json_scanner *scanner, read_member member, void *context,
                       struct error *err) {
    enum json_token token;
    int rc = json_next(scanner, &token, err);
    if (rc == 0 && token != JSON_TOKEN_OBJECT_BEGIN)
        return error_set(err, ERROR_REJECTED, "an object is expected");
    while (rc == 0 && (rc = json_next(scanner, &token, err)) == 0) {
        if (token == JSON_TOKEN_OBJECT_END)
            return 0;
        rc = member(context, scanner, scanner->text, err);
    }
    return rc;
}

/* The value of the member `what`, which is a string or null, as text. */
static int read_text(struct json_scanner *scanner, const char *what, char *out, size_t size,
                     struct error *err) {
    enum json_token token;
    int rc = json_next(scanner, &token, err);
    if (rc < 0 || token == JSON_TOKEN_NULL)
        return rc;
    struct str text = scanner->text;
    if (token != JSON_TOKEN_STRING)
        return error_set(err, ERROR_REJECTED, "%s is not a string", what);
    if (text.len >= size || memchr(text.data, 0, text.len))
        return error_set(err, ERROR_REJECTED, "%s is no such text", what);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
    return 0;
}

struct text_member {
    const char *key;
    char *out;
    size_t size;
};

/* The member as text when it is one of `texts` ({0} ends them); else it is stepped over. */
static int read_known(const struct text_member *texts, struct str key, struct json_scanner *scanner,
                      struct error *err) {
    while (texts->key && !str_is(key, texts->key))
        texts++;
    return texts->key ? read_text(scanner, texts->key, texts->out, texts->size, err)
                      : json_skip(scanner, NULL, err);
}

static int skip_rest(struct json_scanner *scanner, struct error *err) {
    enum json_token token;
    return json_next(scanner, &token, err); /* trailing bytes are its error */
}

/* AdmissionReview */

struct admission_reader {
    struct admission_review *review;
    const char *kept; /* of the request: up to here it is in info, or left out */
    bool requested;
};

static void keep_until(struct admission_reader *reader, const char *end) {
    strbuf_add(&reader->review->info, reader->kept, (size_t)(end - reader->kept));
    reader->kept = end;
}

/* One of the two objects. */
static int take_reviewed(struct admission_review *review, struct str *object,
                         struct json_scanner *scanner, struct error *err) {
    struct str ahead = json_value_ahead(scanner);
    bool old = object == &review->old;
    size_t len;
    if (object->len > 0)
        return error_set(err, ERROR_REJECTED, "the object stands there twice");
    if (review->take && ahead.len > 0 && ahead.data[0] == '{') {
        int rc = review->take(review->context, old, ahead, &len, err);
        if (rc < 0)
            return error_prefix(err, old ? "oldObject" : "object");
        json_value_taken(scanner, len);
        *object = str_n(ahead.data, len);
        return 0;
    }
    int rc = json_skip(scanner, object, err);
    if (rc == 0 && str_is(*object, "null"))
        *object = str_of("");
    return rc;
}

static int read_reviewed(struct admission_reader *reader, struct str *object,
                         struct json_scanner *scanner, struct error *err) {
    keep_until(reader, json_value_ahead(scanner).data);
    int rc = take_reviewed(reader->review, object, scanner, err);
    strbuf_adds(&reader->review->info, "null");
    reader->kept = scanner->at;
    return rc;
}

static int on_request_member(void *context, struct json_scanner *scanner, struct str key,
                             struct error *err) {
    struct admission_reader *reader = context;
    struct admission_review *review = reader->review;
    const struct text_member texts[] = {{"uid", review->uid, sizeof review->uid},
                                        {"operation", review->operation, sizeof review->operation},
                                        {"namespace", review->ns, sizeof review->ns},
                                        {"name", review->name, sizeof review->name},
                                        {0}};
    if (str_is(key, "object"))
        return read_reviewed(reader, &review->object, scanner, err);
    if (str_is(key, "oldObject"))
        return read_reviewed(reader, &review->old, scanner, err);
    return read_known(texts, key, scanner, err);
}

static int on_review_member(void *context, struct json_scanner *scanner, struct str key,
                            struct error *err) {
    struct admission_reader *reader = context;
    const struct text_member texts[] = {
        {"apiVersion", reader->review->api_version, sizeof reader->review->api_version}, {0}};
    if (!str_is(key, "request"))
        return read_known(texts, key, scanner, err);
    if (reader->requested)
        return error_set(err, ERROR_REJECTED, "request stands there twice");
    reader->requested = true;
    reader->kept = json_value_ahead(scanner).data;
    int rc = read_object(scanner, on_request_member, reader, err);
    keep_until(reader, scanner->at);
    return rc;
}

static bool is_version(const char *api_version, const char *group) {
    size_t len = strlen(group);
    return strncmp(api_version, group, len) == 0 &&
           (strcmp(api_version + len, "/v1") == 0 || strcmp(api_version + len, "/v1beta1") == 0);
}

static int check_review(const struct admission_reader *reader, struct error *err) {
    const struct admission_review *review = reader->review;
    if (!is_version(review->api_version, "admission.k8s.io"))
        return error_set(err, ERROR_REJECTED,
                         "apiVersion \"%s\" is not admission.k8s.io/v1 or v1beta1",
                         review->api_version);
    if (!reader->requested || review->uid[0] == '\0')
        return error_set(err, ERROR_REJECTED, "there is no request with a uid");
    if (review->object.len && review->object.data[0] != '{')
        return error_set(err, ERROR_REJECTED, "request.object is not an object");
    if (review->old.len && review->old.data[0] != '{')
        return error_set(err, ERROR_REJECTED, "request.oldObject is not an object");
    return 0;
}

int admission_review_parse(struct admission_review *review, struct str body, struct error *err) {
    struct json_scanner scanner;
    *review = (struct admission_review){.take = review->take, .context = review->context};
    struct admission_reader reader = {.review = review};
    strbuf_reserve(&review->info, USUAL_INFO);
    json_scanner_init(&scanner, body.data, body.len);
    int rc = read_object(&scanner, on_review_member, &reader, err);
    if (rc == 0)
        rc = skip_rest(&scanner, err);
    json_scanner_finish(&scanner);
    if (rc == 0)
        rc = check_review(&reader, err);
    if (rc == 0 && review->info.failed)
        rc = error_set(err, ERROR_NOMEM, "no memory");
    return rc < 0 ? error_prefix(err, "AdmissionReview") : 0;
}

void admission_review_finish(struct admission_review *review) {
    strbuf_finish(&review->info);
    *review = (struct admission_review){0};
}

static void write_head(struct json_writer *writer, const char *api_version, const char *unset,
                       const char *kind, const char *uid) {
    json_write_object_begin(writer);
    json_write_key_string(writer, "apiVersion", str_of(*api_version ? api_version : unset));
    json_write_key_string(writer, "kind", str_of(kind));
    json_write_key(writer, str_of("response"));
    json_write_object_begin(writer);
    json_write_key_string(writer, "uid", str_of(uid));
}

static void write_status(struct json_writer *writer, const struct admission_answer *answer) {
    json_write_key(writer, str_of("status"));
    json_write_object_begin(writer);
    if (answer->code) {
        json_write_key(writer, str_of("code"));
        json_write_int(writer, answer->code);
    }
    if (answer->reason.len)
        json_write_key_string(writer, "reason", answer->reason);
    if (answer->message.len)
        json_write_key_string(writer, "message", answer->message);
    json_write_object_end(writer);
}

void admission_answer_write(const struct admission_review *review,
                            const struct admission_answer *answer, struct strbuf *out) {
    struct json_writer writer;
    json_writer_init(&writer, out);
    strbuf_reserve(out, USUAL_ANSWER);
    write_head(&writer, review->api_version, "admission.k8s.io/v1", "AdmissionReview", review->uid);
    json_write_key(&writer, str_of("allowed"));
    json_write_bool(&writer, answer->allowed);
    if (answer->code || answer->reason.len || answer->message.len)
        write_status(&writer, answer);
    if (answer->patch_base64.len) {
        json_write_key_string(&writer, "patchType", str_of("JSONPatch"));
        json_write_key_string(&writer, "patch", answer->patch_base64);
    }
    if (answer->warnings.len) {
        json_write_key(&writer, str_of("warnings"));
        json_write_raw(&writer, answer->warnings);
    }
    if (answer->audit.len) {
        json_write_key(&writer, str_of("auditAnnotations"));
        json_write_raw(&writer, answer->audit);
    }
    json_write_object_end(&writer);
    json_write_object_end(&writer);
}

/* ConversionReview */

static int read_objects(struct conversion_review *review, struct json_scanner *scanner,
                        struct error *err) {
    enum json_token token;
    int rc = json_next(scanner, &token, err);
    if (rc == 0 && token != JSON_TOKEN_ARRAY_BEGIN)
        return error_set(err, ERROR_REJECTED, "request.objects is not a list");
    for (struct str raw; rc == 0 && (rc = json_skip(scanner, &raw, err)) == 0;) {
        if (raw.len == 0)
            return 0;
        if (raw.data[0] != '{')
            return error_set(err, ERROR_REJECTED, "request.objects[%zu] is not an object",
                             review->count);
        if (mem_grow(&review->objects, &review->cap, review->count + 1, sizeof *review->objects) <
            0)
            return error_set(err, ERROR_NOMEM, "no memory");
        review->objects[review->count++] = raw;
    }
    return rc;
}

static int on_conversion_request(void *context, struct json_scanner *scanner, struct str key,
                                 struct error *err) {
    struct conversion_review *review = context;
    const struct text_member texts[] = {
        {"uid", review->uid, sizeof review->uid},
        {"desiredAPIVersion", review->desired, sizeof review->desired},
        {0}};
    if (str_is(key, "objects"))
        return read_objects(review, scanner, err);
    return read_known(texts, key, scanner, err);
}

static int on_conversion_member(void *context, struct json_scanner *scanner, struct str key,
                                struct error *err) {
    struct conversion_review *review = context;
    const struct text_member texts[] = {
        {"apiVersion", review->api_version, sizeof review->api_version}, {0}};
    if (str_is(key, "request"))
        return read_object(scanner, on_conversion_request, review, err);
    return read_known(texts, key, scanner, err);
}

int conversion_review_parse(struct conversion_review *review, struct str body, struct error *err) {
    struct json_scanner scanner;
    *review = (struct conversion_review){0};
    json_scanner_init(&scanner, body.data, body.len);
    int rc = read_object(&scanner, on_conversion_member, review, err);
    if (rc == 0)
        rc = skip_rest(&scanner, err);
    json_scanner_finish(&scanner);
    if (rc == 0 && !is_version(review->api_version, "apiextensions.k8s.io"))
        rc = error_set(err, ERROR_REJECTED,
                       "apiVersion \"%s\" is not apiextensions.k8s.io/v1 or v1beta1",
                       review->api_version);
    if (rc == 0 && (review->uid[0] == '\0' || strchr(review->desired, '/') == NULL))
        rc = error_set(err, ERROR_REJECTED,
                       "there is no request with a uid and a desiredAPIVersion");
    return rc < 0 ? error_prefix(err, "ConversionReview") : 0;
}

void conversion_review_finish(struct conversion_review *review) {
    mem_free(review->objects);
    *review = (struct conversion_review){0};
}

void conversion_answer_write(const struct conversion_review *review, struct str objects,
                             const char *failure, struct strbuf *out) {
    struct json_writer writer;
    json_writer_init(&writer, out);
    write_head(&writer, review->api_version, "apiextensions.k8s.io/v1", "ConversionReview",
               review->uid);
    json_write_key(&writer, str_of("result"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "status", str_of(failure ? "Failed" : "Success"));
    if (failure)
        json_write_key_string(&writer, "message", str_of(failure));
    json_write_object_end(&writer);
    json_write_key(&writer, str_of("convertedObjects"));
    json_write_raw(&writer, failure ? str_of("[]") : objects);
    json_write_object_end(&writer);
    json_write_object_end(&writer);
}
