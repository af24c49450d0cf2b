#include "addon/certificate_secret.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kube/base64.h"

#define TYPE "kubernetes.io/tls"
#define MANAGED_BY "app.kubernetes.io/managed-by"

static const struct {
    const char *key;
    size_t offset;
    bool required; /* by the type, be it empty */
} fields[] = {
    {"ca.crt", offsetof(struct certificate_secret, ca_cert), false},
    {"ca.key", offsetof(struct certificate_secret, ca_key), false},
    {"next-ca.crt", offsetof(struct certificate_secret, next_ca_cert), false},
    {"next-ca.key", offsetof(struct certificate_secret, next_ca_key), false},
    {"old-ca.crt", offsetof(struct certificate_secret, old_ca_cert), false},
    {"tls.crt", offsetof(struct certificate_secret, cert), true},
    {"tls.key", offsetof(struct certificate_secret, key), true},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static char **slot_of(struct certificate_secret *secret, size_t field) {
    return (char **)((char *)secret + fields[field].offset);
}

void certificate_secret_finish(struct certificate_secret *secret) {
    for (size_t i = 0; i < FIELDS; i++)
        mem_free(*slot_of(secret, i));
    mem_free(secret->metadata);
    *secret = (struct certificate_secret){0};
}

static int no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for the certificate Secret");
}

static void free_json(json_t **value) {
    json_decref(*value);
}

static bool is_text(const json_t *object, const char *key, const char *text) {
    const char *its = json_string_value(json_object_get(object, key));
    return its && strcmp(its, text) == 0;
}

static int check_ours(const json_t *secret, struct error *err) {
    const json_t *metadata = json_object_get(secret, "metadata");
    const char *name = json_string_value(json_object_get(metadata, "name"));
    if (!is_text(secret, "kind", "Secret") || name == NULL)
        return error_set(err, ERROR_PROTOCOL, "this is no Secret");
    if (!is_text(secret, "type", TYPE))
        return error_set(err, ERROR_REJECTED, "the Secret %s is not of type " TYPE, name);
    if (!is_text(json_object_get(metadata, "labels"), MANAGED_BY, "moonlet"))
        return error_set(err, ERROR_REJECTED,
                         "the Secret %s belongs to another: it has no label " MANAGED_BY "=moonlet",
                         name);
    return 0;
}

/* The text of a value, NULL when it is missing, empty or holds what no text does. */
static int read_text(const json_t *data, const char *key, char **ret, struct error *err) {
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    const char *value = json_string_value(json_object_get(data, key));
    bool good = value && base64_decode(value, &text);
    if (text.failed)
        return no_memory(err);
    if (!good || text.len == 0 || memchr(text.data, '\0', text.len))
        return 0;
    *ret = strbuf_take(&text);
    return *ret ? 0 : no_memory(err);
}

static int read_since(const json_t *data, int64_t *ret, struct error *err) {
    CLEANUP(mem_freep) char *text = NULL;
    int64_t ns = 0;
    int rc = read_text(data, "next-since", &text, err);
    if (rc == 0 && text && clock_parse(text, &ns) == 0)
        *ret = ns / (int64_t)NS_PER_S;
    return rc;
}

static int read_metadata(const json_t *secret, char **ret, struct error *err) {
    char *text = json_dumps(json_object_get(secret, "metadata"), JSON_COMPACT);
    *ret = mem_strdup(text);
    free(text);
    return *ret ? 0 : no_memory(err);
}

int certificate_secret_parse(struct str json, struct certificate_secret *ret, struct error *err) {
    CLEANUP(certificate_secret_finish) struct certificate_secret secret = {0};
    CLEANUP(free_json) json_t *root = json_loadb(json.data, json.len, 0, NULL);
    const json_t *data = json_object_get(root, "data");
    int rc = check_ours(root, err);
    for (size_t i = 0; rc == 0 && i < FIELDS; i++)
        rc = read_text(data, fields[i].key, slot_of(&secret, i), err);
    if (rc == 0)
        rc = read_since(data, &secret.next_since, err);
    if (rc == 0)
        rc = read_metadata(root, &secret.metadata, err);
    if (rc < 0)
        return rc;
    *ret = secret;
    secret = (struct certificate_secret){0};
    return 0;
}

static int put_text(json_t *data, const char *key, const char *text, struct error *err) {
    CLEANUP(strbuf_finish) struct strbuf value = {0};
    base64_encode(&value, text, strlen(text));
    if (value.failed || json_object_set_new(data, key, json_string(value.data ? value.data : "")))
        return no_memory(err);
    return 0;
}

static json_t *metadata_of(const struct certificate_secret *secret, const char *ns,
                           const char *name) {
    json_t *metadata = secret->metadata ? json_loads(secret->metadata, 0, NULL) : json_object();
    if (!json_is_object(json_object_get(metadata, "labels")))
        json_object_set_new(metadata, "labels", json_object());
    json_object_del(metadata, "managedFields"); /* the server keeps its own */
    if (json_object_set_new(metadata, "name", json_string(name)) < 0 ||
        json_object_set_new(metadata, "namespace", json_string(ns)) < 0 ||
        json_object_set_new(json_object_get(metadata, "labels"), MANAGED_BY,
                            json_string("moonlet")) < 0) {
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

int certificate_secret_print(const struct certificate_secret *secret, const char *ns,
                             const char *name, struct strbuf *ret, struct error *err) {
    CLEANUP(free_json) json_t *data = json_object();
    CLEANUP(free_json) json_t *metadata = metadata_of(secret, ns, name);
    int rc = data && metadata ? 0 : no_memory(err);
    for (size_t i = 0; rc == 0 && i < FIELDS; i++) {
        const char *text = *slot_of((struct certificate_secret *)secret, i);
        if (text || fields[i].required)
            rc = put_text(data, fields[i].key, text ? text : "", err);
    }
    if (rc == 0 && secret->next_since) {
        char since[CLOCK_TEXT];
        clock_format(secret->next_since * (int64_t)NS_PER_S, /* micros= */ 0, since);
        rc = put_text(data, "next-since", since, err);
    }
    if (rc < 0)
        return rc;
    CLEANUP(free_json)
    json_t *root = json_pack("{s:s,s:s,s:s,s:O,s:O}", "apiVersion", "v1", "kind", "Secret", "type",
                             TYPE, "metadata", metadata, "data", data);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text)
        strbuf_adds(ret, text);
    free(text);
    return text && !ret->failed ? 0 : no_memory(err);
}
