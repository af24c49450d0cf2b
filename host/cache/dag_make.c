/* Nodes of values that come one by one. */

#include "base/mem.h"
#include "cache/dag.h"
#include "json/write.h"

node_t dag_make_string(struct dag *dag, struct str text, node_t like) {
    if (like != NODE_NONE) {
        const struct node_head *head = dag_head(dag, like);
        if (head->type == NODE_STRING && head->count == text.len &&
            json_same_bytes(dag_payload(head), text.data, text.len))
            return node_ref(dag, like);
    }
    return dag_intern_string(dag, text);
}

node_t dag_make_int(struct dag *dag, int64_t value, node_t like) {
    struct strbuf text = {0};
    struct json_writer writer;
    int64_t there;
    if (node_int(dag, like, &there) && there == value)
        return node_ref(dag, like);
    json_writer_init(&writer, &text);
    json_write_int(&writer, value);
    node_t node = dag_make_number(dag, strbuf_view(&text));
    strbuf_finish(&text);
    return node;
}

node_t dag_make_number(struct dag *dag, struct str text) {
    return text.len > 0 ? dag_intern_number(dag, text) : NODE_NONE;
}

node_t dag_make_word(enum node_type type) {
    return type == NODE_TRUE ? NODE_ID_TRUE : type == NODE_FALSE ? NODE_ID_FALSE : NODE_ID_NULL;
}

static void push(struct dag_level *level, node_t node) {
    struct dag *dag = level->dag;
    bool full = dag->stack_len == dag->stack_cap;
    if (node == NODE_NONE || (full && mem_grow(&dag->stack, &dag->stack_cap, dag->stack_len + 1,
                                               sizeof *dag->stack) < 0)) {
        node_unref(dag, node);
        level->failed = true;
        return;
    }
    dag->stack[dag->stack_len++] = node;
}

static void push_key(struct dag_level *level, node_t key) {
    struct dag *dag = level->dag;
    if (key == NODE_NONE ||
        mem_grow(&dag->keys, &dag->keys_cap, dag->keys_len + 1, sizeof *dag->keys) < 0) {
        node_unref(dag, key);
        level->failed = true;
        return;
    }
    dag->keys[dag->keys_len++] = key;
}

void dag_level_begin(struct dag_level *level, struct dag *dag, enum node_type type, node_t like) {
    bool fits = like != NODE_NONE && dag_head(dag, like)->type == type;
    *level = (struct dag_level){.dag = dag,
                                .like = fits ? like : NODE_NONE,
                                .first = dag->stack_len,
                                .first_key = dag->keys_len,
                                .object = type == NODE_OBJECT,
                                .same_keys = fits,
                                .same = fits};
    if (type == NODE_OBJECT)
        push(level, NODE_ID_NULL); /* the place of the shape */
}

/* The keys so far were those of `like`; from here on they are on their stack. */
static void unfit_keys(struct dag_level *level) {
    struct dag *dag = level->dag;
    if (!level->same_keys)
        return;
    const node_t *keys = dag_parts(dag, dag_parts(dag, level->like)[0]);
    for (uint32_t i = 0; i < level->at && !level->failed; i++)
        push_key(level, node_ref(dag, keys[i]));
    level->same_keys = level->same = false;
}

node_t dag_level_key(struct dag_level *level, struct str key) {
    struct dag *dag = level->dag;
    const node_t *parts = level->like ? dag_parts(dag, level->like) : NULL;
    if (parts && level->at < dag_head(dag, level->like)->count) {
        node_t guess = dag_parts(dag, parts[0])[level->at];
        const struct node_head *head = dag_head(dag, guess);
        if (head->count == key.len && json_same_bytes(dag_payload(head), key.data, key.len)) {
            if (!level->same_keys)
                push_key(level, node_ref(dag, guess));
            return parts[++level->at];
        }
    }
    if (parts)
        unfit_keys(level);
    push_key(level, dag_intern_string(dag, key));
    ptrdiff_t place = parts ? dag_shape_find(dag, parts[0], key) : -1;
    if (place < 0)
        return NODE_NONE;
    level->at = (uint32_t)place + 1;
    return parts[place + 1];
}

node_t dag_level_item(struct dag_level *level) {
    struct dag *dag = level->dag;
    uint32_t count = level->like ? dag_head(dag, level->like)->count : 0;
    uint32_t at = level->at++;
    if (count == 0)
        return NODE_NONE;
    return dag_parts(dag, level->like)[at < count ? at : count - 1];
}

void dag_level_add(struct dag_level *level, node_t value, node_t guess) {
    level->same &= value == guess;
    push(level, value);
}

static void drop(struct dag_level *level) {
    struct dag *dag = level->dag;
    while (dag->stack_len > level->first)
        node_unref(dag, dag->stack[--dag->stack_len]);
    while (dag->keys_len > level->first_key)
        node_unref(dag, dag->keys[--dag->keys_len]);
}

static node_t intern(struct dag_level *level, size_t count) {
    struct dag *dag = level->dag;
    node_t *parts = dag->stack ? dag->stack + level->first : NULL, node, twice;
    if (!level->object)
        return dag_intern_array(dag, parts, count);
    if (!level->same_keys) {
        const node_t *keys = dag->keys ? dag->keys + level->first_key : NULL;
        if (dag_intern_object(dag, keys, parts, count, /* is_new= */ false, &node, &twice) == 0) {
            dag->keys_len = level->first_key;
            return node;
        }
    } else {
        parts[0] = node_ref(dag, dag_parts(dag, level->like)[0]);
        node = dag_intern_parts(dag, NODE_OBJECT, count, parts, count + 1, /* is_new= */ false);
        if (node != NODE_NONE)
            return node;
        node_unref(dag, parts[0]);
    }
    parts[0] = NODE_NONE; /* the others are given back by drop() */
    return NODE_NONE;
}

node_t dag_level_end(struct dag_level *level) {
    struct dag *dag = level->dag;
    size_t count = dag->stack_len - level->first - level->object;
    node_t node = NODE_NONE;
    if (level->same_keys && count != dag_head(dag, level->like)->count) {
        if (level->object)
            unfit_keys(level);
        level->same = false;
    }
    if (level->failed || level->same) {
        node = level->failed ? NODE_NONE : node_ref(dag, level->like);
    } else {
        node = intern(level, count);
        if (node != NODE_NONE)
            dag->stack_len = level->first;
    }
    drop(level);
    return node;
}
