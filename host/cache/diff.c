#include "cache/diff.h"

bool node_same(const struct dag *dag, node_t a, node_t b) {
    enum node_type type = node_type(dag, a);
    size_t count = node_count(dag, a);
    if (a == b)
        return true;
    if (a == NODE_NONE || b == NODE_NONE || type != node_type(dag, b) ||
        (type != NODE_ARRAY && type != NODE_OBJECT) || count != node_count(dag, b))
        return false;
    for (size_t i = 0; i < count; i++) {
        node_t other =
            type == NODE_ARRAY ? node_at(dag, b, i) : node_get(dag, b, node_key_at(dag, a, i));
        if (!node_same(dag, node_at(dag, a, i), other))
            return false;
    }
    return true;
}

static bool is_object(const struct dag *dag, node_t node) {
    return node_type(dag, node) == NODE_OBJECT;
}

bool node_merge_patch(const struct dag *dag, node_t from, node_t to, struct json_writer *writer) {
    if (!is_object(dag, from) || !is_object(dag, to)) {
        bool differs = !node_same(dag, from, to);
        if (differs)
            node_write(dag, to, writer);
        else
            json_write_raw(writer, str_of("{}"));
        return differs;
    }
    bool differs = false;
    json_write_object_begin(writer);
    for (size_t i = 0; from != to && i < node_count(dag, to); i++) {
        struct str key = node_key_at(dag, to, i);
        node_t was = node_get(dag, from, key), is = node_at(dag, to, i);
        if (node_same(dag, was, is))
            continue;
        differs = true;
        json_write_key(writer, key);
        if (is_object(dag, was) && is_object(dag, is))
            node_merge_patch(dag, was, is, writer);
        else
            node_write(dag, is, writer);
    }
    for (size_t i = 0; from != to && i < node_count(dag, from); i++) {
        struct str key = node_key_at(dag, from, i);
        if (node_get(dag, to, key) != NODE_NONE)
            continue;
        differs = true;
        json_write_key(writer, key);
        json_write_null(writer);
    }
    json_write_object_end(writer);
    return differs;
}

bool node_intent_holds(const struct dag *dag, node_t intent, node_t answer, node_t now) {
    if (answer == now)
        return true;
    if (!is_object(dag, intent) || !is_object(dag, answer) || !is_object(dag, now))
        return node_same(dag, answer, now);
    for (size_t i = 0; i < node_count(dag, intent); i++) {
        struct str key = node_key_at(dag, intent, i);
        if (!node_intent_holds(dag, node_at(dag, intent, i), node_get(dag, answer, key),
                               node_get(dag, now, key)))
            return false;
    }
    return true;
}
