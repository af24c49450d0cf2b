#include "base/mem.h"
#include "cache/dag_parse_internal.h"

static int no_memory(struct parser *parser) {
    return error_set(parser->err, ERROR_NOMEM, "byte %zu: no memory for a JSON value",
                     (size_t)(parser->scanner.at - parser->scanner.start));
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

int dag_level_push_key(struct parser *parser, node_t key) {
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

int dag_level_unfit_keys(struct parser *parser, struct dag_frame *frame) {
    struct dag *dag = parser->dag;
    int rc = unfit_values(parser, frame);
    if (rc < 0 || frame->fit == DAG_FIT_NONE)
        return rc;
    const node_t *keys = dag_parts(dag, dag_parts(dag, frame->guess)[0]);
    for (uint32_t i = 0; rc == 0 && i < frame->at; i++)
        rc = dag_level_push_key(parser, node_ref(dag, keys[i]));
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
    int rc = same ? unfit_values(parser, frame) : dag_level_unfit_keys(parser, frame);
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

int dag_level_place(struct parser *parser, node_t node, bool owned) {
    struct dag *dag = parser->dag;
    if (node == NODE_NONE)
        return no_memory(parser);
    if (parser->noted)
        *parser->noted = node;
    if (parser->depth == 0)
        return push(parser, owned ? node : node_ref(dag, node));
    struct dag_frame *frame = dag_level_top(parser);
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

int dag_level_open(struct parser *parser, enum node_type type) {
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
    return dag_level_place(parser, node, /* owned= */ true);
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
    return dag_level_place(parser, node, /* owned= */ true);
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
    return dag_level_place(parser, node, /* owned= */ true);
}

int dag_level_close(struct parser *parser) {
    struct dag *dag = parser->dag;
    struct dag_frame frame = dag->frames[--parser->depth];
    bool whole = frame.guess != NODE_NONE && frame.at == dag_head(dag, frame.guess)->count;
    if (frame.fit == DAG_FIT_ALL && whole) {
        if (frame.role == ROLE_OTHER && parser->depth > 0)
            dag_texts_see(dag, &frame, dag_level_top(parser)->guess, parser->scanner.at);
        return dag_level_place(parser, frame.guess, /* owned= */ false);
    }
    int rc = unfit_values(parser, &frame);
    if (rc < 0)
        return rc;
    if (frame.type == NODE_ARRAY)
        return close_array(parser, &frame);
    if (frame.fit == DAG_FIT_KEYS && whole)
        return close_same_keys(parser, &frame);
    rc = dag_level_unfit_keys(parser, &frame);
    return rc < 0 ? rc : close_object(parser, &frame);
}
