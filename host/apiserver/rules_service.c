#include <stdlib.h>
#include <string.h>

#include "apiserver/metadata.h"
#include "apiserver/rules.h"
#include "apiserver/rules_place.h"
#include "base/mem.h"

/* 10.96.0.0/16, of which the first 256 are for those who name their own. */
enum { ADDRESSES = 65536, FIRST_ADDRESS = 256, FIRST_PORT = 30000, PORTS = 2768 };

struct used { /* by all services but one */
    const struct dag *dag;
    const json_t *but;
    uint8_t addresses[ADDRESSES / 8], ports[PORTS / 8 + 1];
};

static void mark(uint8_t *bits, size_t at) {
    bits[at / 8] |= (uint8_t)(1u << at % 8);
}

static bool marked(const uint8_t *bits, size_t at) {
    return bits[at / 8] >> at % 8 & 1;
}

/* The place of "10.96.x.y", or -1. */
static int address_of(struct str text) {
    char copy[32];
    unsigned a, b;
    char end;
    if (text.len >= sizeof copy)
        return -1;
    memcpy(copy, text.data ? text.data : "", text.len);
    copy[text.len] = 0;
    if (sscanf(copy, "10.96.%3u.%3u%c", &a, &b, &end) != 2 || a > 255 || b > 255)
        return -1;
    return (int)(a * 256 + b);
}

static bool note_service(void *context, const struct storage_item *item) {
    struct used *used = context;
    const struct dag *dag = used->dag;
    if (used->but && str_is(item->key.name, document_meta(used->but, "name")) &&
        str_is(item->key.ns, document_meta(used->but, "namespace")))
        return true;
    int address = address_of(node_text(dag, node_path(dag, item->node, "spec.clusterIP")));
    if (address >= 0)
        mark(used->addresses, (size_t)address);
    node_t ports = node_path(dag, item->node, "spec.ports");
    for (size_t i = 0; i < node_count(dag, ports); i++) {
        int64_t port = 0;
        node_int(dag, node_get(dag, node_at(dag, ports, i), str_of("nodePort")), &port);
        if (port >= FIRST_PORT && port < FIRST_PORT + PORTS)
            mark(used->ports, (size_t)(port - FIRST_PORT));
    }
    return true;
}

static struct used *used_by_others(struct apiserver *server, const json_t *service) {
    const struct api_resource *resource =
        kinds_resource(server->kinds, str_of(""), str_of("services"));
    struct used *used = mem_zalloc(sizeof *used);
    struct error err;
    if (used == NULL || resource == NULL)
        return used;
    used->dag = server->dag;
    used->but = service;
    storage_list(server->storage, resource->id, (struct str){0}, NULL, 0, note_service, used, &err);
    return used;
}

/* `address` may be the one that stands in clusterIP now: that is replaced last. */
static int set_addresses(json_t *spec, const char *address) {
    int rc = json_object_set_new(spec, "clusterIPs", json_pack("[s]", address));
    return rc | json_object_set_new(spec, "clusterIP", json_string(address));
}

static int set_families(json_t *spec) {
    int rc = 0;
    if (json_object_get(spec, "ipFamilies") == NULL)
        rc |= json_object_set_new(spec, "ipFamilies", json_pack("[s]", "IPv4"));
    if (json_object_get(spec, "ipFamilyPolicy") == NULL)
        rc |= json_object_set_new(spec, "ipFamilyPolicy", json_string("SingleStack"));
    return rc;
}

static int give_address(struct apiserver *server, struct used *used, json_t *spec) {
    char text[64];
    snprintf(text, sizeof text, "%s", document_string(spec, "clusterIP"));
    if (text[0])
        return set_addresses(spec, text);
    size_t at = FIRST_ADDRESS + rng_below(&server->rng, ADDRESSES - FIRST_ADDRESS - 1), tries = 0;
    while (marked(used->addresses, at) && tries++ < ADDRESSES)
        at = at + 1 < ADDRESSES - 1 ? at + 1 : FIRST_ADDRESS;
    snprintf(text, sizeof text, "10.96.%zu.%zu", at / 256, at % 256);
    return set_addresses(spec, text);
}

static int give_ports(struct apiserver *server, struct used *used, json_t *spec) {
    size_t i;
    json_t *port;
    int rc = 0;
    json_array_foreach(json_object_get(spec, "ports"), i, port) {
        json_int_t own = json_integer_value(json_object_get(port, "nodePort"));
        size_t at = rng_below(&server->rng, PORTS), tries = 0;
        if (own > 0)
            continue;
        while (marked(used->ports, at) && tries++ < PORTS)
            at = (at + 1) % PORTS;
        mark(used->ports, at);
        rc |= json_object_set_new(port, "nodePort", json_integer((json_int_t)at + FIRST_PORT));
    }
    return rc;
}

