#include "addon/declaration.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* The library checks what people write (scripts/moonlet/declare.lua); what is checked here guards
 * the host against a declaration that is not of the agreed shape. */

struct reader {
    const char *where; /* definition's name, for messages */
    struct error *err;
    bool failed;
};

static void fault(struct reader *reader, int code, const char *field, const char *what) {
    if (!reader->failed)
        error_set(reader->err, code, "declaration of \"%s\": %s %s", reader->where, field, what);
    reader->failed = true;
}

static char *copy(struct reader *reader, const char *text) {
    char *out = mem_strdup(text);
    if (text && out == NULL)
        fault(reader, ERROR_NOMEM, "", "no memory");
    return out;
}

static char *read_text(struct reader *reader, const json_t *from, const char *field) {
    const json_t *value = json_object_get(from, field);
    if (value == NULL)
        return NULL;
    if (!json_is_string(value)) {
        fault(reader, ERROR_INVALID, field, "must be a string");
        return NULL;
    }
    return copy(reader, json_string_value(value));
}

static double read_number(struct reader *reader, const json_t *from, const char *field,
                          double unset) {
    const json_t *value = json_object_get(from, field);
    if (value == NULL)
        return unset;
    if (!json_is_number(value) || json_number_value(value) < 0) {
        fault(reader, ERROR_INVALID, field, "must be a number of 0 or more");
        return unset;
    }
    return json_number_value(value);
}

static uint64_t read_seconds(struct reader *reader, const json_t *from, const char *field,
                             double unset) {
    double seconds = read_number(reader, from, field, unset);
    return seconds < 1e9 ? (uint64_t)(seconds * (double)NS_PER_S) : (uint64_t)1e18;
}

static bool read_bool(const json_t *from, const char *field) {
    return json_is_true(json_object_get(from, field));
}

static void *zeroed(struct reader *reader, size_t count, size_t size) {
    void *items = mem_calloc(count, size);
    if (items == NULL)
        fault(reader, ERROR_NOMEM, "", "no memory");
    return items;
}

/* A NULL-terminated list of strings; never NULL but on failure. */
static char **read_texts(struct reader *reader, const json_t *list, const char *field) {
    size_t count = json_array_size(list), i;
    char **texts = zeroed(reader, count + 1, sizeof *texts);
    for (i = 0; texts && i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL)
            fault(reader, ERROR_INVALID, field, "must be a list of strings");
        else
            texts[i] = copy(reader, text);
        if (texts[i] == NULL)
            break;
    }
    return texts;
}

static void free_texts(char **texts) {
    for (char **one = texts; one && *one; one++)
        mem_free(*one);
    mem_free(texts);
}

/* "apps/v1/Deployment" -> "apps/v1", "Deployment" */
static void split_kind(struct reader *reader, const char *kind, char **ret_api_version,
                       char **ret_name) {
    const char *slash = kind ? strrchr(kind, '/') : NULL;
    if (slash == NULL || slash == kind || slash[1] == '\0') {
        fault(reader, ERROR_INVALID, kind ? kind : "kind", "is not apiVersion/Kind");
        return;
    }
    *ret_api_version = mem_strndup(kind, (size_t)(slash - kind));
    *ret_name = copy(reader, slash + 1);
    if (*ret_api_version == NULL)
        fault(reader, ERROR_NOMEM, "", "no memory");
}

static enum kind_when read_when(struct reader *reader, const json_t *when) {
    static const char *const names[] = {
        [WHEN_GENERATION] = "generation_changed",
        [WHEN_SPEC] = "spec_changed",
        [WHEN_LABELS] = "labels_changed",
        [WHEN_ANNOTATIONS] = "annotations_changed",
    };
    if (when == NULL)
        return WHEN_ALWAYS;
    if (json_is_true(when))
        return WHEN_LUA;
    for (int i = WHEN_GENERATION; i <= WHEN_ANNOTATIONS; i++)
        if (json_is_string(when) && strcmp(json_string_value(when), names[i]) == 0)
            return (enum kind_when)i;
    fault(reader, ERROR_INVALID, "when", "is not a known predicate");
    return WHEN_ALWAYS;
}

static void read_annotations(struct reader *reader, json_t *from, struct kind_match *match) {
    const char *name;
    json_t *value;
    if (json_object_size(from) == 0)
        return;
    match->annotations = zeroed(reader, json_object_size(from), sizeof *match->annotations);
    if (match->annotations == NULL)
        return;
    json_object_foreach(from, name, value) {
        struct annotation_match *one = &match->annotations[match->annotation_count++];
        one->name = copy(reader, name);
        one->present = !json_is_false(value);
        if (json_is_array(value)) {
            one->values = read_texts(reader, value, "annotations");
        } else if (json_is_string(value)) {
            one->values = zeroed(reader, 2, sizeof *one->values);
            if (one->values)
                one->values[0] = copy(reader, json_string_value(value));
        }
    }
}

