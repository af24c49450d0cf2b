#include "apiserver/fields.h"

#include <string.h>

#include "apiserver/events.h"
#include "base/mem.h"

static const struct {
    const char *group, *plural, *fields[12];
} selectable[] = {
    {"",
     "pods",
     {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
      "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
      "status.nominatedNodeName"}},
    {"",
     "events",
     {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
      "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
      "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"}},
    {"events.k8s.io",
     "events",
     {"regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
      "regarding.apiVersion", "regarding.resourceVersion", "regarding.fieldPath", "reason",
      "reportingController", "type"}},
    {"", "nodes", {"spec.unschedulable"}},
    {"", "namespaces", {"status.phase"}},
    {"", "secrets", {"type"}},
    {"", "services", {"spec.clusterIP", "spec.type"}},
    {"", "replicationcontrollers", {"status.replicas"}},
    {"apps", "replicasets", {"status.replicas"}},
    {"batch", "jobs", {"status.successful"}},
    {"certificates.k8s.io", "certificatesigningrequests", {"spec.signerName"}},
};

static bool is_selectable(const struct api_kind *kind, const char *field) {
    const struct api_resource *resource = kind->resource;
    if (strcmp(field, "metadata.name") == 0 || strcmp(field, "metadata.namespace") == 0)
        return true;
    for (size_t i = 0; kind->selectable_fields && kind->selectable_fields[i]; i++) {
        const char *own = kind->selectable_fields[i];
        if (strcmp(own + (own[0] == '.'), field) == 0)
            return true;
    }
    for (size_t i = 0; resource->builtin && i < sizeof selectable / sizeof *selectable; i++) {
        if (strcmp(selectable[i].plural, resource->plural) != 0 ||
            strcmp(selectable[i].group, resource->group) != 0)
            continue;
        for (size_t j = 0; j < 12 && selectable[i].fields[j]; j++) {
            if (strcmp(selectable[i].fields[j], field) == 0)
                return true;
        }
    }
    return false;
}

static int refuse_field(struct api_exchange *x, const char *field) {
    const struct api_resource *resource = x->kind->resource;
    bool own = !resource->builtin;
    for (size_t i = 0; i < sizeof selectable / sizeof *selectable; i++)
        own |= strcmp(selectable[i].plural, resource->plural) == 0 &&
               strcmp(selectable[i].group, resource->group) == 0;
    if (own)
        return exchange_refuse(x, status_bad_request("field label not supported: %s", field));
    return exchange_refuse(x, status_bad_request("\"%s\" is not a known field selector: only "
                                                 "\"metadata.name\", \"metadata.namespace\"",
                                                 field));
}

/* Each path in "a=b,c!=d". */
static int check_fields(struct api_exchange *x, const char *text) {
    char field[256];
    while (*text) {
        size_t len = strcspn(text, "=!,"), end = len;
        snprintf(field, sizeof field, "%.*s", (int)(len < 255 ? len : 255), text);
        if (len > 0 && !text[len])
            return exchange_refuse(
                x, status_bad_request("invalid selector: '%s'; can't understand '%s'",
                                      x->request.field_selector, field));
        if (len > 0 && !is_selectable(x->kind, field))
            return refuse_field(x, field);
        while (text[end] && text[end] != ',')
            end += 1 + (text[end] == '\\' && text[end + 1]);
        text += end + (text[end] == ',');
    }
    return 0;
}

/* NULL: *err tells. */
static struct field_selector *parse_fields(const struct api_exchange *x, struct error *err) {
    const struct api_resource *resource = x->kind->resource;
    const char *text = x->request.field_selector;
    struct strbuf stored = {0};
    struct field_selector *parsed = NULL;
    if (!kinds_is_builtin(resource, "events"))
        return field_selector_parse(text, err);
    events_fields(text, x->kind->api_version, &stored);
    if (stored.failed)
        error_set(err, ERROR_NOMEM, "no memory for a selector");
    else
        parsed = field_selector_parse(stored.data ? stored.data : "", err);
    strbuf_finish(&stored);
    return parsed;
}

int choice_parse(struct api_exchange *x, struct choice *choice) {
    const struct request *request = &x->request;
    struct error err = {0};
    *choice = (struct choice){.name = str_of(request->name)};
    if (x->kind->resource->namespaced && request->ns[0])
        choice->ns = str_of(request->ns);
    if (check_fields(x, request->field_selector) < 0)
        return -1;
    if (request->label_selector[0] &&
        (choice->labels = selector_parse(request->label_selector, &err)) == NULL)
        return exchange_error(x, &err);
    if (request->field_selector[0] && (choice->fields = parse_fields(x, &err)) == NULL)
        return exchange_error(x, &err);
    return 0;
}

void choice_finish(struct choice *choice) {
    selector_destroy(choice->labels);
    field_selector_destroy(choice->fields);
    *choice = (struct choice){0};
}

bool choice_has(const struct choice *choice, const struct dag *dag, const struct storage_key *key,
                node_t node) {
    return node != NODE_NONE && (choice->ns.data == NULL || str_equal(choice->ns, key->ns)) &&
           (choice->name.len == 0 || str_equal(choice->name, key->name)) &&
           selector_matches(choice->labels, dag, node_path(dag, node, "metadata.labels")) &&
           field_selector_matches(choice->fields, dag, node);
}