/* What was given stays when an update does not name it. */
static int keep_given(json_t *spec, const json_t *before, bool node_ports) {
    size_t i, j;
    json_t *port, *other;
    int rc = 0;
    if (document_empty(json_object_get(spec, "clusterIP")))
        rc |= document_copy_member(spec, before, "clusterIP");
    json_array_foreach(json_object_get(spec, "ports"), i, port) {
        json_array_foreach(json_object_get(before, "ports"), j, other) {
            if (node_ports && !json_object_get(port, "nodePort") &&
                document_same(json_object_get(port, "port"), json_object_get(other, "port")) &&
                document_same(json_object_get(port, "protocol"),
                              json_object_get(other, "protocol")))
                rc |= document_copy_member(port, other, "nodePort");
        }
    }
    return rc;
}

static bool has_node_ports(const char *type) {
    return strcmp(type, "NodePort") == 0 || strcmp(type, "LoadBalancer") == 0;
}

static bool is_external(const char *type) {
    return strcmp(type, "ExternalName") == 0;
}

static void drop_same(json_t *spec, const json_t *before, const char *key) {
    if (document_same(json_object_get(spec, key), json_object_get(before, key)))
        json_object_del(spec, key);
}

static void drop_same_ports(json_t *spec, const json_t *before) {
    const json_t *ports = json_object_get(before, "ports"), *other;
    size_t i, k;
    json_t *port;
    json_array_foreach(json_object_get(spec, "ports"), i, port) {
        for (k = 0; (other = json_array_get(ports, k)); k++) {
            if (json_object_get(port, "nodePort"))
                drop_same(port, other, "nodePort");
        }
    }
}

/* What the former type needed goes, if the client did not give it anew. */
static void drop_former(json_t *spec, const json_t *before, const char *type) {
    static const char *const addressed[] = {"clusterIP", "clusterIPs", "ipFamilies",
                                            "ipFamilyPolicy", "internalTrafficPolicy"};
    const char *former = document_string(before, "type");
    if (has_node_ports(former) && !has_node_ports(type)) {
        drop_same_ports(spec, before);
        drop_same(spec, before, "externalTrafficPolicy");
    }
    if (strcmp(former, "LoadBalancer") == 0 && strcmp(type, "LoadBalancer") != 0) {
        drop_same(spec, before, "allocateLoadBalancerNodePorts");
        drop_same(spec, before, "loadBalancerClass");
    }
    for (size_t i = 0; is_external(type) && !is_external(former) && i < 5; i++)
        drop_same(spec, before, addressed[i]);
}

static int give(struct apiserver *server, json_t *service, json_t *spec, const char *type) {
    struct used *used = used_by_others(server, service);
    int rc = used ? give_address(server, used, spec) | set_families(spec) : -1;
    if (rc == 0 && has_node_ports(type))
        rc = give_ports(server, used, spec);
    mem_free(used);
    return rc;
}

int service_prepare(struct apiserver *server, json_t *now, const json_t *old, struct error *err) {
    json_t *spec = json_object_get(now, "spec");
    spec = json_is_object(spec) ? document_copy(spec) : json_object(); /* it may be old's, too */
    if (json_object_set_new(now, "spec", spec) < 0)
        return error_set(err, ERROR_NOMEM, "no memory for a service");
    int rc = 0;
    char type[32];
    snprintf(type, sizeof type, "%s", document_string(spec, "type"));
    if (rc == 0 && old == NULL)
        rc = json_object_set_new(now, "status", json_pack("{s:{}}", "loadBalancer"));
    if (rc == 0 && old)
        drop_former(spec, json_object_get(old, "spec"), type);
    if (rc == 0 && old && !is_external(type))
        rc = keep_given(spec, json_object_get(old, "spec"), has_node_ports(type));
    if (rc == 0 && !is_external(type))
        rc = give(server, now, spec, type);
    return rc == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory for a service");
}

static void check_ports(const struct used *used, const json_t *spec, struct causes *causes) {
    size_t i;
    json_t *port;
    char field[64];
    json_array_foreach(json_object_get(spec, "ports"), i, port) {
        json_t *own = json_object_get(port, "nodePort");
        json_int_t number = json_integer_value(own);
        snprintf(field, sizeof field, "spec.ports[%zu].nodePort", i);
        if (own && (number < FIRST_PORT || number >= FIRST_PORT + PORTS))
            cause_invalid(causes, field, own,
                          "provided port is not in the valid range. The range of valid ports is "
                          "30000-32767");
        else if (own && marked(used->ports, (size_t)(number - FIRST_PORT)))
            cause_invalid(causes, field, own, "provided port is already allocated");
    }
}

