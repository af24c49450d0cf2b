#include <arpa/inet.h>
#include <string.h>

#include "apiserver/dns.h"
#include "apiserver/document.h"
#include "apiserver/rules.h"
#include "apiserver/rules_place.h"

/* Ingresses, network policies, endpoints. */

static const char not_an_address[] =
    "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

static bool is_address(const char *text) {
    unsigned char buf[16];
    return inet_pton(AF_INET, text, buf) == 1 || inet_pton(AF_INET6, text, buf) == 1;
}

/* --- ingresses --- */

static void check_service(const json_t *service, const char *backend, struct causes *causes) {
    const json_t *port = json_object_get(service, "port");
    bool named = document_string(port, "name")[0];
    bool numbered = !document_empty(json_object_get(port, "number"));
    char place[PLACE], field[PLACE];
    place_member(place, backend, "service");
    if (place_needed(service, place, "name", "", causes))
        place_label(service, place, "name", causes);
    place_member(place, backend, "service.port");
    if (named && numbered)
        cause_invalid_text(causes, backend, "", "cannot set both port name & port number");
    else if (named)
        place_port_name(json_object_get(port, "name"), place_member(field, place, "name"), causes);
    else if (numbered)
        place_port(port, place, "number", causes);
    else
        cause_required(causes, backend, "port name or number is required");
}

static void check_backend(const json_t *backend, const char *at, struct causes *causes) {
    const json_t *service = json_object_get(backend, "service");
    bool resource = json_is_object(json_object_get(backend, "resource"));
    if (resource && json_is_object(service))
        cause_invalid_text(causes, at, "", "cannot set both resource and service backends");
    else if (json_is_object(service))
        check_service(service, at, causes);
    else if (!resource)
        cause_invalid_text(causes, at, "", "resource or service backend is required");
}

static void check_path(const json_t *one, const char *at, struct causes *causes) {
    static const char *const wrong[] = {"//", "/./", "/../", "%2f", "%2F", NULL};
    const json_t *path = json_object_get(one, "path");
    const char *type = document_string(one, "pathType");
    const char *text = json_string_value(path) ? json_string_value(path) : "";
    char field[PLACE];
    if (!type[0]) {
        cause_required(causes, place_member(field, at, "pathType"), "pathType must be specified");
        return;
    }
    bool loose = strcmp(type, "ImplementationSpecific") == 0;
    place_member(field, at, "path");
    if (text[0] != '/' && (text[0] || !loose))
        cause_invalid_text(causes, field, text, "must be an absolute path");
    for (size_t i = 0; !loose && wrong[i]; i++) {
        if (strstr(text, wrong[i]))
            cause_invalid(causes, field, path, "must not contain '%s'", wrong[i]);
    }
    place_one_of(one, at, "pathType", "Exact ImplementationSpecific Prefix", causes);
    check_backend(json_object_get(one, "backend"), place_member(field, at, "backend"), causes);
}

static void check_host(const json_t *host, const char *at, struct causes *causes) {
    const char *text = json_string_value(host) ? json_string_value(host) : "";
    bool wild = strncmp(text, "*.", 2) == 0;
    const char *why = text[0] ? dns_check_1123_subdomain(str_of(text + (wild ? 2 : 0))) : NULL;
    if (is_address(text))
        cause_invalid(causes, at, host, "must be a DNS name, not an IP address");
    if (why && strchr(text, '*'))
        cause_invalid(
            causes, at, host,
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
            "subdomain, which must consist of lower case alphanumeric characters, '-' or "
            "'.' and end with an alphanumeric character (e.g. '*.example.com', regex used "
            "for validation is "
            "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')");
    else if (why)
        cause_invalid(causes, at, host, "%s", why);
}

static void check_rule(const json_t *rule, const char *at, struct causes *causes) {
    const json_t *http = json_object_get(rule, "http"), *path;
    const json_t *paths = json_object_get(http, "paths");
    char place[PLACE], list[PLACE];
    check_host(json_object_get(rule, "host"), place_member(place, at, "host"), causes);
    if (!json_is_object(http))
        return;
    place_member(place, at, "http");
    place_needed(http, place, "paths", "", causes);
    place_member(list, at, "http.paths");
    for (size_t i = 0; (path = json_array_get(paths, i)); i++)
        check_path(path, place_index(place, list, i), causes);
}

