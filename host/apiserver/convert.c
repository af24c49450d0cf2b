#include "apiserver/convert.h"

#include <string.h>

#include "apiserver/webhook.h"
#include "base/mem.h"

enum { TIMEOUT_S = 30 };

struct conversion {
    struct webhook_call call;
    json_t *objects; /* owned; as they were */
    char *api_version;
    char uid[40];
    void (*done)(void *context, json_t *converted, const char *failure);
    void *context;
};

bool convert_needed(const struct api_resource *resource, const char *from, const char *to) {
    if (resource->builtin)
        return kinds_is_view(resource) &&
               strcmp(from[0] ? from : resource->storage->api_version, to) != 0;
    return strcmp(from, to) != 0 && (resource->differs || convert_asks(resource));
}

bool convert_asks(const struct api_resource *resource) {
    return strcmp(document_string(resource->crd, "spec.conversion.strategy"), "Webhook") == 0;
}

static int bring(const struct api_resource *resource, json_t *object, const char *api_version) {
    const struct api_kind *from = kinds_version(resource, document_string(object, "apiVersion"));
    const struct api_kind *to = kinds_version(resource, api_version);
    struct error err;
    int rc = from ? kinds_default(from, object, /* known= */ NULL, &err) : 0;
    rc |= json_object_set_new(object, "apiVersion", json_string(api_version));
    return rc |
           (to ? schema_prune(to->schema, object, /* known= */ NULL, /* pruned= */ NULL, &err) : 0);
}

