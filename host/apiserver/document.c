#include "apiserver/document.h"

#include <stdlib.h>
#include <string.h>

#include "apiserver/document_part.h"
#include "base/mem.h"

static json_t *number_of(struct str text) {
    char *copy = mem_strndup(text.data, text.len), *end;
    json_t *number = copy ? json_real(strtod(copy, &end)) : NULL;
    mem_free(copy);
    return number;
}

static json_t *part_of(const struct dag *dag, struct fieldset_known *known, node_t node,
                       enum document_part part);

static json_t *container_of(const struct dag *dag, struct fieldset_known *known, node_t node,
                            enum document_part part) {
    bool object = node_type(dag, node) == NODE_OBJECT;
    json_t *into = object ? json_object() : json_array();
    for (size_t i = 0; into && i < node_count(dag, node); i++) {
        struct str key = object ? node_key_at(dag, node, i) : str_of("");
        enum document_part below = object ? document_member(part, key) : document_item(part);
        json_t *value = part_of(dag, known, node_at(dag, node, i), below);
        if (object ? json_object_setn_new_nocheck(into, key.data, key.len, value) < 0
                   : json_array_append_new(into, value) < 0) {
            json_decref(into);
            return NULL;
        }
    }
    return into;
}

static json_t *part_of(const struct dag *dag, struct fieldset_known *known, node_t node,
                       enum document_part part) {
    int64_t whole = 0;
    double real = 0;
    struct str text;
    switch (node_type(dag, node)) {
    case NODE_FALSE:
        return json_false();
    case NODE_TRUE:
        return json_true();
    case NODE_INT:
        node_int(dag, node, &whole);
        return json_integer(whole);
    case NODE_DOUBLE:
        node_double(dag, node, &real);
        return json_real(real);
    case NODE_NUMBER:
        return number_of(node_text(dag, node));
    case NODE_STRING:
        text = node_text(dag, node);
        return json_stringn_nocheck(text.data, text.len);
    case NODE_OBJECT:
        if (part == DOCUMENT_FIELDS)
            return fieldset_known_of_node(known, node);
        /* fall through */
    case NODE_ARRAY:
        return container_of(dag, known, node, part);
    default:
        return json_null();
    }
}

json_t *document_of(const struct dag *dag, node_t node) {
    return part_of(dag, NULL, node, DOCUMENT_OTHER);
}

json_t *document_of_object(const struct dag *dag, struct fieldset_known *known, node_t node) {
    return part_of(dag, known, node, known ? DOCUMENT_OBJECT : DOCUMENT_OTHER);
}

struct writing {
    struct json_writer *writer;
    const struct dag *dag;
    const struct document_form *form;
};

static void write_part(const struct writing *writing, node_t node, enum document_part part);

static void write_metadata(const struct writing *writing, node_t metadata) {
    const struct dag *dag = writing->dag;
    const char *version = writing->form->resource_version;
    json_write_object_begin(writing->writer);
    for (size_t i = 0; i < node_count(dag, metadata); i++) {
        struct str key = node_key_at(dag, metadata, i);
        bool replaced = version && str_is(key, "resourceVersion");
        json_write_key(writing->writer, key);
        if (replaced)
            json_write_string(writing->writer, str_of(version));
        else
            write_part(writing, node_at(dag, metadata, i), document_member(DOCUMENT_METADATA, key));
    }
    if (version && node_get(dag, metadata, str_of("resourceVersion")) == NODE_NONE)
        json_write_key_string(writing->writer, "resourceVersion", str_of(version));
    json_write_object_end(writing->writer);
}

static void write_entry(const struct writing *writing, node_t entry) {
    json_write_object_begin(writing->writer);
    for (size_t i = 0; i < node_count(writing->dag, entry); i++) {
        struct str key = node_key_at(writing->dag, entry, i);
        json_write_key(writing->writer, key);
        write_part(writing, node_at(writing->dag, entry, i), document_member(DOCUMENT_ENTRY, key));
    }
    json_write_object_end(writing->writer);
}

static void write_entries(const struct writing *writing, node_t entries) {
    json_write_array_begin(writing->writer);
    for (size_t i = 0; i < node_count(writing->dag, entries); i++)
        write_part(writing, node_at(writing->dag, entries, i), DOCUMENT_ENTRY);
    json_write_array_end(writing->writer);
}

