#include <string.h>

#include "base/mem.h"
#include "cache/dag.h"
#include "json/scan.h"

/* Where a level stands in a Kubernetes object, for what the scanner leaves out. */
enum role { ROLE_OTHER, ROLE_DOCUMENT, ROLE_ROOT, ROLE_METADATA, ROLE_ANNOTATIONS };

struct parser {
    struct dag *dag;
    struct json_scanner scanner;
    size_t depth;
    int drop;
    enum role next; /* of a level opened as the next value */
    struct error *err;
};

static int no_memory(struct parser *parser) {
    return error_set(parser->err, ERROR_NOMEM, "byte %zu: no memory for a JSON value",
                     (size_t)(parser->scanner.at - parser->scanner.start));
}

/* Takes over one reference, also when it fails. */
static int push(struct parser *parser, node_t node) {
    struct dag *dag = parser->dag;
    if (node == NODE_NONE)
        return no_memory(parser);
    if (mem_grow(&dag->stack, &dag->stack_cap, dag->stack_len + 1, sizeof *dag->stack) < 0) {
        node_unref(dag, node);
        return no_memory(parser);
    }
    dag->stack[dag->stack_len++] = node;
    return 0;
}

static int open_level(struct parser *parser, enum node_type type) {
    struct dag *dag = parser->dag;
    if (mem_grow(&dag->frames, &dag->frames_cap, parser->depth + 1, sizeof *dag->frames) < 0)
        return no_memory(parser);
    dag->frames[parser->depth++] = (struct dag_frame){
        .first = dag->stack_len, .type = (uint8_t)type, .role = (uint8_t)parser->next};
    parser->next = ROLE_OTHER;
    return 0;
}

static int close_array(struct parser *parser, size_t first) {
    struct dag *dag = parser->dag;
    const node_t *items = dag->stack ? dag->stack + first : NULL; /* NULL + 0 is undefined */
    node_t node = dag_intern_array(dag, items, dag->stack_len - first);
    if (node == NODE_NONE)
        return no_memory(parser);
    dag->stack_len = first;
    return push(parser, node);
}

static int close_object(struct parser *parser, size_t first) {
    struct dag *dag = parser->dag;
    size_t count = (dag->stack_len - first) / 2;
    if (dag_scratch(dag, 2 * count + 1) < 0)
        return no_memory(parser);
    node_t *keys = dag->scratch, *parts = keys + count, node, twice = NODE_NONE;
    for (size_t i = 0; i < count; i++) {
        keys[i] = dag->stack[first + 2 * i];
        parts[i + 1] = dag->stack[first + 2 * i + 1];
    }
    int rc = dag_intern_object(dag, keys, parts, count, &node, &twice);
    if (rc == ERROR_REJECTED)
        return error_set(parser->err, rc, "byte %zu: the key \"%.*s\" comes twice in one object",
                         (size_t)(parser->scanner.at - parser->scanner.start),
                         STR_ARG(node_text(dag, twice)));
    if (rc < 0)
        return no_memory(parser);
    dag->stack_len = first;
    return push(parser, node);
}

static int close_level(struct parser *parser) {
    struct dag_frame frame = parser->dag->frames[--parser->depth];
    return frame.type == NODE_OBJECT ? close_object(parser, frame.first)
                                     : close_array(parser, frame.first);
}

static int parse_key(struct parser *parser) {
    enum role role = parser->dag->frames[parser->depth - 1].role;
    struct str key = parser->scanner.text;
    parser->next = ROLE_OTHER;
    if (role == ROLE_ROOT && str_is(key, "metadata"))
        parser->next = ROLE_METADATA;
    else if (role == ROLE_METADATA && str_is(key, "annotations"))
        parser->next = ROLE_ANNOTATIONS;
    if ((role == ROLE_METADATA && parser->drop & DAG_DROP_MANAGED_FIELDS &&
         str_is(key, "managedFields")) ||
        (role == ROLE_ANNOTATIONS && parser->drop & DAG_DROP_LAST_APPLIED &&
         str_is(key, "kubectl.kubernetes.io/last-applied-configuration")))
        return json_skip(&parser->scanner, NULL, parser->err);
    return push(parser, dag_intern_string(parser->dag, key));
}

static int parse_token(struct parser *parser, enum json_token token) {
    struct dag *dag = parser->dag;
    switch (token) {
    case JSON_TOKEN_OBJECT_BEGIN:
        if (parser->next == ROLE_DOCUMENT)
            parser->next = ROLE_ROOT;
        return open_level(parser, NODE_OBJECT);
    case JSON_TOKEN_ARRAY_BEGIN:
        parser->next = ROLE_OTHER;
        return open_level(parser, NODE_ARRAY);
    case JSON_TOKEN_OBJECT_END:
    case JSON_TOKEN_ARRAY_END:
        return close_level(parser);
    case JSON_TOKEN_KEY:
        return parse_key(parser);
    case JSON_TOKEN_STRING:
        return push(parser, dag_intern_string(dag, parser->scanner.text));
    case JSON_TOKEN_NUMBER:
        return push(parser, dag_intern_number(dag, parser->scanner.text));
    case JSON_TOKEN_NULL:
        return push(parser, NODE_ID_NULL);
    case JSON_TOKEN_FALSE:
        return push(parser, NODE_ID_FALSE);
    case JSON_TOKEN_TRUE:
        return push(parser, NODE_ID_TRUE);
    case JSON_TOKEN_END:
        break;
    }
    return 0;
}

node_t dag_parse(struct dag *dag, struct str json, int drop, struct error *err) {
    if (json.len > dag->max_bytes) {
        error_set(err, ERROR_REJECTED, "the document has %zu bytes, more than %zu", json.len,
                  dag->max_bytes);
        return NODE_NONE;
    }
    struct parser parser = {.dag = dag, .drop = drop, .next = ROLE_DOCUMENT, .err = err};
    enum json_token token = JSON_TOKEN_NULL;
    int rc = 0;
    json_scanner_init(&parser.scanner, json.data, json.len);
    while (rc == 0 && token != JSON_TOKEN_END) {
        rc = json_next(&parser.scanner, &token, err);
        if (rc == 0)
            rc = parse_token(&parser, token);
    }
    json_scanner_finish(&parser.scanner);
    node_t root = rc == 0 ? dag->stack[--dag->stack_len] : NODE_NONE;
    while (dag->stack_len > 0)
        node_unref(dag, dag->stack[--dag->stack_len]);
    return root;
}
