#include "cache/node.h"

#include <string.h>

#include "cache/dag.h"
#include "json/scan.h"

enum node_type node_type(const struct dag *dag, node_t node) {
    return node == NODE_NONE ? NODE_NULL : (enum node_type)dag_head(dag, node)->type;
}

size_t node_count(const struct dag *dag, node_t node) {
    enum node_type type = node_type(dag, node);
    return type == NODE_ARRAY || type == NODE_OBJECT ? dag_head(dag, node)->count : 0;
}

/* The parts of an array or object: items, or the shape and the values. */
static const node_t *parts_of(const struct dag *dag, node_t node) {
    return dag_payload(dag_head(dag, node));
}

node_t node_at(const struct dag *dag, node_t node, size_t index) {
    if (index >= node_count(dag, node))
        return NODE_NONE;
    return parts_of(dag, node)[index + (node_type(dag, node) == NODE_OBJECT)];
}

struct str node_key_at(const struct dag *dag, node_t node, size_t index) {
    if (node_type(dag, node) != NODE_OBJECT || index >= node_count(dag, node))
        return str_of("");
    return node_text(dag, parts_of(dag, parts_of(dag, node)[0])[index]);
}

node_t node_get(const struct dag *dag, node_t node, struct str key) {
    if (node_type(dag, node) != NODE_OBJECT)
        return NODE_NONE;
    const node_t *parts = parts_of(dag, node);
    ptrdiff_t at = dag_shape_find(dag, parts[0], key);
    return at < 0 ? NODE_NONE : parts[at + 1];
}

node_t node_path(const struct dag *dag, node_t node, const char *path) {
    while (node != NODE_NONE && *path) {
        size_t len = strcspn(path, ".");
        node = node_get(dag, node, str_n(path, len));
        path += len + (path[len] == '.');
    }
    return node;
}

struct str node_text(const struct dag *dag, node_t node) {
    enum node_type type = node_type(dag, node);
    if (type < NODE_INT || type > NODE_STRING)
        return str_of("");
    const struct node_head *head = dag_head(dag, node);
    const char *payload = dag_payload(head);
    return str_n(payload + (type == NODE_STRING ? 0 : 8), head->count);
}

bool node_int(const struct dag *dag, node_t node, int64_t *ret) {
    if (node_type(dag, node) != NODE_INT)
        return false;
    memcpy(ret, dag_payload(dag_head(dag, node)), sizeof *ret);
    return true;
}

bool node_double(const struct dag *dag, node_t node, double *ret) {
    int64_t integer;
    if (node_int(dag, node, &integer)) {
        *ret = (double)integer;
        return true;
    }
    if (node_type(dag, node) != NODE_DOUBLE)
        return false;
    memcpy(ret, dag_payload(dag_head(dag, node)), sizeof *ret);
    return true;
}

bool node_is(const struct dag *dag, node_t node, const char *text) {
    return node_type(dag, node) == NODE_STRING && str_is(node_text(dag, node), text);
}

static void write_string(const struct node_head *head, struct json_writer *writer) {
    struct str text = str_n(dag_payload(head), head->count);
    if (head->plain)
        json_write_plain_string(writer, text);
    else
        json_write_string(writer, text);
}

static void write_array(const struct dag *dag, const struct node_head *head,
                        struct json_writer *writer) {
    const node_t *items = dag_payload(head);
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < head->count; i++)
        node_write(dag, items[i], writer);
    json_write_array_end(writer);
}

static void write_object(const struct dag *dag, const struct node_head *head,
                         struct json_writer *writer) {
    const node_t *parts = dag_payload(head), *keys = parts_of(dag, parts[0]);
    json_write_object_begin(writer);
    for (uint32_t i = 0; i < head->count; i++) {
        const struct node_head *key = dag_head(dag, keys[i]);
        struct str name = str_n(dag_payload(key), key->count);
        if (key->plain)
            json_write_plain_key(writer, name);
        else
            json_write_key(writer, name);
        node_write(dag, parts[i + 1], writer);
    }
    json_write_object_end(writer);
}

/* Recursive: no node is deeper than JSON_MAX_DEPTH. */
void node_write(const struct dag *dag, node_t node, struct json_writer *writer) {
    const struct node_head *head = node == NODE_NONE ? NULL : dag_head(dag, node);
    switch (head ? (enum node_type)head->type : NODE_NULL) {
    case NODE_NULL:
        json_write_null(writer);
        break;
    case NODE_FALSE:
    case NODE_TRUE:
        json_write_bool(writer, head->type == NODE_TRUE);
        break;
    case NODE_INT:
    case NODE_DOUBLE:
    case NODE_NUMBER:
        json_write_raw(writer, node_text(dag, node));
        break;
    case NODE_STRING:
        write_string(head, writer);
        break;
    case NODE_ARRAY:
        write_array(dag, head, writer);
        break;
    case NODE_OBJECT:
        write_object(dag, head, writer);
        break;
    }
}
