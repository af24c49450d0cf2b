#include <string.h>

#include "apiserver/kinds_fill.h"

/* Pods and pod templates. */

static const char *const container_lists[] = {"containers", "initContainers",
                                              "ephemeralContainers"};
enum { CONTAINER_LISTS = 3, WITH_RESOURCES = 2 /* the first two */ };

/* "latest" is meant where neither tag nor digest is given. */
static bool is_latest(const char *image) {
    const char *slash = strrchr(image, '/'), *last = slash ? slash + 1 : image;
    const char *digest = strchr(last, '@'), *tag = strchr(last, ':');
    if (tag && digest && tag > digest)
        tag = NULL;
    if (tag == NULL)
        return digest == NULL && *image != '\0';
    size_t len = digest ? (size_t)(digest - tag - 1) : strlen(tag + 1);
    return len == strlen("latest") && strncmp(tag + 1, "latest", len) == 0;
}

static void put_pull_policy(struct kinds_fill *fill, json_t *into, const char *key,
                            const char *image) {
    kinds_fill_put(fill, into, key, json_string(is_latest(image) ? "Always" : "IfNotPresent"));
}

static void fill_volume(struct kinds_fill *fill, json_t *volume) {
    json_t *image = json_object_get(volume, "image");
    if (json_object_size(volume) == 1 && json_object_get(volume, "name"))
        kinds_fill_put(fill, volume, "emptyDir", json_object());
    if (json_is_object(image))
        put_pull_policy(fill, image, "pullPolicy", kinds_fill_text(image, "reference"));
}

/* The two names of one field. */
static void fill_account(struct kinds_fill *fill, json_t *spec) {
    const char *name = kinds_fill_text(spec, "serviceAccountName"),
               *old = kinds_fill_text(spec, "serviceAccount");
    if (*name && strcmp(name, old) != 0)
        fill->failed |= json_object_set_new(spec, "serviceAccount", json_string(name)) < 0;
    else if (*name == '\0' && *old)
        fill->failed |= json_object_set_new(spec, "serviceAccountName", json_string(old)) < 0;
}

void kinds_fill_pod_spec(struct kinds_fill *fill, json_t *spec) {
    json_t *one;
    size_t i;
    for (size_t list = 0; list < CONTAINER_LISTS; list++)
        json_array_foreach(json_object_get(spec, container_lists[list]), i, one) {
            if (json_is_object(one))
                put_pull_policy(fill, one, "imagePullPolicy", kinds_fill_text(one, "image"));
        }
    json_array_foreach(json_object_get(spec, "volumes"), i, one) {
        if (json_is_object(one))
            fill_volume(fill, one);
    }
    if (json_is_object(spec))
        fill_account(fill, spec);
}

static void requests_from_limits(struct kinds_fill *fill, json_t *container) {
    json_t *resources = json_object_get(container, "resources"), *value;
    json_t *limits = json_object_get(resources, "limits");
    const char *key;
    if (!json_is_object(limits))
        return;
    json_t *requests = kinds_fill_object(fill, resources, "requests");
    json_object_foreach(limits, key, value) kinds_fill_put(fill, requests, key, json_incref(value));
    if (json_object_size(requests) == 0)
        json_object_del(resources, "requests");
}

static void host_ports(struct kinds_fill *fill, json_t *container) {
    json_t *port;
    size_t i;
    json_array_foreach(json_object_get(container, "ports"), i, port) {
        json_t *number = json_object_get(port, "containerPort");
        if (number)
            kinds_fill_put(fill, port, "hostPort", json_incref(number));
    }
}

/* Quality of service, by cpu and memory of all containers. */
static const char *qos_class(const json_t *spec) {
    static const char *const names[] = {"cpu", "memory"};
    bool any = false, all = true;
    json_t *one;
    size_t i;
    for (size_t list = 0; list < WITH_RESOURCES; list++)
        json_array_foreach(json_object_get(spec, container_lists[list]), i, one) {
            const json_t *resources = json_object_get(one, "resources");
            for (size_t n = 0; n < 2; n++) {
                const json_t *limit =
                    json_object_get(json_object_get(resources, "limits"), names[n]);
                const json_t *request =
                    json_object_get(json_object_get(resources, "requests"), names[n]);
                any |= limit || request;
                all &= limit && json_equal(limit, request);
            }
        }
    return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

void kinds_fill_pod(struct kinds_fill *fill) {
    json_t *spec = json_object_get(fill->object, "spec"), *one;
    size_t i;
    if (!json_is_object(spec))
        return;
    kinds_fill_pod_spec(fill, spec);
    for (size_t list = 0; list < WITH_RESOURCES; list++)
        json_array_foreach(json_object_get(spec, container_lists[list]), i, one) {
            requests_from_limits(fill, one);
            if (json_is_true(json_object_get(spec, "hostNetwork")))
                host_ports(fill, one);
        }
    kinds_fill_put(fill, spec, "enableServiceLinks", json_true());
    kinds_fill_put(fill, kinds_fill_object(fill, fill->object, "status"), "qosClass",
                   json_string(qos_class(spec)));
}
