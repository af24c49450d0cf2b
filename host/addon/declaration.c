#include "addon/declaration.h"

#include <string.h>

#include "addon/declaration_reader.h"
#include "base/mem.h"

static struct kind_match *read_matches(struct reader *reader, const json_t *from, const char *field,
                                       size_t *ret_count) {
    const json_t *list = json_object_get(from, field);
    size_t count = json_array_size(list);
    struct kind_match *matches = reader_zeroed(reader, count, sizeof *matches);
    for (size_t i = 0; matches && i < count && !reader->failed; i++) {
        reader_match(reader, json_array_get(list, i), &matches[i]);
        *ret_count = i + 1;
    }
    return matches;
}

static void free_matches(struct kind_match *matches, size_t count) {
    for (size_t i = 0; i < count; i++)
        reader_finish_match(&matches[i]);
    mem_free(matches);
}

static void read_writes(struct reader *reader, const json_t *from, struct definition *d) {
    const json_t *list = json_object_get(from, "writes");
    d->writes = reader_zeroed(reader, json_array_size(list), sizeof *d->writes);
    for (size_t i = 0; d->writes && i < json_array_size(list) && !reader->failed; i++) {
        const json_t *one = json_array_get(list, i), *verbs = json_object_get(one, "verbs");
        struct kind_write *write = &d->writes[d->writes_count++];
        write->kind = reader_text(reader, one, "kind");
        reader_split_kind(reader, write->kind, &write->api_version, &write->kind_name);
        if (verbs)
            write->verbs = reader_texts(reader, verbs, "verbs");
    }
}

static void read_indexes(struct reader *reader, const json_t *from, struct definition *d) {
    json_t *map = json_object_get(from, "indexes"), *names;
    const char *kind;
    d->indexes = reader_zeroed(reader, json_object_size(map), sizeof *d->indexes);
    if (d->indexes == NULL)
        return;
    json_object_foreach(map, kind, names) {
        struct kind_index *index = &d->indexes[d->index_count++];
        index->kind = reader_copy(reader, kind);
        index->names = reader_texts(reader, names, "indexes");
    }
}

static unsigned read_handlers(struct reader *reader, const json_t *from) {
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {{"reconcile", HANDLER_RECONCILE},
                 {"finalize", HANDLER_FINALIZE},
                 {"gone", HANDLER_GONE},
                 {"on.event", HANDLER_EVENT},
                 {"run", HANDLER_RUN},
                 {"mutate", HANDLER_MUTATE},
                 {"validate", HANDLER_VALIDATE},
                 {"convert", HANDLER_CONVERT},
                 {"initialize", HANDLER_INITIALIZE}};
    const json_t *list = json_object_get(from, "handlers");
    unsigned handlers = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        unsigned bit = 0;
        for (size_t k = 0; name && k < sizeof known / sizeof *known; k++)
            if (strcmp(name, known[k].name) == 0)
                bit = known[k].bit;
        if (bit == 0)
            reader_fault(reader, ERROR_INVALID, "handlers",
                         "names one that this host does not know");
        handlers |= bit;
    }
    return handlers;
}

static enum definition_type read_type(struct reader *reader, const json_t *from) {
    static const char *const names[] = {"controller", "schedule", "startup", "webhook",
                                        "conversion"};
    const char *type = json_string_value(json_object_get(from, "type"));
    for (int i = 0; type && i < 5; i++)
        if (strcmp(type, names[i]) == 0)
            return (enum definition_type)i;
    reader_fault(reader, ERROR_INVALID, "type", "is not a known one");
    return DEFINITION_CONTROLLER;
}

