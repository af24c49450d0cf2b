#include "cache/dag.h"
#include "json/scan.h"

static const node_t *parts_of(const struct dag *dag, node_t node) {
    return dag_payload(dag_head(dag, node));
}

static bool fits(const struct dag *dag, node_t node, int levels) {
    size_t count = node_count(dag, node);
    enum node_type type = node_type(dag, node);
    if (type != NODE_ARRAY && type != NODE_OBJECT)
        return true;
    for (size_t i = 0; levels > 0 && i < count; i++)
        if (!fits(dag, node_at(dag, node, i), levels - 1))
            return false;
    return levels > 0;
}

node_t dag_with(struct dag *dag, node_t from, struct str key, node_t value, struct error *err) {
    size_t count = node_count(dag, from), left = 0;
    if (from != NODE_NONE && node_type(dag, from) != NODE_OBJECT) {
        error_set(err, ERROR_INVALID, "only an object has members");
        return NODE_NONE;
    }
    if (!fits(dag, value, JSON_MAX_DEPTH - 1)) {
        error_set(err, ERROR_REJECTED, "more than %d levels deep", JSON_MAX_DEPTH);
        return NODE_NONE;
    }
    node_t added = dag_intern_string(dag, key), node = NODE_NONE, twice;
    if (added == NODE_NONE || dag_scratch(dag, 2 * count + 3) < 0)
        goto nomem;
    node_t *keys = dag->scratch, *parts = keys + count + 1;
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        const node_t *from_parts = parts_of(dag, from);
        node_t name = parts_of(dag, from_parts[0])[i];
        found |= name == added;
        if (name == added && value == NODE_NONE)
            continue;
        keys[left] = node_ref(dag, name);
        parts[++left] = node_ref(dag, name == added ? value : from_parts[i + 1]);
    }
    if (!found && value != NODE_NONE) {
        keys[left] = node_ref(dag, added);
        parts[++left] = node_ref(dag, value);
    }
    if (dag_intern_object(dag, keys, parts, left, /* is_new= */ false, &node, &twice) < 0)
        for (size_t i = 0; i < left; i++) {
            node_unref(dag, keys[i]);
            node_unref(dag, parts[i + 1]);
        }
nomem:
    node_unref(dag, added);
    if (node == NODE_NONE)
        error_set(err, ERROR_NOMEM, "no memory for an object");
    return node;
}

node_t dag_with_type(struct dag *dag, node_t from, const char *api_version, const char *kind,
                     struct error *err) {
    size_t count = node_count(dag, from);
    node_t texts[] = {dag_intern_string(dag, str_of("kind")), dag_intern_string(dag, str_of(kind)),
                      dag_intern_string(dag, str_of("apiVersion")),
                      dag_intern_string(dag, str_of(api_version))};
    node_t node = NODE_NONE, twice;
    bool ready = texts[0] && texts[1] && texts[2] && texts[3];
    if (ready && dag_scratch(dag, 2 * count + 5) == 0) {
        const node_t *from_parts = parts_of(dag, from), *from_keys = parts_of(dag, from_parts[0]);
        node_t *keys = dag->scratch, *parts = keys + count + 2;
        for (size_t i = 0; i < count + 2; i++) {
            keys[i] = node_ref(dag, i < 2 ? texts[2 * i] : from_keys[i - 2]);
            parts[i + 1] = node_ref(dag, i < 2 ? texts[2 * i + 1] : from_parts[i - 1]);
        }
        if (dag_intern_object(dag, keys, parts, count + 2, /* is_new= */ false, &node, &twice) < 0)
            for (size_t i = 0; i < count + 2; i++) {
                node_unref(dag, keys[i]);
                node_unref(dag, parts[i + 1]);
            }
    }
    for (size_t i = 0; i < 4; i++)
        node_unref(dag, texts[i]);
    if (node == NODE_NONE)
        error_set(err, ERROR_NOMEM, "no memory for an object");
    return node;
}
