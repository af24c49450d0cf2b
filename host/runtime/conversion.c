#include "runtime/conversion.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cache/diff.h"
#include "runtime/hooks_internal.h"
#include "serve/admission.h"

struct conversion {
    struct hook_call call;
    struct conversion_review review; /* its slices are of the request's body */
    struct strbuf converted;         /* "[{...},{...}" */
    const struct object *object;     /* in work */
    size_t at;
};

static void release(struct hook_call *call) {
    struct conversion *conversion = CONTAINER_OF(call, struct conversion, call);
    conversion_review_finish(&conversion->review);
    strbuf_finish(&conversion->converted);
    object_unpin(conversion->object);
    mem_free(conversion);
}

static void answer(struct conversion *conversion, const char *failure) {
    struct server_answer answer = {.status = 200, .content_type = "application/json"};
    strbuf_addc(&conversion->converted, ']');
    conversion_answer_write(&conversion->review, strbuf_view(&conversion->converted), failure,
                            &answer.body);
    hook_call_respond(&conversion->call, &answer);
}

/* The failure of one object is the review's: the API server shows its message. A script that could
 * has named the object already. */
static void fail(struct conversion *conversion, const struct error *err) {
    struct error named = *err;
    char who[400] = "";
    const struct object *object = conversion->object;
    if (object) {
        struct str ns = object_namespace(object), name = object_name(object);
        struct str kind = node_text(object->dag, node_path(object->dag, object->root, "kind"));
        snprintf(who, sizeof who, STR_FORMAT " " STR_FORMAT "%s" STR_FORMAT, STR_ARG(kind),
                 STR_ARG(ns), ns.len ? "/" : "", STR_ARG(name));
    }
    if (strncmp(named.message, who, strlen(who)) != 0)
        error_prefix(&named, "%s", who);
    answer(conversion, named.message);
}

/* metadata may differ in labels and annotations. */
static bool same_metadata(const struct dag *dag, node_t from, node_t to) {
    node_t sides[2] = {node_get(dag, from, str_of("metadata")),
                       node_get(dag, to, str_of("metadata"))};
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < node_count(dag, sides[side]); i++) {
            struct str key = node_key_at(dag, sides[side], i);
            if (!str_is(key, "labels") && !str_is(key, "annotations") &&
                !node_same(dag, node_at(dag, sides[side], i), node_get(dag, sides[!side], key)))
                return false;
        }
    return true;
}

static int check(const struct conversion *conversion, node_t object, struct error *err) {
    const struct dag *dag = conversion->object->dag;
    node_t from = conversion->object->root;
    if (node_type(dag, object) != NODE_OBJECT)
        return error_set(err, ERROR_INVALID, "the conversion leaves no object");
    if (!node_is(dag, node_get(dag, object, str_of("apiVersion")), conversion->review.desired))
        return error_set(err, ERROR_INVALID, "the conversion does not lead to %s",
                         conversion->review.desired);
    if (!node_same(dag, node_get(dag, from, str_of("kind")), node_get(dag, object, str_of("kind"))))
        return error_set(err, ERROR_INVALID, "the conversion changes the kind");
    if (!same_metadata(dag, from, object))
        return error_set(err, ERROR_INVALID,
                         "the conversion changes metadata other than labels and annotations");
    return 0;
}

static void next_object(struct conversion *conversion);

static void on_result(struct hook_call *call, struct script_result *result) {
    struct conversion *conversion = CONTAINER_OF(call, struct conversion, call);
    struct dag *dag = call->hooks->host->dag;
    struct error err;
    node_t said = dag_parse(dag, strbuf_view(&result->answer), 0, &err);
    node_t object = node_get(dag, said, str_of("object"));
    int rc = said == NODE_NONE ? err.code : check(conversion, object, &err);
    if (rc == 0) {
        struct json_writer writer;
        strbuf_addc(&conversion->converted, conversion->at > 0 ? ',' : '[');
        json_writer_init(&writer, &conversion->converted);
        node_write(dag, object, &writer);
        if (conversion->converted.failed)
            rc = error_set(&err, ERROR_NOMEM, "no memory for the answer");
    }
    node_unref(dag, said);
    if (rc < 0) {
        fail(conversion, &err);
        return;
    }
    conversion->at++;
    next_object(conversion);
}

/* A raised error is an answer, not a breakdown: it says which object, and why. */
static void on_failure(struct hook_call *call, const struct error *err) {
    fail(CONTAINER_OF(call, struct conversion, call), err);
}

static void next_object(struct conversion *conversion) {
    struct host *host = conversion->call.hooks->host;
    struct error err;
    object_unpin(conversion->object);
    conversion->object = NULL;
    if (conversion->at == conversion->review.count) {
        if (conversion->at == 0)
            strbuf_addc(&conversion->converted, '[');
        answer(conversion, NULL);
        return;
    }
    node_t root = dag_parse(host->dag, conversion->review.objects[conversion->at], 0, &err);
    conversion->object = root == NODE_NONE ? NULL : object_create(host->epochs, root, &err);
    if (conversion->object == NULL) {
        error_prefix(&err, "objects[%zu]", conversion->at);
        fail(conversion, &err);
        return;
    }
    struct script_call told = {.function = "convert",
                               .request = str_of(conversion->review.desired)};
    hook_call_start(&conversion->call, &told, conversion->object, NULL);
}

static const struct hook_call_type type = {
    .result = on_result, .failure = on_failure, .release = release};

void conversion_accept(struct hooks *hooks, struct server_request *request,
                       const struct server_exchange *exchange) {
    struct conversion *conversion = mem_zalloc(sizeof *conversion);
    struct error err;
    if (conversion == NULL) {
        hook_refuse(request, 503, "no memory");
        return;
    }
    struct hook_call *call = &conversion->call;
    if (hook_call_open(call, hooks, request, exchange, /* conversion= */ true, &type, &err) < 0) {
        hook_call_fail(call, 503, &err);
        return;
    }
    if (conversion_review_parse(&conversion->review, exchange->body, &err) < 0) {
        hook_call_fail(call, 400, &err);
        return;
    }
    call->uid = conversion->review.uid;
    next_object(conversion);
}
