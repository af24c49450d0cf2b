#include "apiserver/crds.h"

struct reader {
    struct apiserver *server;
    const struct api_resource *resource;
};

static node_t parse(struct dag *dag, const json_t *object, node_t like) {
    struct dag_guess guess = {.like = like};
    struct strbuf text = {0};
    struct error err;
    document_text(object, &text);
    node_t node = NODE_NONE;
    if (!text.failed)
        node = dag_parse_like(dag, strbuf_view(&text), /* drop= */ 0, &guess, &err);
    strbuf_finish(&text);
    return node;
}

/* By the schema of the version that it is stored in. */
static node_t read_object(void *context, node_t put) {
    const struct reader *reader = context;
    struct dag *dag = reader->server->dag;
    struct error err;
    json_t *was = document_of(dag, put), *now = document_copy(was);
    const struct api_kind *kind =
        kinds_version(reader->resource, document_string(was, "apiVersion"));
    node_t node = NODE_NONE;
    bool read = was && now;
    if (read && kind)
        read = schema_prune(kind->schema, now, /* known= */ NULL, /* pruned= */ NULL, &err) == 0 &&
               kinds_default(kind, now, /* known= */ NULL, &err) == 0;
    if (read)
        node = json_equal(was, now) ? node_ref(dag, put) : parse(dag, now, put);
    json_decref(was);
    json_decref(now);
    return node;
}

int crds_reread(struct apiserver *server, const struct api_resource *resource, uint64_t until,
                struct error *err) {
    struct reader reader = {server, resource};
    return storage_reread(server->storage, resource->id, until, read_object, &reader, err);
}
