#include <string.h>

#include "base/mem.h"
#include "cache/dag.h"
#include "json/scan.h"

/* Where a level stands in a Kubernetes object: for what is left out, and whose version it is. */
enum role {
    ROLE_OTHER = DAG_ROLE_OTHER,
    ROLE_DOCUMENT,
    ROLE_ROOT,
    ROLE_METADATA,
    ROLE_ANNOTATIONS
};

struct parser {
    struct dag *dag;
    struct json_scanner scanner;
    size_t depth;
    int drop;
    struct dag_guess guess;
    enum role next;  /* of a level opened as the next value */
    node_t expected; /* the value that is guessed to come next, or NODE_NONE */
    node_t *noted;   /* where the next value is remembered, or NULL */
    node_t ns, name; /* of the object, borrowed */
    node_t version;  /* a known version of it: the guess once its metadata is complete */
    struct error *err;
};

static int no_memory(struct parser *parser) {
    return error_set(parser->err, ERROR_NOMEM, "byte %zu: no memory for a JSON value",
                     (size_t)(parser->scanner.at - parser->scanner.start));
}

static struct dag_frame *top(const struct parser *parser) {
    return &parser->dag->frames[parser->depth - 1];
}

/* Takes over one reference, also when it fails. */
static int push(struct parser *parser, node_t node) {
    struct dag *dag = parser->dag;
    if (dag->stack_len == dag->stack_cap &&
        mem_grow(&dag->stack, &dag->stack_cap, dag->stack_len + 1, sizeof *dag->stack) < 0) {
        node_unref(dag, node);
        return no_memory(parser);
    }
    dag->stack[dag->stack_len++] = node;
    return 0;
}

static int push_key(struct parser *parser, node_t key) {
    struct dag *dag = parser->dag;
    if (key == NODE_NONE)
        return no_memory(parser);
    if (dag->keys_len == dag->keys_cap &&
        mem_grow(&dag->keys, &dag->keys_cap, dag->keys_len + 1, sizeof *dag->keys) < 0) {
        node_unref(dag, key);
        return no_memory(parser);
    }
    dag->keys[dag->keys_len++] = key;
    return 0;
}

/* From here on the level's values are on the stack. */
static int unfit_values(struct parser *parser, struct dag_frame *frame) {
    struct dag *dag = parser->dag;
    if (frame->fit != DAG_FIT_ALL)
        return 0;
    const node_t *parts = dag_parts(dag, frame->guess);
    bool object = frame->type == NODE_OBJECT;
    int rc = object ? push(parser, NODE_NONE) : 0;
    for (uint32_t i = 0; rc == 0 && i < frame->at; i++)
        rc = push(parser, node_ref(dag, parts[i + object]));
    frame->fit = DAG_FIT_KEYS;
    return rc;
}

/* The keys as well. Before the value of the next key comes. */
static int unfit_keys(struct parser *parser, struct dag_frame *frame) {
    struct dag *dag = parser->dag;
    int rc = unfit_values(parser, frame);
    if (rc < 0 || frame->fit == DAG_FIT_NONE)
        return rc;
    const node_t *keys = dag_parts(dag, dag_parts(dag, frame->guess)[0]);
    for (uint32_t i = 0; rc == 0 && i < frame->at; i++)
        rc = push_key(parser, node_ref(dag, keys[i]));
    frame->fit = DAG_FIT_NONE;
    return rc;
}

/* Another object is to be the model of the level on top, whose last member was that of the key. */
static int guess_again(struct parser *parser, struct dag_frame *frame, node_t guess,
                       const char *key) {
    struct dag *dag = parser->dag;
    if (guess == frame->guess || node_type(dag, guess) != NODE_OBJECT)
        return 0;
    node_t shape = dag_parts(dag, guess)[0];
    bool same = frame->fit != DAG_FIT_NONE && dag_parts(dag, frame->guess)[0] == shape;
    int rc = same ? unfit_values(parser, frame) : unfit_keys(parser, frame);
    ptrdiff_t last = dag_shape_find(dag, shape, str_of(key));
    frame->guess = guess;
    if (!same)
        frame->at = (uint32_t)(last + 1);
    return rc;
}

/* Is a namespace to be expected, after the name? */
static bool has_namespace(const struct dag *dag, node_t metadata) {
    return metadata != NODE_NONE &&
           dag_shape_find(dag, dag_parts(dag, metadata)[0], str_of("namespace")) >= 0;
}