static void read_match(struct reader *reader, const json_t *from, struct kind_match *match) {
    const json_t *namespaces = json_object_get(from, "namespaces");
    match->kind = read_text(reader, from, "kind");
    split_kind(reader, match->kind, &match->api_version, &match->kind_name);
    match->labels = read_text(reader, from, "labels");
    match->fields = read_text(reader, from, "fields");
    if (json_is_array(namespaces))
        match->namespaces = read_texts(reader, namespaces, "namespaces");
    if (json_object_get(namespaces, "except"))
        match->namespaces_except =
            read_texts(reader, json_object_get(namespaces, "except"), "namespaces.except");
    if (json_is_object(namespaces))
        match->namespace_labels = read_text(reader, namespaces, "labels");
    read_annotations(reader, json_object_get(from, "annotations"), match);
    match->when = read_when(reader, json_object_get(from, "when"));
    match->map = read_bool(from, "map");
    match->metadata_only = read_bool(from, "metadata_only");
    match->managed_fields = read_bool(from, "managed_fields");
}

static void finish_match(struct kind_match *match) {
    for (size_t i = 0; i < match->annotation_count; i++) {
        mem_free(match->annotations[i].name);
        free_texts(match->annotations[i].values);
    }
    mem_free(match->annotations);
    mem_free(match->kind);
    mem_free(match->api_version);
    mem_free(match->kind_name);
    mem_free(match->labels);
    mem_free(match->fields);
    mem_free(match->namespace_labels);
    free_texts(match->namespaces);
    free_texts(match->namespaces_except);
}

static struct kind_match *read_matches(struct reader *reader, const json_t *from, const char *field,
                                       size_t *ret_count) {
    const json_t *list = json_object_get(from, field);
    size_t count = json_array_size(list);
    struct kind_match *matches = zeroed(reader, count, sizeof *matches);
    for (size_t i = 0; matches && i < count && !reader->failed; i++) {
        read_match(reader, json_array_get(list, i), &matches[i]);
        *ret_count = i + 1;
    }
    return matches;
}

static void free_matches(struct kind_match *matches, size_t count) {
    for (size_t i = 0; i < count; i++)
        finish_match(&matches[i]);
    mem_free(matches);
}

static void read_writes(struct reader *reader, const json_t *from, struct definition *d) {
    const json_t *list = json_object_get(from, "writes");
    d->writes = zeroed(reader, json_array_size(list), sizeof *d->writes);
    for (size_t i = 0; d->writes && i < json_array_size(list) && !reader->failed; i++) {
        const json_t *one = json_array_get(list, i), *verbs = json_object_get(one, "verbs");
        struct kind_write *write = &d->writes[d->writes_count++];
        write->kind = read_text(reader, one, "kind");
        split_kind(reader, write->kind, &write->api_version, &write->kind_name);
        if (verbs)
            write->verbs = read_texts(reader, verbs, "verbs");
    }
}

static void read_indexes(struct reader *reader, const json_t *from, struct definition *d) {
    json_t *map = json_object_get(from, "indexes"), *names;
    const char *kind;
    d->indexes = zeroed(reader, json_object_size(map), sizeof *d->indexes);
    if (d->indexes == NULL)
        return;
    json_object_foreach(map, kind, names) {
        struct kind_index *index = &d->indexes[d->index_count++];
        index->kind = copy(reader, kind);
        index->names = read_texts(reader, names, "indexes");
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
                 {"run", HANDLER_RUN}};
    const json_t *list = json_object_get(from, "handlers");
    unsigned handlers = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        unsigned bit = 0;
        for (size_t k = 0; name && k < sizeof known / sizeof *known; k++)
            if (strcmp(name, known[k].name) == 0)
                bit = known[k].bit;
        if (bit == 0)
            fault(reader, ERROR_INVALID, "handlers", "names one that this host does not know");
        handlers |= bit;
    }
    return handlers;
}

static enum definition_type read_type(struct reader *reader, const json_t *from) {
    static const char *const names[] = {"controller", "schedule", "startup"};
    const char *type = json_string_value(json_object_get(from, "type"));
    for (int i = 0; type && i < 3; i++)
        if (strcmp(type, names[i]) == 0)
            return (enum definition_type)i;
    fault(reader, ERROR_INVALID, "type", "is not controller, schedule or startup");
    return DEFINITION_CONTROLLER;
}

static void read_limits(struct reader *reader, const json_t *from, struct definition *d) {
    const json_t *retry = json_object_get(from, "retry"), *rate = json_object_get(from, "rate");
    double concurrency = read_number(reader, from, "concurrency", 1);
    d->concurrency = concurrency >= 1 && concurrency <= 1000 ? (unsigned)concurrency : 1;
    d->resync_ns = read_seconds(reader, from, "resync", 0);
    d->retry_base_ns = read_seconds(reader, retry, "base", 0.005);
    d->retry_max_ns = read_seconds(reader, retry, "max", 1000);
    d->retry_attempts = (unsigned)read_number(reader, retry, "attempts", 0);
    d->debounce_ns = read_seconds(reader, from, "debounce", 0);
    d->timeout_ns = read_seconds(reader, from, "timeout", 60);
    d->rate = read_number(reader, rate, "per_second", 0);
    d->burst = read_number(reader, rate, "burst", d->rate < 1 ? 1 : d->rate);
    d->deadline_ns = read_seconds(reader, from, "deadline", 0);
    d->order = read_number(reader, from, "order", 0);
}