static void read_limits(struct reader *reader, const json_t *from, struct definition *d) {
    const json_t *retry = json_object_get(from, "retry"), *rate = json_object_get(from, "rate");
    double concurrency = reader_number(reader, from, "concurrency", 1);
    d->concurrency = concurrency >= 1 && concurrency <= 1000 ? (unsigned)concurrency : 1;
    d->resync_ns = reader_seconds(reader, from, "resync", 0);
    d->retry_base_ns = reader_seconds(reader, retry, "base", 0.005);
    d->retry_max_ns = reader_seconds(reader, retry, "max", 1000);
    d->retry_attempts = (unsigned)reader_number(reader, retry, "attempts", 0);
    d->debounce_ns = reader_seconds(reader, from, "debounce", 0);
    d->timeout_ns = reader_seconds(reader, from, "timeout", 60);
    d->rate = reader_number(reader, rate, "per_second", 0);
    d->burst = reader_number(reader, rate, "burst", d->rate < 1 ? 1 : d->rate);
    d->deadline_ns = reader_seconds(reader, from, "deadline", 0);
    d->order = reader_number(reader, from, "order", 0);
}

static void read_definition(struct reader *reader, const json_t *from, struct definition *d) {
    const char *name = json_string_value(json_object_get(from, "name"));
    const json_t *resource = json_object_get(from, "resource");
    const json_t *config = json_object_get(from, "config");
    reader->where = name ? name : "?";
    d->type = read_type(reader, from);
    d->name = reader_text(reader, from, "name");
    if (d->name == NULL)
        reader_fault(reader, ERROR_INVALID, "name", "is missing");
    d->source = reader_text(reader, from, "source");
    if (d->source == NULL)
        d->source = reader_copy(reader, "?");
    d->has_resource = resource != NULL;
    if (resource)
        reader_match(reader, resource, &d->resource);
    if (d->type == DEFINITION_CONTROLLER && resource == NULL)
        reader_fault(reader, ERROR_INVALID, "resource", "is missing");
    d->owns = read_matches(reader, from, "owns", &d->owns_count);
    d->watches = read_matches(reader, from, "watches", &d->watches_count);
    d->reads = read_matches(reader, from, "reads", &d->reads_count);
    read_writes(reader, from, d);
    d->secrets = reader_texts(reader, json_object_get(from, "secrets"), "secrets");
    d->http = reader_texts(reader, json_object_get(from, "http"), "http");
    d->handlers = read_handlers(reader, from);
    read_indexes(reader, from, d);
    if (config) {
        char *text = json_dumps(config, JSON_COMPACT);
        d->config = reader_copy(reader, text);
        free(text);
    }
    read_limits(reader, from, d);
    d->cron = reader_text(reader, from, "cron");
    d->zone = reader_text(reader, from, "zone");
    reader_webhooks(reader, from, d);
    d->crd = reader_text(reader, from, "crd");
    if (d->type == DEFINITION_CONVERSION && d->crd == NULL)
        reader_fault(reader, ERROR_INVALID, "crd", "is missing");
}

static void finish_definition(struct definition *d) {
    mem_free(d->name);
    mem_free(d->source);
    reader_finish_match(&d->resource);
    free_matches(d->owns, d->owns_count);
    free_matches(d->watches, d->watches_count);
    free_matches(d->reads, d->reads_count);
    for (size_t i = 0; i < d->writes_count; i++) {
        mem_free(d->writes[i].kind);
        mem_free(d->writes[i].api_version);
        mem_free(d->writes[i].kind_name);
        reader_free_texts(d->writes[i].verbs);
    }
    mem_free(d->writes);
    reader_free_texts(d->secrets);
    reader_free_texts(d->http);
    for (size_t i = 0; i < d->index_count; i++) {
        mem_free(d->indexes[i].kind);
        reader_free_texts(d->indexes[i].names);
    }
    mem_free(d->indexes);
    mem_free(d->config);
    mem_free(d->cron);
    mem_free(d->zone);
    reader_finish_webhooks(d);
    mem_free(d->crd);
}

static bool serves_status(const json_t *version) {
    return json_is_object(json_object_get(json_object_get(version, "subresources"), "status"));
}

