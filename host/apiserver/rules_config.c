#include <stdio.h>
#include <string.h>

#include "apiserver/rules.h"

/* ConfigMaps and Secrets: their keys, and that some are never to change. */

static void check_same(const json_t *now, const json_t *old, const char *key, const char *why,
                       struct causes *causes) {
    const json_t *value = json_object_get(now, key);
    if (document_same(value, json_object_get(old, key)))
        return;
    if (strcmp(key, "type") == 0)
        cause_invalid(causes, key, value, "%s", why);
    else
        cause_forbidden(causes, key, why);
}

static void check_frozen(const json_t *now, const json_t *old, struct causes *causes) {
    static const char *const parts[] = {"immutable", "data", "binaryData"};
    if (!json_is_true(json_object_get(old, "immutable")))
        return;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        check_same(now, old, parts[i], "field is immutable when `immutable` is set", causes);
}

static bool is_key(const char *key) {
    size_t len = strlen(key);
    return len > 0 && len <= 253 && strcmp(key, ".") != 0 && strncmp(key, "..", 2) != 0 &&
           strspn(key, "-._abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len;
}

static void check_keys(const json_t *now, const char *part, struct causes *causes) {
    const char *key;
    json_t *value;
    char field[512];
    json_object_foreach(json_object_get(now, part), key, value) {
        if (is_key(key))
            continue;
        snprintf(field, sizeof field, "%s[%.400s]", part, key);
        cause_invalid_text(causes, field, key,
                           "a valid config key must consist of alphanumeric characters, '-', '_' "
                           "or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used "
                           "for validation is '[-._a-zA-Z0-9]+')");
    }
}

static void check_twice(const json_t *now, struct causes *causes) {
    const char *key;
    json_t *value;
    char field[512];
    json_object_foreach(json_object_get(now, "data"), key, value) {
        if (json_object_get(json_object_get(now, "binaryData"), key) == NULL)
            continue;
        snprintf(field, sizeof field, "data[%.400s]", key);
        cause_invalid_text(causes, field, key, "duplicate of key present in binaryData");
    }
}

void config_map_check(struct apiserver *server, const json_t *now, const json_t *old,
                      struct causes *causes) {
    (void)server;
    check_keys(now, "data", causes);
    check_twice(now, causes);
    check_keys(now, "binaryData", causes);
    check_frozen(now, old, causes);
}

/* What kubelets and registries look for in a Secret of the type. */
static void check_needed(const json_t *now, struct causes *causes) {
    static const struct {
        const char *type, *key;
    } needed[] = {{"kubernetes.io/tls", "tls.crt"},
                  {"kubernetes.io/tls", "tls.key"},
                  {"kubernetes.io/dockerconfigjson", ".dockerconfigjson"},
                  {"kubernetes.io/dockercfg", ".dockercfg"},
                  {"kubernetes.io/ssh-auth", "ssh-privatekey"}};
    const char *type = document_string(now, "type");
    char field[64];
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (strcmp(type, needed[i].type) != 0 ||
            json_object_get(json_object_get(now, "data"), needed[i].key))
            continue;
        snprintf(field, sizeof field, "data[%s]", needed[i].key);
        cause_required(causes, field, "");
    }
}

void secret_check(struct apiserver *server, const json_t *now, const json_t *old,
                  struct causes *causes) {
    (void)server;
    check_keys(now, "data", causes);
    check_needed(now, causes);
    if (old)
        check_same(now, old, "type", "field is immutable", causes);
    check_frozen(now, old, causes);
}
