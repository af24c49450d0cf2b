#include "addon/declaration_reader.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/* The library checks what people write (scripts/moonlet/declare.lua); what is checked here guards
 * the host against a declaration that is not of the agreed shape. */

void reader_fault(struct reader *reader, int code, const char *field, const char *what) {
    if (!reader->failed)
        error_set(reader->err, code, "declaration of \"%s\": %s %s", reader->where, field, what);
    reader->failed = true;
}

char *reader_copy(struct reader *reader, const char *text) {
    char *out = mem_strdup(text);
    if (text && out == NULL)
        reader_fault(reader, ERROR_NOMEM, "", "no memory");
    return out;
}

char *reader_text(struct reader *reader, const json_t *from, const char *field) {
    const json_t *value = json_object_get(from, field);
    if (value == NULL)
        return NULL;
    if (!json_is_string(value)) {
        reader_fault(reader, ERROR_INVALID, field, "must be a string");
        return NULL;
    }
    return reader_copy(reader, json_string_value(value));
}

double reader_number(struct reader *reader, const json_t *from, const char *field, double unset) {
    const json_t *value = json_object_get(from, field);
    if (value == NULL)
        return unset;
    if (!json_is_number(value) || json_number_value(value) < 0) {
        reader_fault(reader, ERROR_INVALID, field, "must be a number of 0 or more");
        return unset;
    }
    return json_number_value(value);
}

uint64_t reader_seconds(struct reader *reader, const json_t *from, const char *field,
                        double unset) {
    double seconds = reader_number(reader, from, field, unset);
    return seconds < 1e9 ? (uint64_t)(seconds * (double)NS_PER_S) : (uint64_t)1e18;
}

bool reader_bool(const json_t *from, const char *field) {
    return json_is_true(json_object_get(from, field));
}

void *reader_zeroed(struct reader *reader, size_t count, size_t size) {
    void *items = mem_calloc(count, size);
    if (items == NULL)
        reader_fault(reader, ERROR_NOMEM, "", "no memory");
    return items;
}

/* A NULL-terminated list of strings; never NULL but on failure. */
char **reader_texts(struct reader *reader, const json_t *list, const char *field) {
    size_t count = json_array_size(list), i;
    char **texts = reader_zeroed(reader, count + 1, sizeof *texts);
    for (i = 0; texts && i < count; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL)
            reader_fault(reader, ERROR_INVALID, field, "must be a list of strings");
        else
            texts[i] = reader_copy(reader, text);
        if (texts[i] == NULL)
            break;
    }
    return texts;
}

void reader_free_texts(char **texts) {
    for (char **one = texts; one && *one; one++)
        mem_free(*one);
    mem_free(texts);
}

/* "apps/v1/Deployment" -> "apps/v1", "Deployment" */
void reader_split_kind(struct reader *reader, const char *kind, char **ret_api_version,
                       char **ret_name) {
    const char *slash = kind ? strrchr(kind, '/') : NULL;
    if (slash == NULL || slash == kind || slash[1] == '\0') {
        reader_fault(reader, ERROR_INVALID, kind ? kind : "kind", "is not apiVersion/Kind");
        return;
    }
    *ret_api_version = mem_strndup(kind, (size_t)(slash - kind));
    *ret_name = reader_copy(reader, slash + 1);
    if (*ret_api_version == NULL)
        reader_fault(reader, ERROR_NOMEM, "", "no memory");
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
    reader_fault(reader, ERROR_INVALID, "when", "is not a known predicate");
    return WHEN_ALWAYS;
}

static void read_annotations(struct reader *reader, json_t *from, struct kind_match *match) {
    const char *name;
    json_t *value;
    if (json_object_size(from) == 0)
        return;
    match->annotations = reader_zeroed(reader, json_object_size(from), sizeof *match->annotations);
    if (match->annotations == NULL)
        return;
    json_object_foreach(from, name, value) {
        struct annotation_match *one = &match->annotations[match->annotation_count++];
        one->name = reader_copy(reader, name);
        one->present = !json_is_false(value);
        if (json_is_array(value)) {
            one->values = reader_texts(reader, value, "annotations");
        } else if (json_is_string(value)) {
            one->values = reader_zeroed(reader, 2, sizeof *one->values);
            if (one->values)
                one->values[0] = reader_copy(reader, json_string_value(value));
        }
    }
}

void reader_match(struct reader *reader, const json_t *from, struct kind_match *match) {
    const json_t *namespaces = json_object_get(from, "namespaces");
    match->kind = reader_text(reader, from, "kind");
    reader_split_kind(reader, match->kind, &match->api_version, &match->kind_name);
    match->labels = reader_text(reader, from, "labels");
    match->fields = reader_text(reader, from, "fields");
    if (json_is_array(namespaces))
        match->namespaces = reader_texts(reader, namespaces, "namespaces");
    if (json_object_get(namespaces, "except"))
        match->namespaces_except =
            reader_texts(reader, json_object_get(namespaces, "except"), "namespaces.except");
    if (json_is_object(namespaces))
        match->namespace_labels = reader_text(reader, namespaces, "labels");
    read_annotations(reader, json_object_get(from, "annotations"), match);
    match->when = read_when(reader, json_object_get(from, "when"));
    match->map = reader_bool(from, "map");
    match->metadata_only = reader_bool(from, "metadata_only");
    match->managed_fields = reader_bool(from, "managed_fields");
}

void reader_finish_match(struct kind_match *match) {
    for (size_t i = 0; i < match->annotation_count; i++) {
        mem_free(match->annotations[i].name);
        reader_free_texts(match->annotations[i].values);
    }
    mem_free(match->annotations);
    mem_free(match->kind);
    mem_free(match->api_version);
    mem_free(match->kind_name);
    mem_free(match->labels);
    mem_free(match->fields);
    mem_free(match->namespace_labels);
    reader_free_texts(match->namespaces);
    reader_free_texts(match->namespaces_except);
}
