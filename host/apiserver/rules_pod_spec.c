#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/document.h"
#include "apiserver/rules.h"
#include "apiserver/rules_place.h"

/* What a pod's spec must be like beyond its schema, in pods and in templates of them. */

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* --- ports --- */

static void check_ports(const json_t *container, const char *at, struct causes *causes) {
    const json_t *ports = json_object_get(container, "ports"), *port;
    char list[PLACE], place[PLACE], field[PLACE];
    place_member(list, at, "ports");
    for (size_t i = 0; (port = json_array_get(ports, i)); i++) {
        place_index(place, list, i);
        if (text_of(port, "name")[0]) {
            place_port_name(json_object_get(port, "name"), place_member(field, place, "name"),
                            causes);
            place_unique(ports, i, place, "name", causes);
        }
        if (place_needed(port, place, "containerPort", "", causes))
            place_port(port, place, "containerPort", causes);
        if (!document_empty(json_object_get(port, "hostPort")))
            place_port(port, place, "hostPort", causes);
    }
}

/* --- env, volumes --- */

static bool is_printable(const char *text) {
    for (; *text; text++) {
        if (*text < ' ' || *text > '~' || *text == '=')
            return false;
    }
    return true;
}

static void check_env(const json_t *container, const char *at, struct causes *causes) {
    const json_t *env = json_object_get(container, "env"), *one;
    char list[PLACE], place[PLACE], field[PLACE];
    place_member(list, at, "env");
    for (size_t i = 0; (one = json_array_get(env, i)); i++) {
        const json_t *from = json_object_get(one, "valueFrom");
        place_index(place, list, i);
        if (place_needed(one, place, "name", "", causes) && !is_printable(text_of(one, "name")))
            cause_invalid(causes, place_member(field, place, "name"), json_object_get(one, "name"),
                          "a valid environment variable name must consist only of printable ASCII "
                          "characters other than '='");
        if (!json_is_object(from))
            continue;
        place_member(field, place, "valueFrom");
        if (json_object_size(from) == 0)
            cause_invalid_text(causes, field, "",
                               "must specify one of: `fieldRef`, `resourceFieldRef`, "
                               "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
        else if (text_of(one, "value")[0])
            cause_invalid_text(causes, field, "", "may not be specified when `value` is not empty");
        else if (json_object_size(from) > 1)
            cause_invalid_text(causes, field, "",
                               "may not have more than one field specified at a time");
    }
}

static bool has_named(const json_t *list, const char *name) {
    const json_t *one;
    for (size_t i = 0; (one = json_array_get(list, i)); i++) {
        if (strcmp(text_of(one, "name"), name) == 0)
            return true;
    }
    return false;
}

/* What else there may be mounted: what a StatefulSet makes of its claim templates. */
struct volumes {
    const json_t *own, *claims;
};

static bool has_claim(const json_t *claims, const char *name) {
    const json_t *claim;
    for (size_t i = 0; (claim = json_array_get(claims, i)); i++) {
        if (strcmp(document_meta(claim, "name"), name) == 0)
            return true;
    }
    return false;
}

static void check_mounts(const json_t *container, const struct volumes *volumes, const char *at,
                         struct causes *causes) {
    const json_t *mounts = json_object_get(container, "volumeMounts"), *mount;
    char list[PLACE], place[PLACE], field[PLACE];
    place_member(list, at, "volumeMounts");
    for (size_t i = 0; (mount = json_array_get(mounts, i)); i++) {
        const char *name = text_of(mount, "name"), *path = text_of(mount, "mountPath");
        place_index(place, list, i);
        place_needed(mount, place, "name", "", causes);
        if (!has_named(volumes->own, name) && !has_claim(volumes->claims, name))
            cause_not_found(causes, place_member(field, place, "name"), name);
        place_needed(mount, place, "mountPath", "", causes);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(path, text_of(json_array_get(mounts, k), "mountPath")) != 0)
                continue;
            cause_invalid_text(causes, place_member(field, place, "mountPath"), path,
                               "must be unique");
            break;
        }
    }
}

static void check_source(const json_t *volume, const char *at, struct causes *causes) {
    const char *key;
    json_t *value;
    char field[PLACE];
    size_t count = 0;
    json_object_foreach((json_t *)volume, key, value) {
        if (strcmp(key, "name") != 0 && json_is_object(value) && count++ > 0)
            cause_forbidden(causes, place_member(field, at, key),
                            "may not specify more than 1 volume type");
    }
    if (count == 0)
        cause_required(causes, at, "must specify a volume type");
}

static void check_volumes(const json_t *volumes, const char *at, struct causes *causes) {
    const json_t *volume;
    char list[PLACE], place[PLACE];
    place_member(list, at, "volumes");
    for (size_t i = 0; (volume = json_array_get(volumes, i)); i++) {
        place_index(place, list, i);
        check_source(volume, place, causes);
        if (place_needed(volume, place, "name", "", causes))
            place_label(volume, place, "name", causes);
        place_unique(volumes, i, place, "name", causes);
    }
}

/* --- resources --- */

/* Near enough to compare: quantities that differ are farther apart than a double's last digit. */
static double amount(const json_t *value) {
    static const char *const units[] = {"n", "u", "m",  "k",  "M",  "G",  "T",
                                        "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"};
    static const double factors[] = {1e-9, 1e-6, 1e-3,   1e3,    1e6,    1e9,    1e12,
                                     1e15, 1e18, 0x1p10, 0x1p20, 0x1p30, 0x1p40, 0x1p50};
    char *unit;
    if (json_is_number(value))
        return json_number_value(value);
    const char *text = json_string_value(value) ? json_string_value(value) : "0";
    double number = strtod(text, &unit);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i]) == 0)
            return number * factors[i];
    }
    return strcmp(unit, "Ei") == 0 ? number * 0x1p60 : number;
}

