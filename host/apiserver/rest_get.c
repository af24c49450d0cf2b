#include "apiserver/rest.h"

int rest_parse_version(struct api_exchange *x, uint64_t *ret) {
    int64_t version = 0;
    const char *text = x->request.resource_version;
    if (text[0] && (!str_to_int64(str_of(text), &version) || version < 0))
        return exchange_refuse(x, status_make(400, "BadRequest", NULL,
                                              "invalid resource version: resourceVersion: Invalid "
                                              "value: \"%s\": strconv.ParseUint: parsing "
                                              "\"%s\": invalid syntax",
                                              text, text));
    *ret = (uint64_t)version;
    return 0;
}

int rest_check_reached(struct api_exchange *x, uint64_t version) {
    uint64_t current = storage_revision(x->server->storage);
    return version > current ? exchange_refuse(x, status_too_large(version, current)) : 0;
}

static int parse_version_of_one(struct api_exchange *x, uint64_t *ret) {
    if (rest_parse_version(x, ret) == 0)
        return 0;
    return exchange_refuse(x, status_no_version(x->request.resource_version));
}

void rest_get(struct api_exchange *x) {
    uint64_t version = 0;
    bool namespaced = x->kind->resource->namespaced;
    struct storage_key key = {x->kind->resource->id, str_of(namespaced ? x->request.ns : ""),
                              str_of(x->request.name)};
    if (parse_version_of_one(x, &version) < 0 || rest_check_reached(x, version) < 0) {
        exchange_fail(x);
        return;
    }
    node_t node = storage_get(x->server->storage, &key, NULL);
    if (node == NODE_NONE) {
        exchange_refuse(x, status_not_found(x->kind->resource, x->request.name));
        exchange_fail(x);
    } else {
        exchange_answer_node(x, 200, node);
    }
}