static void read_definition(struct reader *reader, const json_t *from, struct definition *d) {
    const char *name = json_string_value(json_object_get(from, "name"));
    const json_t *resource = json_object_get(from, "resource");
    const json_t *config = json_object_get(from, "config");
    reader->where = name ? name : "?";
    d->type = read_type(reader, from);
    d->name = read_text(reader, from, "name");
    if (d->name == NULL)
        fault(reader, ERROR_INVALID, "name", "is missing");
    d->source = read_text(reader, from, "source");
    if (d->source == NULL)
        d->source = copy(reader, "?");
    d->has_resource = resource != NULL;
    if (resource)
        read_match(reader, resource, &d->resource);
    if (d->type == DEFINITION_CONTROLLER && resource == NULL)
        fault(reader, ERROR_INVALID, "resource", "is missing");
    d->owns = read_matches(reader, from, "owns", &d->owns_count);
    d->watches = read_matches(reader, from, "watches", &d->watches_count);
    d->reads = read_matches(reader, from, "reads", &d->reads_count);
    read_writes(reader, from, d);
    d->secrets = read_texts(reader, json_object_get(from, "secrets"), "secrets");
    d->http = read_texts(reader, json_object_get(from, "http"), "http");
    d->handlers = read_handlers(reader, from);
    read_indexes(reader, from, d);
    if (config) {
        char *text = json_dumps(config, JSON_COMPACT);
        d->config = copy(reader, text);
        free(text);
    }
    read_limits(reader, from, d);
    d->cron = read_text(reader, from, "cron");
    d->zone = read_text(reader, from, "zone");
}

static void finish_definition(struct definition *d) {
    mem_free(d->name);
    mem_free(d->source);
    finish_match(&d->resource);
    free_matches(d->owns, d->owns_count);
    free_matches(d->watches, d->watches_count);
    free_matches(d->reads, d->reads_count);
    for (size_t i = 0; i < d->writes_count; i++) {
        mem_free(d->writes[i].kind);
        mem_free(d->writes[i].api_version);
        mem_free(d->writes[i].kind_name);
        free_texts(d->writes[i].verbs);
    }
    mem_free(d->writes);
    free_texts(d->secrets);
    free_texts(d->http);
    for (size_t i = 0; i < d->index_count; i++) {
        mem_free(d->indexes[i].kind);
        free_texts(d->indexes[i].names);
    }
    mem_free(d->indexes);
    mem_free(d->config);
    mem_free(d->cron);
    mem_free(d->zone);
}

static char **read_versions(struct reader *reader, const json_t *versions) {
    char **names = zeroed(reader, json_array_size(versions) + 1, sizeof *names);
    for (size_t i = 0; names && i < json_array_size(versions); i++) {
        const char *name = json_string_value(json_object_get(json_array_get(versions, i), "name"));
        names[i] = copy(reader, name ? name : "");
    }
    return names;
}

static void read_crd(struct reader *reader, json_t *from, struct declared_crd *crd) {
    json_t *spec = json_object_get(from, "spec"), *names = json_object_get(spec, "names");
    const char *scope = json_string_value(json_object_get(spec, "scope"));
    char *text = json_dumps(from, JSON_COMPACT);
    reader->where = "a CRD";
    crd->name = read_text(reader, json_object_get(from, "metadata"), "name");
    crd->group = read_text(reader, spec, "group");
    crd->kind = read_text(reader, names, "kind");
    crd->plural = read_text(reader, names, "plural");
    crd->versions = read_versions(reader, json_object_get(spec, "versions"));
    crd->json = copy(reader, text);
    crd->namespaced = scope && strcmp(scope, "Namespaced") == 0;
    free(text);
    if (crd->name == NULL || crd->group == NULL || crd->kind == NULL || crd->plural == NULL)
        fault(reader, ERROR_INVALID, "crds", "lack a name, group, kind or plural");
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
        free_texts(declaration->crds[i].versions);
        mem_free(declaration->crds[i].json);
    }
    mem_free(declaration->definitions);
    mem_free(declaration->crds);
    mem_free(declaration);
}

static void read_all(struct reader *reader, const json_t *root, struct declaration *out) {
    const json_t *definitions = json_object_get(root, "definitions");
    const json_t *crds = json_object_get(root, "crds");
    out->definitions = zeroed(reader, json_array_size(definitions), sizeof *out->definitions);
    for (size_t i = 0; !reader->failed && i < json_array_size(definitions); i++)
        read_definition(reader, json_array_get(definitions, i), &out->definitions[out->count++]);
    out->crds = reader->failed ? NULL : zeroed(reader, json_array_size(crds), sizeof *out->crds);
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
    struct declaration *declaration = zeroed(&reader, 1, sizeof *declaration);
    if (declaration)
        read_all(&reader, root, declaration);
    json_decref(root);
    if (!reader.failed)
        return declaration;
    declaration_destroy(declaration);
    return NULL;
}