static void check_resources(const json_t *container, const char *at, struct causes *causes) {
    json_t *limits = document_path(container, "resources.limits"), *value;
    const char *name;
    char field[PLACE];
    json_object_foreach(limits, name, value) {
        if (amount(value) < 0) {
            snprintf(field, sizeof field, "%s.resources.limits[%s]", at, name);
            cause_invalid(causes, field, value, "must be greater than or equal to 0");
        }
    }
    json_object_foreach(document_path(container, "resources.requests"), name, value) {
        const json_t *limit = json_object_get(limits, name);
        if (amount(value) < 0) {
            snprintf(field, sizeof field, "%s.resources.requests[%s]", at, name);
            cause_invalid(causes, field, value, "must be greater than or equal to 0");
        }
        if (limit && amount(value) > amount(limit))
            cause_invalid(causes, place_member(field, at, "resources.requests"), value,
                          "must be less than or equal to %s limit of %s", name,
                          json_string_value(limit));
    }
}

/* --- probes --- */

static void check_handler(const json_t *probe, const char *at, struct causes *causes) {
    static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "grpc"};
    char field[PLACE];
    size_t count = 0;
    for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
        const json_t *handler = json_object_get(probe, handlers[i]);
        if (!json_is_object(handler))
            continue;
        place_member(field, at, handlers[i]);
        if (count++ > 0)
            cause_forbidden(causes, field, "may not specify more than 1 handler type");
        else if (i == 0)
            place_needed(handler, field, "command", "", causes);
        else
            place_port_or_name(handler, field, "port", causes);
    }
    if (count == 0)
        cause_required(causes, at, "must specify a handler type");
}

static void check_probes(const json_t *container, const char *at, struct causes *causes) {
    static const char *const probes[] = {"livenessProbe", "readinessProbe", "startupProbe"};
    static const char *const numbers[] = {"initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                                          "successThreshold", "failureThreshold"};
    char place[PLACE], field[PLACE];
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        const json_t *probe = json_object_get(container, probes[i]), *value;
        if (!json_is_object(probe))
            continue;
        place_member(place, at, probes[i]);
        check_handler(probe, place, causes);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            place_not_negative(probe, place, numbers[k], causes);
        value = json_object_get(probe, "successThreshold");
        if (i != 1 && value && json_integer_value(value) != 1)
            cause_invalid(causes, place_member(field, place, "successThreshold"), value,
                          "must be 1");
    }
}

/* --- containers --- */

static void check_container(const json_t *container, const struct volumes *volumes, const char *at,
                            struct causes *causes) {
    if (place_needed(container, at, "name", "", causes))
        place_label(container, at, "name", causes);
    place_needed(container, at, "image", "", causes);
    check_ports(container, at, causes);
    check_env(container, at, causes);
    check_mounts(container, volumes, at, causes);
    place_one_of(container, at, "imagePullPolicy", "Always IfNotPresent Never", causes);
    check_resources(container, at, causes);
}

static void check_containers(const json_t *spec, const struct volumes *volumes, const char *at,
                             struct causes *causes) {
    const json_t *list = json_object_get(spec, "containers"), *one;
    const json_t *inits = json_object_get(spec, "initContainers");
    char name[PLACE], place[PLACE], field[PLACE];
    place_needed(spec, at, "containers", "", causes);
    place_member(name, at, "containers");
    for (size_t i = 0; (one = json_array_get(list, i)); i++) {
        place_index(place, name, i);
        check_container(one, volumes, place, causes);
        place_unique(list, i, place, "name", causes);
        check_probes(one, place, causes);
    }
    place_member(name, at, "initContainers");
    for (size_t i = 0; (one = json_array_get(inits, i)); i++) {
        place_index(place, name, i);
        check_container(one, volumes, place, causes);
        if (text_of(one, "name")[0] && has_named(list, text_of(one, "name")))
            cause_duplicate(causes, place_member(field, place, "name"),
                            json_object_get(one, "name"));
        else
            place_unique(inits, i, place, "name", causes);
    }
}

void pod_spec_check(const json_t *spec, const json_t *claims, const char *at,
                    struct causes *causes) {
    struct volumes volumes = {json_object_get(spec, "volumes"), claims};
    const json_t *deadline = json_object_get(spec, "activeDeadlineSeconds");
    char field[PLACE];
    check_volumes(volumes.own, at, causes);
    check_containers(spec, &volumes, at, causes);
    place_one_of(spec, at, "restartPolicy", "Always OnFailure Never", causes);
    place_one_of(spec, at, "dnsPolicy", "ClusterFirstWithHostNet ClusterFirst Default None",
                 causes);
    if (deadline && (json_integer_value(deadline) < 1 || json_integer_value(deadline) > INT32_MAX))
        cause_invalid(causes, place_member(field, at, "activeDeadlineSeconds"), deadline,
                      "must be between 1 and 2147483647, inclusive");
    if (text_of(spec, "hostname")[0])
        place_label(spec, at, "hostname", causes);
    if (text_of(spec, "subdomain")[0])
        place_label(spec, at, "subdomain", causes);
}