static void check_port_values(const json_t *spec, struct causes *causes) {
    const json_t *ports = json_object_get(spec, "ports"), *port;
    const char *type = document_string(spec, "type");
    char at[PLACE], field[PLACE];
    for (size_t i = 0; (port = json_array_get(ports, i)); i++) {
        place_index(at, "spec.ports", i);
        if (document_string(port, "name")[0])
            place_label(port, at, "name", causes);
        else if (json_array_size(ports) > 1)
            place_needed(port, at, "name", "", causes);
        place_unique(ports, i, at, "name", causes);
        place_port(port, at, "port", causes);
        place_one_of(port, at, "protocol", "SCTP TCP UDP", causes);
        if (json_object_get(port, "targetPort"))
            place_port_or_name(port, at, "targetPort", causes);
        if (!has_node_ports(type) && !document_empty(json_object_get(port, "nodePort")))
            cause_forbidden(causes, place_member(field, at, "nodePort"),
                            is_external(type) ? "may not be used when `type` is 'ExternalName'"
                                              : "may not be used when `type` is 'ClusterIP'");
    }
}

/* Two ports differ in number or protocol. The server shows its own struct of them. */
static void check_twice(const json_t *spec, struct causes *causes) {
    const json_t *ports = json_object_get(spec, "ports"), *port;
    char at[PLACE], shown[256];
    for (size_t i = 1; (port = json_array_get(ports, i)); i++) {
        json_int_t number = json_integer_value(json_object_get(port, "port"));
        const json_t *other = NULL;
        for (size_t k = 0; k < i && other == NULL; k++) {
            const json_t *one = json_array_get(ports, k);
            if (json_integer_value(json_object_get(one, "port")) == number &&
                document_same(json_object_get(one, "protocol"), json_object_get(port, "protocol")))
                other = one;
        }
        if (other == NULL)
            continue;
        snprintf(shown, sizeof shown,
                 "{\"Name\":\"\",\"Protocol\":\"%s\",\"AppProtocol\":null,\"Port\":%lld,"
                 "\"TargetPort\":0,\"NodePort\":0}",
                 document_string(port, "protocol"), (long long)number);
        cause_duplicate_shown(causes, place_index(at, "spec.ports", i), shown);
    }
}

static void check_address(const struct used *used, const json_t *spec, struct causes *causes) {
    const json_t *all = json_object_get(spec, "clusterIPs");
    const char *address = document_string(spec, "clusterIP");
    int at = address_of(str_of(address));
    if (is_external(document_string(spec, "type")) || !address[0] || strcmp(address, "None") == 0)
        return;
    if (at < 0)
        cause_invalid(causes, "spec.clusterIPs", all,
                      "failed to allocate IP %s: the provided IP (%s) is not in the valid range. "
                      "The range of valid IPs is 10.96.0.0/16",
                      address, address);
    else if (marked(used->addresses, (size_t)at))
        cause_invalid(causes, "spec.clusterIPs", all,
                      "failed to allocate IP %s: provided IP is already allocated", address);
}

static void check_external(const json_t *spec, struct causes *causes) {
    const char *name = document_string(spec, "externalName");
    if (!name[0])
        cause_required(causes, "spec.externalName", "");
    else
        name_check(NAME_SUBDOMAIN, "spec.externalName", name, causes);
}

void service_check(struct apiserver *server, const json_t *now, const json_t *old,
                   struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    const char *address = document_string(spec, "clusterIP");
    const char *before = document_string(old, "spec.clusterIP");
    const char *type = document_string(spec, "type");
    if (json_array_size(json_object_get(spec, "ports")) == 0 && strcmp(address, "None") != 0 &&
        strcmp(type, "ExternalName") != 0)
        cause_required(causes, "spec.ports", "");
    if (before[0] && strcmp(before, address) != 0 && strcmp(type, "ExternalName") != 0)
        cause_invalid(causes, "spec.clusterIPs[0]", json_object_get(spec, "clusterIPs"),
                      "may not change once set");
    if (is_external(type))
        check_external(spec, causes);
    check_port_values(spec, causes);
    check_twice(spec, causes);
    struct used *used = json_array_size(causes->list) == 0 ? used_by_others(server, now) : NULL;
    if (used)
        check_address(used, spec, causes);
    if (used && has_node_ports(type))
        check_ports(used, spec, causes);
    mem_free(used);
}
