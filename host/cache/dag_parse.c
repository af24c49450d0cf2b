#include "cache/dag_parse_internal.h"

/* What the key says about the value that comes. */
static void note_key(struct parser *parser, enum role role, struct str key) {
    parser->next = ROLE_OTHER;
    if (role == ROLE_OTHER)
        return;
    if (role == ROLE_ROOT && str_is(key, "metadata"))
        parser->next = ROLE_METADATA;
    if (role != ROLE_METADATA)
        return;
    if (str_is(key, "annotations"))
        parser->next = ROLE_ANNOTATIONS;
    else if (str_is(key, "name"))
        parser->noted = &parser->name;
    else if (str_is(key, "namespace"))
        parser->noted = &parser->ns;
}

static bool is_dropped(const struct parser *parser, enum role role, struct str key) {
    return (role == ROLE_METADATA && parser->drop & DAG_DROP_MANAGED_FIELDS &&
            str_is(key, "managedFields")) ||
           (role == ROLE_ANNOTATIONS && parser->drop & DAG_DROP_LAST_APPLIED &&
            str_is(key, "kubectl.kubernetes.io/last-applied-configuration"));
}

/* A key that is not the one that was guessed. */
static int parse_key(struct parser *parser) {
    struct dag *dag = parser->dag;
    struct dag_frame *frame = dag_level_top(parser);
    struct str key = parser->scanner.text;
    if (is_dropped(parser, frame->role, key))
        return json_skip_span(&parser->scanner, parser->err);
    if (dag_level_unfit_keys(parser, frame) < 0)
        return ERROR_NOMEM;
    ptrdiff_t at =
        frame->guess == NODE_NONE ? -1 : dag_shape_find(dag, dag_parts(dag, frame->guess)[0], key);
    frame->member = at < 0 ? DAG_NO_MEMBER : (uint32_t)at;
    note_key(parser, frame->role, key);
    parser->expected = at < 0 ? NODE_NONE : dag_parts(dag, frame->guess)[frame->member + 1];
    return dag_level_push_key(parser, dag_intern_string(dag, key));
}

/* Is the key that is guessed there? Then all is as after parse_key(). */
static bool guess_key(struct parser *parser, struct dag_frame *frame, int *rc) {
    struct dag *dag = parser->dag;
    const struct node_head *guess = frame->guess ? dag_head(dag, frame->guess) : NULL;
    if (guess == NULL || frame->at >= guess->count)
        return false;
    const node_t *parts = dag_payload(guess);
    node_t key = dag_parts(dag, parts[0])[frame->at];
    const struct node_head *head = dag_head(dag, key);
    struct str text = str_n(dag_payload(head), head->count);
    if (!head->plain || !json_guess_key(&parser->scanner, text))
        return false;
    frame->member = frame->at;
    parser->expected = parts[frame->at + 1];
    if (frame->fit == DAG_FIT_NONE)
        *rc = dag_level_push_key(parser, node_ref(dag, key));
    note_key(parser, frame->role, text);
    return true;
}

/* An array or object whose text is known? */
static bool guess_text(struct parser *parser) {
    struct json_scanner *scanner = &parser->scanner;
    const char *next = NULL;
    if (parser->next == ROLE_OTHER && dag_is_shared(parser->dag, parser->expected))
        next = dag_texts_match(parser->dag, parser->expected, json_guess_at(scanner), scanner->end);
    if (next)
        json_value_taken(scanner, (size_t)(next - scanner->at));
    return next != NULL;
}

/* Is the expected value there, and need not be entered? */
static bool guess_whole(struct parser *parser) {
    static const char *const words[] = {
        [NODE_NULL] = "null", [NODE_FALSE] = "false", [NODE_TRUE] = "true"};
    if (parser->expected == NODE_NONE)
        return false;
    const struct node_head *head = dag_head(parser->dag, parser->expected);
    const char *payload = dag_payload(head);
    switch (head->type) {
    case NODE_STRING:
        return head->plain && json_guess_string(&parser->scanner, str_n(payload, head->count));
    case NODE_INT:
    case NODE_DOUBLE:
    case NODE_NUMBER:
        return json_guess_bare(&parser->scanner, str_n(payload + 8, head->count));
    case NODE_NULL:
    case NODE_FALSE:
    case NODE_TRUE:
        return json_guess_bare(&parser->scanner, str_of(words[head->type]));
    default:
        return guess_text(parser);
    }
}

static void expect_item(struct parser *parser, struct dag_frame *frame) {
    const struct node_head *guess = frame->guess ? dag_head(parser->dag, frame->guess) : NULL;
    uint32_t count = guess ? guess->count : 0;
    frame->member = frame->at < count ? frame->at : DAG_NO_MEMBER;
    parser->expected = NODE_NONE;
    if (count > 0) /* past the end more of the same may come */
        parser->expected =
            ((const node_t *)dag_payload(guess))[frame->at < count ? frame->at : count - 1];
}