static char **read_versions(struct reader *reader, const json_t *versions, bool only_with_status) {
    char **names = reader_zeroed(reader, json_array_size(versions) + 1, sizeof *names);
    for (size_t i = 0, k = 0; names && i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        const char *name = json_string_value(json_object_get(version, "name"));
        if (only_with_status && !serves_status(version))
            continue;
        names[k] = reader_copy(reader, name ? name : "");
        if (names[k++] == NULL) /* the list ends at the first NULL */
            break;
    }
    return names;
}

static void read_crd(struct reader *reader, json_t *from, struct declared_crd *crd) {
    json_t *spec = json_object_get(from, "spec"), *names = json_object_get(spec, "names");
    const char *scope = json_string_value(json_object_get(spec, "scope"));
    char *text = json_dumps(from, JSON_COMPACT);
    reader->where = "a CRD";
    crd->name = reader_text(reader, json_object_get(from, "metadata"), "name");
    crd->group = reader_text(reader, spec, "group");
    crd->kind = reader_text(reader, names, "kind");
    crd->plural = reader_text(reader, names, "plural");
    crd->versions = read_versions(reader, json_object_get(spec, "versions"), false);
    crd->with_status = read_versions(reader, json_object_get(spec, "versions"), true);
    crd->json = reader_copy(reader, text);
    const json_t *conversion = json_object_get(spec, "conversion");
    const char *strategy = json_string_value(json_object_get(conversion, "strategy"));
    crd->converts = strategy && strcmp(strategy, "Webhook") == 0;
    crd->namespaced = scope && strcmp(scope, "Namespaced") == 0;
    free(text);
    if (crd->name == NULL || crd->group == NULL || crd->kind == NULL || crd->plural == NULL)
        reader_fault(reader, ERROR_INVALID, "crds", "lack a name, group, kind or plural");
}

void declaration_destroy(struct declaration *declaration) {
    if (declaration == NULL)
        return;
    for (size_t i = 0; i < declaration->count; i++)
        finish_definition(&declaration->definitions[i]);
    for (size_t i = 0; i < declaration->crd_count; i++) {
        mem_free(declaration->crds[i].name);
        mem_free(declaration->crds[i].group);
        mem_free(declaration->crds[i].kind);
        mem_free(declaration->crds[i].plural);
        reader_free_texts(declaration->crds[i].versions);
        reader_free_texts(declaration->crds[i].with_status);
        mem_free(declaration->crds[i].json);
    }
    mem_free(declaration->definitions);
    mem_free(declaration->crds);
    mem_free(declaration);
}

static void read_all(struct reader *reader, const json_t *root, struct declaration *out) {
    const json_t *definitions = json_object_get(root, "definitions");
    const json_t *crds = json_object_get(root, "crds");
    out->definitions =
        reader_zeroed(reader, json_array_size(definitions), sizeof *out->definitions);
    for (size_t i = 0; !reader->failed && i < json_array_size(definitions); i++)
        read_definition(reader, json_array_get(definitions, i), &out->definitions[out->count++]);
    out->crds =
        reader->failed ? NULL : reader_zeroed(reader, json_array_size(crds), sizeof *out->crds);
    for (size_t i = 0; !reader->failed && i < json_array_size(crds); i++)
        read_crd(reader, json_array_get(crds, i), &out->crds[out->crd_count++]);
}

struct declaration *declaration_parse(struct str json, struct error *err) {
    json_error_t at;
    json_t *root = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, &at);
    if (root == NULL) {
        error_set(err, ERROR_INVALID, "declaration: line %d: %s", at.line, at.text);
        return NULL;
    }
    struct reader reader = {.where = "?", .err = err};
    struct declaration *declaration = reader_zeroed(&reader, 1, sizeof *declaration);
    if (declaration)
        read_all(&reader, root, declaration);
    json_decref(root);
    if (!reader.failed)
        return declaration;
    declaration_destroy(declaration);
    return NULL;
}