static void write_part(const struct writing *writing, node_t node, enum document_part part) {
    enum node_type type = node_type(writing->dag, node);
    struct str known = {0};
    if (part == DOCUMENT_FIELDS)
        known = fieldset_known_node_text(writing->form->known, node);
    if (known.data)
        json_write_raw(writing->writer, known);
    else if (part == DOCUMENT_METADATA && type == NODE_OBJECT)
        write_metadata(writing, node);
    else if (part == DOCUMENT_ENTRIES && type == NODE_ARRAY)
        write_entries(writing, node);
    else if (part == DOCUMENT_ENTRY && type == NODE_OBJECT)
        write_entry(writing, node);
    else
        node_write(writing->dag, node, writing->writer);
}

static void write_member(const struct writing *writing, struct str key, node_t value) {
    const struct document_form *form = writing->form;
    bool type = str_is(key, "kind") || str_is(key, "apiVersion"), meta = str_is(key, "metadata");
    if ((type && form->bare) || (form->partial && !meta))
        return;
    json_write_key(writing->writer, key);
    if (form->api_version && str_is(key, "apiVersion"))
        json_write_string(writing->writer, str_of(form->api_version));
    else
        write_part(writing, value, document_member(DOCUMENT_OBJECT, key));
}

void document_write(struct json_writer *writer, const struct dag *dag, node_t node,
                    const struct document_form *form) {
    struct writing writing = {writer, dag, form};
    json_write_object_begin(writer);
    if (form->partial && !form->bare) {
        json_write_key_string(writer, "kind", str_of("PartialObjectMetadata"));
        json_write_key_string(writer, "apiVersion", str_of("meta.k8s.io/v1"));
    }
    for (size_t i = 0; i < node_count(dag, node); i++)
        write_member(&writing, node_key_at(dag, node, i), node_at(dag, node, i));
    json_write_object_end(writer);
}

json_t *document_metadata(json_t *object) {
    json_t *metadata = json_object_get(object, "metadata");
    if (json_is_object(metadata))
        return metadata;
    metadata = json_object();
    if (json_object_set_new(object, "metadata", metadata) < 0)
        return NULL;
    return metadata;
}

const char *document_meta(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(json_object_get(object, "metadata"), key));
    return text ? text : "";
}

json_t *document_path(const json_t *object, const char *path) {
    while (object) {
        const char *dot = strchr(path, '.');
        json_t *member = json_object_getn(object, path, dot ? (size_t)(dot - path) : strlen(path));
        if (dot == NULL)
            return member;
        object = member;
        path = dot + 1;
    }
    return NULL;
}

const char *document_string(const json_t *object, const char *path) {
    const char *text = json_string_value(document_path(object, path));
    return text ? text : "";
}

int document_set_meta(json_t *object, const char *key, const char *value) {
    json_t *metadata = document_metadata(object);
    return metadata && json_object_set_new(metadata, key, json_string(value)) == 0 ? 0
                                                                                   : ERROR_NOMEM;
}

int document_copy_member(json_t *to, const json_t *from, const char *key) {
    json_t *value = json_object_get(from, key), *copy;
    if (value == NULL) {
        json_object_del(to, key);
        return 0;
    }
    copy = document_copy(value);
    return json_object_set_new(to, key, copy) == 0 ? 0 : ERROR_NOMEM;
}

bool document_empty(const json_t *value) {
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_STRING:
        return json_string_length(value) == 0;
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    case JSON_TRUE:
    case JSON_REAL:
        return false;
    default:
        return true;
    }
}

bool document_same(const json_t *a, const json_t *b) {
    return (document_empty(a) && document_empty(b)) || (a && b && json_equal(a, b));
}

static size_t find_string(const json_t *array, const char *text) {
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), text) == 0)
            return i;
    }
    return SIZE_MAX;
}

bool document_has_string(const json_t *array, const char *text) {
    return find_string(array, text) != SIZE_MAX;
}

bool document_remove_string(json_t *array, const char *text) {
    size_t at = find_string(array, text);
    return at != SIZE_MAX && json_array_remove(array, at) == 0;
}
