#include "kube/select.h"

void kube_query_add(struct strbuf *query, const char *name, const char *value) {
    if (value == NULL)
        return;
    if (query->len)
        strbuf_addc(query, '&');
    strbuf_adds(query, name);
    strbuf_addc(query, '=');
    kube_escape(query, str_of(value));
}

static const char *some(const char *text) {
    return text && *text ? text : NULL;
}

void kube_select_build(const struct kube_select *select, struct strbuf *path,
                       struct strbuf *query) {
    kube_resource_path(path, select->resource, select->ns, NULL, NULL);
    kube_query_add(query, "labelSelector", some(select->label_selector));
    kube_query_add(query, "fieldSelector", some(select->field_selector));
}

const char *kube_select_accept(const struct kube_select *select, bool list) {
    if (!select->metadata_only)
        return "application/json";
    return list ? "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
                : "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
}