json_t *convert_local(const struct api_resource *resource, const json_t *objects,
                      const char *api_version) {
    json_t *all = json_array(), *object;
    size_t i;
    json_array_foreach(objects, i, object) {
        bool there = strcmp(document_string(object, "apiVersion"), api_version) == 0;
        json_t *made = json_deep_copy(object);
        int rc = made && !there ? bring(resource, made, api_version) : 0;
        if (json_array_append_new(all, made) < 0 || rc != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

bool convert_needed_node(const struct api_exchange *x, node_t node) {
    const struct dag *dag = x->server->dag;
    return x->kind &&
           !node_is(dag, node_get(dag, node, str_of("apiVersion")), x->kind->api_version) &&
           convert_needed(x->kind->resource, "", x->kind->api_version);
}

void conversion_cancel(struct conversion *conversion) {
    if (conversion == NULL)
        return;
    webhook_call_finish(&conversion->call);
    json_decref(conversion->objects);
    mem_free(conversion->api_version);
    mem_free(conversion);
}

static bool is_there(const struct conversion *conversion, const json_t *object) {
    return strcmp(document_string(object, "apiVersion"), conversion->api_version) == 0;
}

/* "stable.example.com/v1, Kind=CronTab", of the first that is converted. */
static void write_subject(const struct conversion *conversion, struct strbuf *out) {
    size_t i;
    json_t *object;
    json_array_foreach(conversion->objects, i, object) {
        if (is_there(conversion, object))
            continue;
        strbuf_printf(out, "conversion webhook for %s, Kind=%s ",
                      document_string(object, "apiVersion"), document_string(object, "kind"));
        return;
    }
}

/* --- the answer ---------------------------------------------------------------------------- */

static int check_same(const json_t *was, const json_t *now, struct strbuf *why) {
    static const char *const keys[] = {"name", "namespace", "uid"};
    static const char *const words[] = {"name", "namespace", "UID"};
    if (!json_is_object(json_object_get(now, "metadata"))) {
        strbuf_adds(why, "missing metadata in converted object");
        return -1;
    }
    for (size_t i = 0; i < 3; i++) {
        const char *a = document_meta(was, keys[i]), *b = document_meta(now, keys[i]);
        if (strcmp(a, b) == 0)
            continue;
        strbuf_printf(why, "must have the same %s: %s != %s", words[i], a, b);
        return -1;
    }
    return 0;
}

static int check_type(const struct conversion *conversion, const json_t *was, const json_t *now,
                      struct strbuf *why) {
    const char *version = document_string(now, "apiVersion");
    const char *kind = document_string(now, "kind"), *expected = document_string(was, "kind");
    if (strcmp(version, conversion->api_version) != 0)
        strbuf_printf(why, "invalid groupVersion (expected %s, received %s)",
                      conversion->api_version, version);
    else if (strcmp(kind, expected) != 0)
        strbuf_printf(why, "invalid kind (expected %s, received %s)", expected, kind);
    return why->len > 0 ? -1 : 0;
}

/* Of the metadata a conversion may change labels and annotations alone. NULL: no memory. */
static json_t *restored(const json_t *was, const json_t *now) {
    json_t *made = json_deep_copy(now),
           *metadata = json_deep_copy(json_object_get(was, "metadata"));
    const json_t *given = json_object_get(now, "metadata");
    int rc = made == NULL || metadata == NULL;
    if (rc == 0)
        rc |= document_copy_member(metadata, given, "labels") |
              document_copy_member(metadata, given, "annotations");
    if (rc == 0)
        rc |= json_object_set(made, "metadata", metadata);
    json_decref(metadata);
    if (rc == 0)
        return made;
    json_decref(made);
    return NULL;
}

static json_t *take_one(const struct conversion *conversion, const json_t *was, const json_t *now,
                        size_t index, struct strbuf *why) {
    struct strbuf what = {0};
    json_t *made = NULL;
    if (check_type(conversion, was, now, &what) == 0 && check_same(was, now, &what) == 0 &&
        (made = restored(was, now)) == NULL)
        why->failed = true;
    if (made == NULL)
        strbuf_printf(why, "returned invalid converted object at index %zu: %s", index,
                      what.data ? what.data : "");
    strbuf_finish(&what);
    return made;
}

/* A new array; NULL: `why` says it. */
static json_t *merge(const struct conversion *conversion, const json_t *given, struct strbuf *why) {
    json_t *all = json_array(), *object, *made;
    size_t i, at = 0;
    json_array_foreach(conversion->objects, i, object) {
        if (is_there(conversion, object))
            made = json_incref(object);
        else
            made = take_one(conversion, object, json_array_get(given, at), at, why), at++;
        if (made == NULL || json_array_append_new(all, made) < 0) {
            why->failed |= made != NULL;
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static size_t count_wanted(const struct conversion *conversion) {
    size_t i, count = 0;
    json_t *object;
    json_array_foreach(conversion->objects, i, object) {
        count += !is_there(conversion, object);
    }
    return count;
}

static bool knows_v1(const json_t *review) {
    return strcmp(document_string(review, "apiVersion"), "apiextensions.k8s.io/v1") == 0 &&
           strcmp(document_string(review, "kind"), "ConversionReview") == 0;
}

static json_t *read_answer(const struct conversion *conversion, const json_t *review,
                           struct strbuf *why) {
    const json_t *response = json_object_get(review, "response");
    const json_t *given = json_object_get(response, "convertedObjects");
    const char *uid = document_string(response, "uid");
    const char *status = document_string(response, "result.status");
    const char *message = document_string(response, "result.message");
    size_t wanted = count_wanted(conversion);
    if (!knows_v1(review))
        strbuf_printf(why,
                      "failed: expected webhook response of apiextensions.k8s.io/v1, "
                      "Kind=ConversionReview, got %s, Kind=%s",
                      document_string(review, "apiVersion"), document_string(review, "kind"));
    else if (!json_is_object(response))
        strbuf_adds(why, "failed: no response provided");
    else if (strcmp(uid, conversion->uid) != 0)
        strbuf_printf(why, "failed: expected response.uid=\"%s\", got \"%s\"", conversion->uid,
                      uid);
    else if (strcmp(status, "Success") != 0 && message[0])
        strbuf_printf(why, "failed: %s", message);
    else if (strcmp(status, "Success") != 0)
        strbuf_printf(why, "failed: response.result.status was '%s', not 'Success'", status);
    else if (json_array_size(given) != wanted)
        strbuf_printf(why, "returned %zu objects, expected %zu", json_array_size(given), wanted);
    return why->len > 0 ? NULL : merge(conversion, given, why);
}

static void on_answer(struct webhook_call *call, json_t *review, const char *failure) {
    struct conversion *conversion = CONTAINER_OF(call, struct conversion, call);
    void (*done)(void *, json_t *, const char *) = conversion->done;
    void *context = conversion->context;
    struct strbuf why = {0}, text = {0};
    json_t *converted = NULL;
    if (failure)
        strbuf_printf(&why, "failed: %s", failure);
    else
        converted = read_answer(conversion, review, &why);
    write_subject(conversion, &text);
    if (why.data)
        strbuf_adds(&text, why.data);
    bool failed = why.failed || text.failed || text.data == NULL;
    conversion_cancel(conversion);
    done(context, converted, converted ? NULL : failed ? "no memory for a conversion" : text.data);
    json_decref(converted);
    strbuf_finish(&why);
    strbuf_finish(&text);
}

/* --- the question -------------------------------------------------------------------------- */

static json_t *make_review(struct conversion *conversion) {
    json_t *wanted = json_array(), *object;
    size_t i;
    json_array_foreach(conversion->objects, i, object) {
        if (!is_there(conversion, object) && json_array_append(wanted, object) < 0) {
            json_decref(wanted);
            return NULL;
        }
    }
    return json_pack("{s:s, s:s, s:{s:s, s:s, s:o}}", "kind", "ConversionReview", "apiVersion",
                     "apiextensions.k8s.io/v1", "request", "uid", conversion->uid,
                     "desiredAPIVersion", conversion->api_version, "objects", wanted);
}

static int ask(struct apiserver *server, struct conversion *conversion, const json_t *webhook,
               struct error *err) {
    struct strbuf subject = {0};
    if (!document_has_string(json_object_get(webhook, "conversionReviewVersions"), "v1"))
        return error_set(err, ERROR_INVALID, "no supported conversion review versions");
    server_uid(server, conversion->uid);
    json_t *review = make_review(conversion);
    int rc = review == NULL ? error_set(err, ERROR_NOMEM, "no memory for a conversion")
                            : webhook_call_start(server, &conversion->call,
                                                 json_object_get(webhook, "clientConfig"),
                                                 TIMEOUT_S, review, err);
    json_decref(review);
    if (rc < 0 && rc != ERROR_NOMEM) {
        write_subject(conversion, &subject);
        error_prefix(err, "%sfailed", subject.data ? subject.data : "");
        strbuf_finish(&subject);
    }
    return rc;
}

struct conversion *conversion_start(struct apiserver *server, const struct api_resource *resource,
                                    json_t *objects, const char *api_version,
                                    void (*done)(void *context, json_t *converted,
                                                 const char *failure),
                                    void *context, struct error *err) {
    struct conversion *conversion = objects ? mem_zalloc(sizeof *conversion) : NULL;
    error_set(err, ERROR_NOMEM, "no memory for a conversion");
    if (conversion == NULL) {
        json_decref(objects);
        return NULL;
    }
    conversion->objects = objects;
    conversion->api_version = mem_strdup(api_version);
    conversion->done = done;
    conversion->context = context;
    conversion->call.done = on_answer;
    if (conversion->api_version &&
        ask(server, conversion, document_path(resource->crd, "spec.conversion.webhook"), err) == 0)
        return conversion;
    conversion_cancel(conversion);
    return NULL;
}