/* metadata's name or namespace (`key`) has come: is a version of this object known? Then the rest
 * of metadata is guessed from it at once, and what follows when metadata is complete. */
static int find_version(struct parser *parser, struct dag_frame *frame, const char *key) {
    const struct dag *dag = parser->dag;
    if (parser->guess.find == NULL || (parser->ns == NODE_NONE && has_namespace(dag, frame->guess)))
        return 0;
    node_t root = parser->guess.find(parser->guess.context, node_text(dag, parser->ns),
                                     node_text(dag, parser->name));
    if (root == NODE_NONE || root == dag->frames[0].guess)
        return 0;
    parser->version = root;
    return guess_again(parser, frame, node_get(dag, root, str_of("metadata")), key);
}

/* The value of a member or item of the level is complete; its reference is taken over. */
static int add_value(struct parser *parser, struct dag_frame *frame, node_t node) {
    const node_t *noted = parser->noted;
    node_t version = parser->version;
    int rc = unfit_values(parser, frame);
    if (rc < 0) {
        node_unref(parser->dag, node);
        return rc;
    }
    if (frame->member != DAG_NO_MEMBER)
        frame->at = frame->member + 1;
    parser->noted = NULL;
    rc = push(parser, node);
    if (rc == 0 && noted)
        return find_version(parser, frame, noted == &parser->ns ? "namespace" : "name");
    if (rc < 0 || version == NODE_NONE || parser->depth > 1)
        return rc;
    parser->version = NODE_NONE;
    return guess_again(parser, frame, version, "metadata");
}

/* A value is complete: the document's, or one of the level on top. With `owned` one reference is
 * taken over, also when it fails. */
static int place(struct parser *parser, node_t node, bool owned) {
    struct dag *dag = parser->dag;
    if (node == NODE_NONE)
        return no_memory(parser);
    if (parser->noted)
        *parser->noted = node;
    if (parser->depth == 0)
        return push(parser, owned ? node : node_ref(dag, node));
    struct dag_frame *frame = top(parser);
    if (frame->fit == DAG_FIT_ALL && frame->member != DAG_NO_MEMBER &&
        dag_parts(dag, frame->guess)[frame->member + (frame->type == NODE_OBJECT)] == node) {
        frame->at++;
        parser->noted = NULL;
        if (owned)
            node_unref(dag, node);
        return 0;
    }
    frame->is_new |= node == dag->newest;
    return add_value(parser, frame, owned ? node : node_ref(dag, node));
}

static int open_level(struct parser *parser, enum node_type type) {
    struct dag *dag = parser->dag;
    node_t guess = parser->expected;
    if (guess != NODE_NONE && dag_head(dag, guess)->type != type)
        guess = NODE_NONE;
    if (parser->depth == dag->frames_cap &&
        mem_grow(&dag->frames, &dag->frames_cap, parser->depth + 1, sizeof *dag->frames) < 0)
        return no_memory(parser);
    dag->frames[parser->depth++] =
        (struct dag_frame){.first = dag->stack_len,
                           .first_key = dag->keys_len,
                           .start = parser->scanner.at - 1,
                           .guess = guess,
                           .member = DAG_NO_MEMBER,
                           .type = (uint8_t)type,
                           .role = (uint8_t)parser->next,
                           .fit = guess == NODE_NONE ? DAG_FIT_NONE : DAG_FIT_ALL};
    parser->next = ROLE_OTHER;
    parser->expected = NODE_NONE;
    parser->noted = NULL;
    return type == NODE_OBJECT && guess == NODE_NONE ? push(parser, NODE_NONE) : 0;
}

static int close_array(struct parser *parser, const struct dag_frame *frame) {
    struct dag *dag = parser->dag;
    const node_t *items = dag->stack ? dag->stack + frame->first : NULL; /* NULL + 0 is undefined */
    const size_t count = dag->stack_len - frame->first;
    node_t node = dag_intern_parts(dag, NODE_ARRAY, count, items, count, frame->is_new);
    if (node == NODE_NONE)
        return no_memory(parser);
    dag->stack_len = frame->first;
    return place(parser, node, /* owned= */ true);
}

