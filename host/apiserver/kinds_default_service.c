#include <string.h>

#include "apiserver/kinds_fill.h"

/* Services. */

static void fill_affinity(struct kinds_fill *fill, json_t *spec) {
    const char *affinity = kinds_fill_text(spec, "sessionAffinity");
    if (strcmp(affinity, "None") == 0)
        json_object_del(spec, "sessionAffinityConfig");
    if (strcmp(affinity, "ClientIP") != 0)
        return;
    json_t *config = kinds_fill_object(fill, spec, "sessionAffinityConfig");
    kinds_fill_put(fill, kinds_fill_object(fill, config, "clientIP"), "timeoutSeconds",
                   json_integer(10800));
}

static void fill_ports(struct kinds_fill *fill, json_t *spec) {
    json_t *port;
    size_t i;
    json_array_foreach(json_object_get(spec, "ports"), i, port) {
        json_t *number = json_object_get(port, "port"),
               *target = json_object_get(port, "targetPort");
        if ((json_is_integer(target) && json_integer_value(target) == 0) ||
            (json_is_string(target) && json_string_length(target) == 0))
            json_object_del(port, "targetPort");
        if (number)
            kinds_fill_put(fill, port, "targetPort", json_incref(number));
    }
}

static void fill_families(struct kinds_fill *fill, json_t *spec) {
    bool headless = strcmp(kinds_fill_text(spec, "clusterIP"), "None") == 0;
    if (headless && json_object_size(json_object_get(spec, "selector")) == 0) {
        kinds_fill_put(fill, spec, "ipFamilies", json_pack("[ss]", "IPv4", "IPv6"));
        kinds_fill_put(fill, spec, "ipFamilyPolicy", json_string("RequireDualStack"));
        return;
    }
    kinds_fill_put(fill, spec, "ipFamilies", json_pack("[s]", "IPv4"));
    kinds_fill_put(fill, spec, "ipFamilyPolicy", json_string("SingleStack"));
}

void kinds_fill_service(struct kinds_fill *fill) {
    json_t *spec = json_object_get(fill->object, "spec");
    const char *type = kinds_fill_text(spec, "type");
    bool balanced = strcmp(type, "LoadBalancer") == 0;
    bool outside = balanced || strcmp(type, "NodePort") == 0;
    bool inside = outside || strcmp(type, "ClusterIP") == 0;
    fill_affinity(fill, spec);
    fill_ports(fill, spec);
    if (outside || (inside && json_array_size(json_object_get(spec, "externalIPs")) > 0))
        kinds_fill_put(fill, spec, "externalTrafficPolicy", json_string("Cluster"));
    if (inside) {
        kinds_fill_put(fill, spec, "internalTrafficPolicy", json_string("Cluster"));
        fill_families(fill, spec);
    }
    if (balanced)
        kinds_fill_put(fill, spec, "allocateLoadBalancerNodePorts", json_true());
}
