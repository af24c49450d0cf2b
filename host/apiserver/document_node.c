/* Documents as nodes. */
#include "apiserver/document.h"

#include "json/scan.h"

struct maker {
    struct dag *dag;
    struct fieldset_known *known;
    int depth;
    bool deep;
};

static node_t make(struct maker *maker, const json_t *value, node_t like);

static node_t make_member(struct maker *maker, struct str key, const json_t *value, node_t like) {
    bool fields = maker->known && str_is(key, "fieldsV1");
    node_t node = fields ? fieldset_known_node(maker->known, value) : NODE_NONE;
    if (node != NODE_NONE)
        return node_ref(maker->dag, node);
    node = make(maker, value, like);
    if (fields)
        fieldset_known_bind(maker->known, value, node);
    return node;
}

static node_t make_object(struct maker *maker, const json_t *object, node_t like) {
    struct dag_level level;
    void *at = json_object_iter((json_t *)object);
    dag_level_begin(&level, maker->dag, NODE_OBJECT, like);
    for (; at; at = json_object_iter_next((json_t *)object, at)) {
        struct str key = str_n(json_object_iter_key(at), json_object_iter_key_len(at));
        node_t guess = dag_level_key(&level, key);
        dag_level_add(&level, make_member(maker, key, json_object_iter_value(at), guess), guess);
    }
    return dag_level_end(&level);
}

static node_t make_array(struct maker *maker, const json_t *array, node_t like) {
    struct dag_level level;
    dag_level_begin(&level, maker->dag, NODE_ARRAY, like);
    for (size_t i = 0; i < json_array_size(array); i++) {
        node_t guess = dag_level_item(&level);
        dag_level_add(&level, make(maker, json_array_get(array, i), guess), guess);
    }
    return dag_level_end(&level);
}

static node_t make_real(struct maker *maker, const json_t *value) {
    struct strbuf text = {0};
    document_text(value, &text);
    node_t node = dag_make_number(maker->dag, strbuf_view(&text));
    strbuf_finish(&text);
    return node;
}

static node_t make(struct maker *maker, const json_t *value, node_t like) {
    node_t node = NODE_NONE;
    bool inner = json_is_object(value) || json_is_array(value);
    if (inner && maker->depth == JSON_MAX_DEPTH) {
        maker->deep = true;
        return NODE_NONE;
    }
    maker->depth += inner;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        node = make_object(maker, value, like);
        break;
    case JSON_ARRAY:
        node = make_array(maker, value, like);
        break;
    case JSON_STRING:
        node = dag_make_string(maker->dag,
                               str_n(json_string_value(value), json_string_length(value)), like);
        break;
    case JSON_INTEGER:
        node = dag_make_int(maker->dag, json_integer_value(value), like);
        break;
    case JSON_REAL:
        node = make_real(maker, value);
        break;
    default:
        node = dag_make_word(json_is_true(value)    ? NODE_TRUE
                             : json_is_false(value) ? NODE_FALSE
                                                    : NODE_NULL);
    }
    maker->depth -= inner;
    return node;
}

node_t document_node(struct dag *dag, struct fieldset_known *known, const json_t *object,
                     node_t like, struct error *err) {
    struct maker maker = {.dag = dag, .known = known};
    node_t node = make(&maker, object, like);
    if (maker.deep)
        error_set(err, ERROR_REJECTED, "more than %d levels deep", JSON_MAX_DEPTH);
    else if (node == NODE_NONE)
        error_set(err, ERROR_NOMEM, "no memory for an object");
    return node;
}