/* Steps over as much of the next member or item as is guessed right; true when that was all. */
static bool guess_value(struct parser *parser, int *rc) {
    if (dag_level_top(parser)->fit == DAG_FIT_ALL && dag_level_top(parser)->role == ROLE_OTHER &&
        parser->scanner.state != JSON_BEFORE_VALUE)
        dag_match(parser->dag, &parser->scanner, &parser->depth);
    struct dag_frame *frame = dag_level_top(parser);
    if (frame->type == NODE_ARRAY)
        expect_item(parser, frame);
    else if (parser->scanner.state != JSON_BEFORE_VALUE && !guess_key(parser, frame, rc))
        return false;
    if (*rc < 0 || !guess_whole(parser))
        return false;
    *rc = dag_level_place(parser, parser->expected, /* owned= */ false);
    return true;
}

static int parse_token(struct parser *parser, enum json_token token) {
    struct dag *dag = parser->dag;
    switch (token) {
    case JSON_TOKEN_OBJECT_BEGIN:
        if (parser->next == ROLE_DOCUMENT)
            parser->next = ROLE_ROOT;
        return dag_level_open(parser, NODE_OBJECT);
    case JSON_TOKEN_ARRAY_BEGIN:
        parser->next = ROLE_OTHER;
        return dag_level_open(parser, NODE_ARRAY);
    case JSON_TOKEN_OBJECT_END:
    case JSON_TOKEN_ARRAY_END:
        return dag_level_close(parser);
    case JSON_TOKEN_KEY:
        return parse_key(parser);
    case JSON_TOKEN_STRING:
        return dag_level_place(parser, dag_intern_string(dag, parser->scanner.text),
                               /* owned= */ true);
    case JSON_TOKEN_NUMBER:
        return dag_level_place(parser, dag_intern_number(dag, parser->scanner.text),
                               /* owned= */ true);
    case JSON_TOKEN_NULL:
        return dag_level_place(parser, NODE_ID_NULL, /* owned= */ true);
    case JSON_TOKEN_FALSE:
        return dag_level_place(parser, NODE_ID_FALSE, /* owned= */ true);
    case JSON_TOKEN_TRUE:
        return dag_level_place(parser, NODE_ID_TRUE, /* owned= */ true);
    case JSON_TOKEN_END:
        break;
    }
    return 0;
}

/* One value; what is behind it is not looked at. */
static int parse(struct parser *parser) {
    enum json_token token;
    int rc = 0;
    do {
        if (parser->depth > 0 && guess_value(parser, &rc))
            continue;
        if (rc == 0)
            rc = json_next(&parser->scanner, &token, parser->err);
        if (rc == 0)
            rc = parse_token(parser, token);
    } while (rc == 0 && (parser->depth > 0 || parser->scanner.state != JSON_AFTER_VALUE));
    return rc;
}

static node_t parse_document(struct dag *dag, struct str json, int drop,
                             const struct dag_guess *guess, size_t *ret_len, struct error *err) {
    enum json_token token;
    struct parser parser = {
        .dag = dag, .drop = drop, .guess = *guess, .next = ROLE_DOCUMENT, .err = err};
    parser.expected = guess->like;
    json_scanner_init(&parser.scanner, json.data, json.len);
    int rc = parse(&parser);
    size_t len = (size_t)(parser.scanner.at - json.data);
    if (rc == 0 && ret_len == NULL) /* trailing bytes are its error */
        rc = json_next(&parser.scanner, &token, err);
    if (rc == 0 && len > dag->max_bytes)
        rc = error_set(err, ERROR_REJECTED, "the document has %zu bytes, more than %zu", len,
                       dag->max_bytes);
    json_scanner_finish(&parser.scanner);
    node_t root = rc == 0 ? dag->stack[--dag->stack_len] : NODE_NONE;
    while (dag->stack_len > 0)
        node_unref(dag, dag->stack[--dag->stack_len]);
    while (dag->keys_len > 0)
        node_unref(dag, dag->keys[--dag->keys_len]);
    if (rc == 0 && ret_len)
        *ret_len = len;
    return root;
}

node_t dag_parse_value(struct dag *dag, struct str json, int drop, const struct dag_guess *guess,
                       size_t *ret_len, struct error *err) {
    return parse_document(dag, json, drop, guess, ret_len, err);
}

node_t dag_parse_like(struct dag *dag, struct str json, int drop, const struct dag_guess *guess,
                      struct error *err) {
    if (json.len > dag->max_bytes) {
        error_set(err, ERROR_REJECTED, "the document has %zu bytes, more than %zu", json.len,
                  dag->max_bytes);
        return NODE_NONE;
    }
    return parse_document(dag, json, drop, guess, /* ret_len= */ NULL, err);
}

node_t dag_parse(struct dag *dag, struct str json, int drop, struct error *err) {
    return dag_parse_like(dag, json, drop, &(struct dag_guess){0}, err);
}