/* An object whose keys are on their stack. */
static int close_object(struct parser *parser, const struct dag_frame *frame) {
    struct dag *dag = parser->dag;
    size_t count = dag->stack_len - frame->first - 1;
    const node_t *keys = dag->keys ? dag->keys + frame->first_key : NULL;
    node_t *parts = dag->stack + frame->first, node, twice = NODE_NONE;
    int rc = dag_intern_object(dag, keys, parts, count, frame->is_new, &node, &twice);
    if (rc < 0)
        parts[0] = NODE_NONE; /* the others are given back at the end */
    if (rc == ERROR_REJECTED)
        return error_set(parser->err, rc, "byte %zu: the key \"%.*s\" comes twice in one object",
                         (size_t)(parser->scanner.at - parser->scanner.start),
                         STR_ARG(node_text(dag, twice)));
    if (rc < 0)
        return no_memory(parser);
    dag->stack_len = frame->first;
    dag->keys_len = frame->first_key;
    return place(parser, node, /* owned= */ true);
}

/* An object with all the keys that were guessed: their shape is known. */
static int close_same_keys(struct parser *parser, const struct dag_frame *frame) {
    struct dag *dag = parser->dag;
    node_t *parts = dag->stack + frame->first;
    parts[0] = node_ref(dag, dag_parts(dag, frame->guess)[0]);
    const size_t count = frame->at;
    node_t node = dag_intern_parts(dag, NODE_OBJECT, count, parts, count + 1, frame->is_new);
    if (node == NODE_NONE)
        return no_memory(parser);
    dag->stack_len = frame->first;
    return place(parser, node, /* owned= */ true);
}

static int close_level(struct parser *parser) {
    struct dag *dag = parser->dag;
    struct dag_frame frame = dag->frames[--parser->depth];
    bool whole = frame.guess != NODE_NONE && frame.at == dag_head(dag, frame.guess)->count;
    if (frame.fit == DAG_FIT_ALL && whole) {
        if (frame.role == ROLE_OTHER && parser->depth > 0)
            dag_texts_see(dag, &frame, top(parser)->guess, parser->scanner.at);
        return place(parser, frame.guess, /* owned= */ false);
    }
    int rc = unfit_values(parser, &frame);
    if (rc < 0)
        return rc;
    if (frame.type == NODE_ARRAY)
        return close_array(parser, &frame);
    if (frame.fit == DAG_FIT_KEYS && whole)
        return close_same_keys(parser, &frame);
    rc = unfit_keys(parser, &frame);
    return rc < 0 ? rc : close_object(parser, &frame);
}

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
    struct dag_frame *frame = top(parser);
    struct str key = parser->scanner.text;
    if (is_dropped(parser, frame->role, key))
        return json_skip_span(&parser->scanner, parser->err);
    if (unfit_keys(parser, frame) < 0)
        return ERROR_NOMEM;
    ptrdiff_t at =
        frame->guess == NODE_NONE ? -1 : dag_shape_find(dag, dag_parts(dag, frame->guess)[0], key);
    frame->member = at < 0 ? DAG_NO_MEMBER : (uint32_t)at;
    note_key(parser, frame->role, key);
    parser->expected = at < 0 ? NODE_NONE : dag_parts(dag, frame->guess)[frame->member + 1];
    return push_key(parser, dag_intern_string(dag, key));
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
        *rc = push_key(parser, node_ref(dag, key));
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
    if (top(parser)->fit == DAG_FIT_ALL && top(parser)->role == ROLE_OTHER &&
        parser->scanner.state != JSON_BEFORE_VALUE)
        dag_match(parser->dag, &parser->scanner, &parser->depth);
    struct dag_frame *frame = top(parser);
    if (frame->type == NODE_ARRAY)
        expect_item(parser, frame);
    else if (parser->scanner.state != JSON_BEFORE_VALUE && !guess_key(parser, frame, rc))
        return false;
    if (*rc < 0 || !guess_whole(parser))
        return false;
    *rc = place(parser, parser->expected, /* owned= */ false);
    return true;
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
        return place(parser, dag_intern_string(dag, parser->scanner.text), /* owned= */ true);
    case JSON_TOKEN_NUMBER:
        return place(parser, dag_intern_number(dag, parser->scanner.text), /* owned= */ true);
    case JSON_TOKEN_NULL:
        return place(parser, NODE_ID_NULL, /* owned= */ true);
    case JSON_TOKEN_FALSE:
        return place(parser, NODE_ID_FALSE, /* owned= */ true);
    case JSON_TOKEN_TRUE:
        return place(parser, NODE_ID_TRUE, /* owned= */ true);
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
