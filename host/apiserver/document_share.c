#include <string.h>

#include "apiserver/document.h"
#include "apiserver/document_part.h"
#include "apiserver/fieldset_known.h"

json_t *document_share(const json_t *object) {
    json_t *shared = json_object();
    void *at = json_object_iter((json_t *)object);
    for (; shared && at; at = json_object_iter_next((json_t *)object, at)) {
        json_t *member = json_incref(json_object_iter_value(at));
        if (json_object_setn_new_nocheck(shared, json_object_iter_key(at),
                                         json_object_iter_key_len(at), member) < 0) {
            json_decref(shared);
            return NULL;
        }
    }
    return shared;
}

/* A stored object beside the one that is to replace it: mostly they say the same. */
struct pairing {
    const struct dag *dag;
    struct fieldset_known *known;
};

static bool is_like(const struct pairing *pairing, node_t node, const json_t *like,
                    enum document_part part);

static bool is_number_like(const struct dag *dag, node_t node, const json_t *like) {
    int64_t whole = 0;
    double real = 0;
    if (node_type(dag, node) == NODE_INT)
        return json_is_integer(like) && node_int(dag, node, &whole) &&
               json_integer_value(like) == whole;
    return json_is_real(like) && node_type(dag, node) == NODE_DOUBLE &&
           node_double(dag, node, &real) && json_real_value(like) == real;
}

static bool is_text_like(struct str text, const json_t *like) {
    return json_is_string(like) && json_string_length(like) == text.len &&
           memcmp(json_string_value(like), text.data, text.len) == 0;
}

static bool is_array_like(const struct pairing *pairing, node_t node, const json_t *like,
                          enum document_part part) {
    size_t count = node_count(pairing->dag, node);
    if (json_array_size(like) != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!is_like(pairing, node_at(pairing->dag, node, i), json_array_get(like, i),
                     document_item(part)))
            return false;
    return true;
}

/* Members mostly stand in the same order. */
static const json_t *member_like(const json_t *like, struct str key, void *beside) {
    if (beside && json_object_iter_key_len(beside) == key.len &&
        memcmp(json_object_iter_key(beside), key.data, key.len) == 0)
        return json_object_iter_value(beside);
    return json_object_getn(like, key.data, key.len);
}

static bool is_object_like(const struct pairing *pairing, node_t node, const json_t *like,
                           enum document_part part) {
    size_t count = node_count(pairing->dag, node);
    void *beside = json_object_iter((json_t *)like);
    if (json_object_size(like) != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct str key = node_key_at(pairing->dag, node, i);
        const json_t *member = member_like(like, key, beside);
        if (!member ||
            !is_like(pairing, node_at(pairing->dag, node, i), member, document_member(part, key)))
            return false;
        beside = json_object_iter_next((json_t *)like, beside);
    }
    return true;
}

static bool is_like(const struct pairing *pairing, node_t node, const json_t *like,
                    enum document_part part) {
    const struct dag *dag = pairing->dag;
    switch (node_type(dag, node)) {
    case NODE_FALSE:
        return json_is_false(like);
    case NODE_TRUE:
        return json_is_true(like);
    case NODE_INT:
    case NODE_DOUBLE:
    case NODE_NUMBER:
        return is_number_like(dag, node, like);
    case NODE_STRING:
        return is_text_like(node_text(dag, node), like);
    case NODE_ARRAY:
        return json_is_array(like) && is_array_like(pairing, node, like, part);
    case NODE_OBJECT:
        return (part == DOCUMENT_FIELDS && pairing->known &&
                fieldset_known_node(pairing->known, like) == node) ||
               (json_is_object(like) && is_object_like(pairing, node, like, part));
    default:
        return json_is_null(like);
    }
}

static json_t *part_like(const struct pairing *pairing, node_t node, json_t *like,
                         enum document_part part);

static json_t *array_like(const struct pairing *pairing, node_t node, const json_t *like,
                          enum document_part part) {
    json_t *into = json_array();
    for (size_t i = 0; into && i < node_count(pairing->dag, node); i++) {
        json_t *item = part_like(pairing, node_at(pairing->dag, node, i), json_array_get(like, i),
                                 document_item(part));
        if (json_array_append_new(into, item) < 0) {
            json_decref(into);
            return NULL;
        }
    }
    return into;
}

static json_t *object_like(const struct pairing *pairing, node_t node, const json_t *like,
                           enum document_part part) {
    json_t *into = json_object();
    for (size_t i = 0; into && i < node_count(pairing->dag, node); i++) {
        struct str key = node_key_at(pairing->dag, node, i);
        json_t *member =
            part_like(pairing, node_at(pairing->dag, node, i),
                      json_object_getn(like, key.data, key.len), document_member(part, key));
        if (json_object_setn_new_nocheck(into, key.data, key.len, member) < 0) {
            json_decref(into);
            return NULL;
        }
    }
    return into;
}

static json_t *part_like(const struct pairing *pairing, node_t node, json_t *like,
                         enum document_part part) {
    enum node_type type = node_type(pairing->dag, node);
    if (like && part != DOCUMENT_METADATA && is_like(pairing, node, like, part))
        return json_incref(like);
    if (part == DOCUMENT_FIELDS && pairing->known && type == NODE_OBJECT)
        return fieldset_known_of_node(pairing->known, node);
    if (part == DOCUMENT_OTHER && like == NULL)
        return document_of(pairing->dag, node);
    if (type == NODE_ARRAY)
        return array_like(pairing, node, like, part);
    return type == NODE_OBJECT ? object_like(pairing, node, like, part)
                               : document_of(pairing->dag, node);
}

json_t *document_of_like(const struct dag *dag, struct fieldset_known *known, node_t node,
                         const json_t *like) {
    struct pairing pairing = {dag, known};
    return like ? object_like(&pairing, node, like, DOCUMENT_OBJECT)
                : document_of_object(dag, known, node);
}
