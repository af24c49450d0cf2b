#include <string.h>

#include "apiserver/table_internal.h"

/* --- services ------------------------------------------------------------------------------ */

/* Addresses or, without one, names; in order. */
static json_t *ingress_points(const struct row *row) {
    json_t *points = json_array(), *point;
    size_t i;
    json_array_foreach(row_list(row, "status.loadBalancer.ingress"), i, point) {
        const char *ip = document_string(point, "ip");
        const char *name = ip[0] ? ip : document_string(point, "hostname");
        if (name[0])
            table_insert(points, name, true);
    }
    return points;
}

static void cell_external(struct row *row) {
    const char *type = document_string(row->object, "spec.type");
    bool balanced = strcmp(type, "LoadBalancer") == 0;
    struct strbuf text = {0};
    if (strcmp(type, "ExternalName") == 0) {
        row_string(row, "spec.externalName", "");
        return;
    }
    json_t *points = balanced ? ingress_points(row) : NULL;
    table_join(&text, points, ",");
    if (text.len > 0 && json_array_size(row_list(row, "spec.externalIPs")) > 0)
        strbuf_addc(&text, ',');
    table_join(&text, row_list(row, "spec.externalIPs"), ",");
    json_decref(points);
    if (text.len == 0)
        strbuf_adds(&text, balanced ? "<pending>" : type[0] ? "<none>" : "<unknown>");
    row_buf(row, &text);
}

static void cell_ports(struct row *row) {
    struct strbuf text = {0};
    size_t i;
    json_t *port;
    json_array_foreach(row_list(row, "spec.ports"), i, port) {
        long long number = json_integer_value(json_object_get(port, "port"));
        long long node = json_integer_value(json_object_get(port, "nodePort"));
        strbuf_printf(&text, "%s%lld", i > 0 ? "," : "", number);
        if (node > 0)
            strbuf_printf(&text, ":%lld", node);
        strbuf_printf(&text, "/%s", document_string(port, "protocol"));
    }
    if (text.len == 0)
        strbuf_adds(&text, "<none>");
    row_buf(row, &text);
}

void cells_service(struct row *row) {
    const char *ip = json_string_value(json_array_get(row_list(row, "spec.clusterIPs"), 0));
    row_name(row);
    row_string(row, "spec.type", "");
    row_text(row, ip ? ip : "<none>");
    cell_external(row);
    cell_ports(row);
    row_age(row);
    row_labels(row, row_list(row, "spec.selector"));
}

/* --- endpoints ----------------------------------------------------------------------------- */

static void add_address(json_t *list, const char *ip, const json_t *port) {
    char text[128];
    bool six = strchr(ip, ':') != NULL;
    if (port)
        snprintf(text, sizeof text, "%s%s%s:%lld", six ? "[" : "", ip, six ? "]" : "",
                 (long long)json_integer_value(json_object_get(port, "port")));
    json_array_append_new(list, json_string(port ? text : ip));
}

static void add_addresses(json_t *list, const json_t *subset, const json_t *port) {
    size_t i;
    json_t *address;
    json_array_foreach(json_object_get(subset, "addresses"), i, address)
        add_address(list, document_string(address, "ip"), port);
}

void cells_endpoints(struct row *row) {
    json_t *list = json_array(), *subset, *port;
    size_t i, k;
    struct strbuf text = {0};
    json_array_foreach(row_list(row, "subsets"), i, subset) {
        const json_t *ports = json_object_get(subset, "ports");
        if (json_array_size(ports) == 0)
            add_addresses(list, subset, NULL);
        json_array_foreach(ports, k, port) add_addresses(list, subset, port);
    }
    table_join_some(&text, list, 3);
    if (json_array_size(row_list(row, "subsets")) == 0)
        strbuf_adds(&text, "<none>");
    json_decref(list);
    row_name(row);
    row_buf(row, &text);
    row_age(row);
}

static void cell_some(struct row *row, json_t *list) {
    struct strbuf text = {0};
    table_join_some(&text, list, 3);
    if (text.len == 0)
        strbuf_adds(&text, "<unset>");
    json_decref(list);
    row_buf(row, &text);
}

static json_t *slice_ports(const struct row *row) {
    json_t *list = json_array(), *port;
    size_t i;
    json_array_foreach(row_list(row, "ports"), i, port) {
        const json_t *number = json_object_get(port, "port");
        const char *name = json_string_value(json_object_get(port, "name"));
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(number));
        json_array_append_new(list, json_string(number ? text : name ? name : "*"));
    }
    return list;
}

static json_t *slice_addresses(const struct row *row) {
    json_t *list = json_array(), *endpoint;
    size_t i;
    json_array_foreach(row_list(row, "endpoints"), i, endpoint)
        json_array_extend(list, json_object_get(endpoint, "addresses"));
    return list;
}

void cells_endpoint_slice(struct row *row) {
    row_name(row);
    row_string(row, "addressType", "");
    cell_some(row, slice_ports(row));
    cell_some(row, slice_addresses(row));
    row_age(row);
}

/* --- ingresses, policies ------------------------------------------------------------------- */

/* The hosts of the first rules; how many rules there are more. */
static void cell_hosts(struct row *row) {
    const json_t *rules = row_list(row, "spec.rules");
    size_t count = json_array_size(rules), shown = 0;
    struct strbuf text = {0};
    bool more = false;
    for (size_t i = 0; i < count; i++) {
        const char *host = document_string(json_array_get(rules, i), "host");
        more |= shown == 3;
        if (!more && host[0])
            strbuf_printf(&text, "%s%s", shown++ > 0 ? "," : "", host);
    }
    if (shown == 0)
        strbuf_adds(&text, "*");
    else if (more)
        strbuf_printf(&text, " + %zu more...", count - 3);
    row_buf(row, &text);
}

void cells_ingress(struct row *row) {
    struct strbuf address = {0};
    json_t *points = ingress_points(row);
    table_join(&address, points, ",");
    json_decref(points);
    row_name(row);
    row_string(row, "spec.ingressClassName", "<none>");
    cell_hosts(row);
    row_buf(row, &address);
    row_text(row, json_array_size(row_list(row, "spec.tls")) > 0 ? "80, 443" : "80");
    row_age(row);
}

void cells_ingress_class(struct row *row) {
    const json_t *notes = row_list(row, "metadata.annotations"), *to;
    const char *mark =
        json_string_value(json_object_get(notes, "ingressclass.kubernetes.io/is-default-class"));
    const char *group = document_string(row->object, "spec.parameters.apiGroup");
    row_format(row, "%s%s", document_meta(row->object, "name"),
               mark && strcmp(mark, "true") == 0 ? " (default)" : "");
    row_string(row, "spec.controller", "");
    to = row_list(row, "spec.parameters");
    if (to)
        row_format(row, "%s%s%s/%s", document_string(to, "kind"), group[0] ? "." : "", group,
                   document_string(to, "name"));
    else
        row_text(row, "<none>");
    row_age(row);
}

void cells_network_policy(struct row *row) {
    row_name(row);
    row_selector(row, row_list(row, "spec.podSelector"), "<none>");
    row_age(row);
}
