#include "apiserver/collect.h"
#include "apiserver/crds.h"

/* What is in storage, and the two ways into it. */
void server_time(const struct apiserver *server, char text[CLOCK_TEXT]) {
    clock_format(clock_wall(loop_clock(server->loop)), 0, text);
}

void server_uid(struct apiserver *server, char uid[40]) {
    unsigned long long a = rng_next(&server->rng), b = rng_next(&server->rng);
    snprintf(uid, 40, "%08llx-%04llx-4%03llx-%04llx-%012llx", a >> 32, a >> 16 & 0xffff, a & 0xfff,
             (b >> 48 & 0x3fff) | 0x8000, b & 0xffffffffffffull);
}

node_t server_find(const struct apiserver *server, const char *group, const char *plural,
                   const char *ns, const char *name) {
    const struct api_resource *resource =
        kinds_resource(server->kinds, str_of(group), str_of(plural));
    if (resource == NULL)
        return NODE_NONE;
    struct storage_key key = {resource->id, str_of(ns), str_of(name)};
    return storage_get(server->storage, &key, NULL);
}

/* As it is stored: in the storage version, with the revision that it will have. */
static int stored_text(struct apiserver *server, const struct api_kind *storage, json_t *object,
                       struct strbuf *text) {
    char revision[24];
    snprintf(revision, sizeof revision, "%llu",
             (unsigned long long)storage_revision(server->storage) + 1);
    int rc = document_set_meta(object, "resourceVersion", revision);
    if (storage)
        rc |= json_object_set_new(object, "apiVersion", json_string(storage->api_version));
    document_object_text(object, server->known, text);
    return rc || text->failed ? ERROR_NOMEM : 0;
}

static const struct api_kind *storage_kind(const struct apiserver *server, unsigned resource) {
    for (size_t i = 0; i < kinds_count(server->kinds); i++) {
        if (kinds_at(server->kinds, i)->id == resource)
            return kinds_at(server->kinds, i)->storage;
    }
    return NULL;
}

static void tell(struct apiserver *server, const struct storage_key *key, node_t old, node_t now) {
    crds_changed(server, key, old, now);
    collector_changed(server->collector, key, old, now);
}

static int put_document(struct apiserver *server, const struct storage_key *key,
                        const json_t *object, struct str text, struct error *err) {
    node_t like = storage_like(server->storage, key);
    node_t node = document_node(server->dag, server->known, object, like, err);
    if (node == NODE_NONE)
        return err->code;
    int rc = storage_put_node(server->storage, key, node, text, err);
    node_unref(server->dag, node);
    return rc;
}

int server_put(struct apiserver *server, const struct storage_key *key, json_t *object,
               struct strbuf *ret_text, struct error *err) {
    struct strbuf text = {0};
    node_t old = node_ref(server->dag, storage_get(server->storage, key, NULL));
    int rc = stored_text(server, storage_kind(server, key->resource), object, &text);
    if (rc < 0)
        error_set(err, rc, "no memory for an object");
    else
        rc = put_document(server, key, object, strbuf_view(&text), err);
    if (rc == 0)
        tell(server, key, old, storage_get(server->storage, key, NULL));
    if (rc == 0 && ret_text)
        *ret_text = text;
    else
        strbuf_finish(&text);
    node_unref(server->dag, old);
    return rc;
}

int server_delete(struct apiserver *server, const struct storage_key *key, json_t *last,
                  struct error *err) {
    struct strbuf text = {0};
    node_t old = node_ref(server->dag, storage_get(server->storage, key, NULL));
    int rc = stored_text(server, NULL, last, &text);
    if (rc < 0)
        error_set(err, rc, "no memory for an object");
    else
        rc = storage_delete(server->storage, key, strbuf_view(&text), err);
    strbuf_finish(&text);
    if (rc == 0)
        tell(server, key, old, NODE_NONE);
    node_unref(server->dag, old);
    return rc;
}