void ingress_check(struct apiserver *server, const json_t *now, const json_t *old,
                   struct causes *causes) {
    const json_t *rules = document_path(now, "spec.rules"), *rule;
    const json_t *backend = document_path(now, "spec.defaultBackend");
    json_t *none = json_null();
    char place[PLACE];
    (void)server, (void)old;
    if (json_array_size(rules) == 0 && backend == NULL)
        cause_invalid(causes, "spec", none, "either `defaultBackend` or `rules` must be specified");
    if (backend)
        check_backend(backend, "spec.defaultBackend", causes);
    for (size_t i = 0; (rule = json_array_get(rules, i)); i++)
        check_rule(rule, place_index(place, "spec.rules", i), causes);
}

void ingress_class_check(struct apiserver *server, const json_t *now, const json_t *old,
                         struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    const json_t *controller = json_object_get(spec, "controller");
    const char *text = json_string_value(controller) ? json_string_value(controller) : "";
    const char *slash = strchr(text, '/');
    (void)server;
    place_immutable(spec, json_object_get(old, "spec"), "spec", "controller", causes);
    if (place_needed(spec, "spec", "controller", "", causes) &&
        (slash == NULL || slash == text || slash[1] == 0))
        cause_invalid(causes, "spec.controller", controller,
                      "must be a domain-prefixed path (such as \"acme.io/foo\")");
}

/* --- network policies --- */

static void check_policy_ports(const json_t *list, const char *at, struct causes *causes) {
    const json_t *one, *port;
    char rules[PLACE], ports[PLACE], place[PLACE];
    for (size_t i = 0; (one = json_array_get(list, i)); i++) {
        place_index(rules, at, i);
        place_member(ports, rules, "ports");
        for (size_t k = 0; (port = json_array_get(json_object_get(one, "ports"), k)); k++) {
            place_index(place, ports, k);
            place_one_of(port, place, "protocol", "TCP UDP SCTP", causes);
            if (json_object_get(port, "port"))
                place_port_or_name(port, place, "port", causes);
        }
    }
}

void network_policy_check(struct apiserver *server, const json_t *now, const json_t *old,
                          struct causes *causes) {
    const json_t *types = document_path(now, "spec.policyTypes"), *type;
    json_t *known = json_pack("[s, s]", "Ingress", "Egress");
    char place[PLACE];
    (void)server, (void)old;
    check_policy_ports(document_path(now, "spec.ingress"), "spec.ingress", causes);
    check_policy_ports(document_path(now, "spec.egress"), "spec.egress", causes);
    for (size_t i = 0; known && (type = json_array_get(types, i)); i++) {
        if (json_is_string(type) && !document_has_string(known, json_string_value(type)))
            cause_unsupported(causes, place_index(place, "spec.policyTypes", i), type, known);
    }
    causes->failed |= known == NULL;
    json_decref(known);
}

/* --- endpoints --- */

void endpoint_slice_check(struct apiserver *server, const json_t *now, const json_t *old,
                          struct causes *causes) {
    const json_t *endpoints = json_object_get(now, "endpoints"), *one, *address;
    bool named = strcmp(document_string(now, "addressType"), "FQDN") == 0;
    char list[PLACE], place[PLACE];
    (void)server;
    place_immutable(now, old, "", "addressType", causes);
    for (size_t i = 0; (one = json_array_get(endpoints, i)); i++) {
        const json_t *addresses = json_object_get(one, "addresses");
        snprintf(list, sizeof list, "endpoints[%zu].addresses", i);
        for (size_t k = 0; !named && (address = json_array_get(addresses, k)); k++) {
            if (json_is_string(address) && !is_address(json_string_value(address)))
                cause_invalid(causes, place_index(place, list, k), address, "%s", not_an_address);
        }
    }
}

static void check_ips(const json_t *subset, const char *at, const char *part,
                      struct causes *causes) {
    const json_t *list = json_object_get(subset, part), *ip;
    char field[PLACE];
    for (size_t i = 0; i < json_array_size(list); i++) {
        ip = json_object_get(json_array_get(list, i), "ip");
        snprintf(field, sizeof field, "%.300s.%s[%zu].ip", at, part, i);
        if (!json_is_string(ip) || is_address(json_string_value(ip)))
            continue;
        cause_invalid(causes, field, ip, "%s", not_an_address);
        cause_invalid(causes, field, ip, "must be a valid IP address");
    }
}

void endpoints_check(struct apiserver *server, const json_t *now, const json_t *old,
                     struct causes *causes) {
    const json_t *subsets = json_object_get(now, "subsets"), *subset;
    char place[PLACE];
    (void)server, (void)old;
    for (size_t i = 0; (subset = json_array_get(subsets, i)); i++) {
        place_index(place, "subsets", i);
        check_ips(subset, place, "addresses", causes);
        check_ips(subset, place, "notReadyAddresses", causes);
    }
}
