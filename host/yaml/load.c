#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "base/map.h"
#include "base/mem.h"
#include "yaml/resolve.h"
#include "yaml/yaml.h"

struct anchor {
    json_t *value;
    size_t nodes;
};

struct loader {
    yaml_parser_t parser;
    yaml_event_t event; /* current; type YAML_NO_EVENT = none */
    struct map anchors; /* name -> struct anchor, of this document */
    size_t nodes;       /* so far, aliases expanded */
    unsigned depth;
    struct error *err;
};

static int refuse(struct loader *l, const yaml_mark_t *mark, const char *what) {
    return error_set(l->err, ERROR_REJECTED, "line %zu, column %zu: %s", mark->line + 1,
                     mark->column + 1, what);
}

static int no_memory(struct loader *l) {
    return error_set(l->err, ERROR_NOMEM, "no memory for YAML");
}

static int next(struct loader *l) {
    if (l->event.type != YAML_NO_EVENT)
        yaml_event_delete(&l->event);
    memset(&l->event, 0, sizeof l->event);
    if (yaml_parser_parse(&l->parser, &l->event))
        return 0;
    const yaml_parser_t *p = &l->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return no_memory(l);
    if (p->error == YAML_READER_ERROR)
        return error_set(l->err, ERROR_REJECTED, "byte %zu: %s", p->problem_offset, p->problem);
    return refuse(l, &p->problem_mark, p->problem ? p->problem : "not YAML");
}

/* Counts values; the cap ends "billion laughs". */
static int count(struct loader *l, size_t nodes) {
    if (nodes > YAML_MAX_NODES - l->nodes)
        return refuse(l, &l->event.start_mark, "too many values (aliases expand too far)");
    l->nodes += nodes;
    return 0;
}

static const char *tag_of(const char *tag) {
    static const char prefix[] = "tag:yaml.org,2002:";
    return tag && strncmp(tag, prefix, sizeof prefix - 1) == 0 ? tag + sizeof prefix - 1 : tag;
}

static bool fits(const char *tag, const json_t *value) {
    if (strcmp(tag, "int") == 0)
        return json_is_integer(value);
    if (strcmp(tag, "float") == 0)
        return json_is_number(value);
    if (strcmp(tag, "bool") == 0)
        return json_is_boolean(value);
    return strcmp(tag, "null") != 0 || json_is_null(value);
}

static int scalar(struct loader *l, json_t **ret) {
    const struct str text = {(const char *)l->event.data.scalar.value, l->event.data.scalar.length};
    const char *tag = tag_of((const char *)l->event.data.scalar.tag);
    bool infinite = false;
    json_t *value = NULL;
    if (tag && strcmp(tag, "binary") == 0)
        return refuse(l, &l->event.start_mark,
                      "!!binary is not supported: JSON has no bytes; write "
                      "text, or base64 without the tag");
    bool plain = l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE && tag == NULL;
    bool typed = tag && (strcmp(tag, "int") == 0 || strcmp(tag, "float") == 0 ||
                         strcmp(tag, "bool") == 0 || strcmp(tag, "null") == 0);
    if (plain || typed)
        value = yaml_resolve(text, &infinite);
    if (infinite)
        return refuse(l, &l->event.start_mark, "JSON has no infinity and no NaN");
    if (typed && (value == NULL || !fits(tag, value))) {
        json_decref(value);
        return refuse(l, &l->event.start_mark, "the value is not what its tag says");
    }
    *ret = value ? value : json_stringn(text.data, text.len);
    return *ret ? 0 : no_memory(l);
}

static void free_anchor(struct anchor *anchor) {
    if (anchor)
        json_decref(anchor->value);
    mem_free(anchor);
}

static int remember(struct loader *l, const char *name, json_t *value, size_t nodes) {
    struct anchor *anchor = mem_alloc(sizeof *anchor);
    void *old = NULL;
    if (anchor == NULL || map_set(&l->anchors, str_of(name), anchor, &old) < 0) {
        mem_free(anchor);
        return no_memory(l);
    }
    *anchor = (struct anchor){json_incref(value), nodes};
    free_anchor(old);
    return 0;
}

static int alias(struct loader *l, json_t **ret) {
    const struct anchor *anchor =
        map_get(&l->anchors, str_of((const char *)l->event.data.alias.anchor));
    if (anchor == NULL)
        return refuse(l, &l->event.start_mark, "unknown anchor");
    int rc = count(l, anchor->nodes);
    if (rc < 0)
        return rc;
    *ret = json_deep_copy(anchor->value);
    return *ret ? 0 : no_memory(l);
}

static int node(struct loader *l, json_t **ret);

static int sequence(struct loader *l, json_t **ret) {
    *ret = json_array();
    int rc = *ret ? next(l) : no_memory(l);
    while (rc == 0 && l->event.type != YAML_SEQUENCE_END_EVENT) {
        json_t *item = NULL;
        rc = node(l, &item);
        if (rc == 0 && json_array_append_new(*ret, item) < 0)
            rc = no_memory(l);
        if (rc == 0)
            rc = next(l);
    }
    return rc;
}

/* Keys are text in JSON: 1 and true become "1" and "true", as sigs.k8s.io/yaml does. */
static int key_text(struct loader *l, struct strbuf *key, bool *ret_merge) {
    const yaml_mark_t at = l->event.start_mark;
    if (l->event.type != YAML_SCALAR_EVENT)
        return refuse(l, &at, "a key must be a scalar");
    *ret_merge = l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                 strcmp((const char *)l->event.data.scalar.value, "<<") == 0;
    json_t *value = NULL;
    int rc = scalar(l, &value);
    if (rc < 0)
        return rc;
    strbuf_clear(key);
    if (json_is_string(value))
        strbuf_add(key, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        strbuf_printf(key, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        yaml_write_real(json_real_value(value), key);
    else if (json_is_boolean(value))
        strbuf_adds(key, json_is_true(value) ? "true" : "false");
    else
        rc = refuse(l, &at, "a key must not be null");
    json_decref(value);
    if (rc == 0 && key->failed)
        return no_memory(l);
    if (rc == 0 && memchr(key->data, '\0', key->len)) /* jansson copies such keys cut short */
        return refuse(l, &at, "a key must not hold a NUL");
    return rc;
}

/* Adds to `merged` what it does not have; the first of a list of maps wins. */
static int merge(struct loader *l, json_t *merged, json_t *value) {
    if (json_is_object(value))
        return json_object_update_missing(merged, value) < 0 ? no_memory(l) : 0;
    if (!json_is_array(value))
        return refuse(l, &l->event.start_mark, "<< needs a map or a list of maps");
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item) {
        if (!json_is_object(item))
            return refuse(l, &l->event.start_mark, "<< needs a map or a list of maps");
        if (json_object_update_missing(merged, item) < 0)
            return no_memory(l);
    }
    return 0;
}

static int entry(struct loader *l, json_t *object, json_t *merged, struct strbuf *key) {
    bool is_merge = false;
    int rc = key_text(l, key, &is_merge);
    if (rc < 0)
        return rc;
    if (!is_merge && json_object_getn(object, key->data, key->len)) {
        char what[200];
        snprintf(what, sizeof what, "key \"%.100s\" is there twice", key->data);
        return refuse(l, &l->event.start_mark, what);
    }
    json_t *value = NULL;
    rc = next(l);
    if (rc == 0) {
        /* the key buffer is shared with the levels below, so it is copied */
        struct strbuf own = *key;
        *key = (struct strbuf){0};
        rc = node(l, &value);
        strbuf_finish(key);
        *key = own;
    }
    if (rc < 0)
        return rc;
    if (!is_merge)
        return json_object_setn_new(object, key->data, key->len, value) < 0 ? no_memory(l) : 0;
    rc = merge(l, merged, value);
    json_decref(value);
    return rc;
}

static int mapping(struct loader *l, json_t **ret) {
    json_t *merged = json_object();
    struct strbuf key = {0};
    *ret = json_object();
    int rc = *ret && merged ? next(l) : no_memory(l);
    while (rc == 0 && l->event.type != YAML_MAPPING_END_EVENT) {
        strbuf_add(&key, "", 0); /* so that data is never NULL */
        rc = entry(l, *ret, merged, &key);
        if (rc == 0)
            rc = next(l);
    }
    if (rc == 0 && json_object_update_missing(*ret, merged) < 0)
        rc = no_memory(l);
    json_decref(merged);
    strbuf_finish(&key);
    return rc;
}

/* The value that the current event begins; leaves its last event current. On failure *ret is NULL.
 */
static int node(struct loader *l, json_t **ret) {
    char *name = NULL;
    const yaml_char_t *anchor = NULL;
    size_t before = l->nodes;
    *ret = NULL;
    if (l->event.type == YAML_ALIAS_EVENT)
        return alias(l, ret);
    if (++l->depth > YAML_MAX_DEPTH)
        return refuse(l, &l->event.start_mark, "nested too deeply");
    int rc = count(l, 1);
    if (l->event.type == YAML_SCALAR_EVENT)
        anchor = l->event.data.scalar.anchor;
    else if (l->event.type == YAML_SEQUENCE_START_EVENT)
        anchor = l->event.data.sequence_start.anchor;
    else
        anchor = l->event.data.mapping_start.anchor;
    if (anchor && (name = mem_strdup((const char *)anchor)) == NULL)
        rc = no_memory(l);
    if (rc == 0)
        rc = l->event.type == YAML_SCALAR_EVENT           ? scalar(l, ret)
             : l->event.type == YAML_SEQUENCE_START_EVENT ? sequence(l, ret)
                                                          : mapping(l, ret);
    if (rc == 0 && name)
        rc = remember(l, name, *ret, l->nodes - before);
    mem_free(name);
    l->depth--;
    if (rc < 0) {
        json_decref(*ret);
        *ret = NULL;
    }
    return rc;
}

static void forget_anchors(struct loader *l) {
    struct map_entry *e;
    for (size_t at = 0; (e = map_next(&l->anchors, &at));)
        free_anchor(e->value);
    map_finish(&l->anchors);
    l->anchors = (struct map){0};
}

int yaml_load_all(const char *text, size_t len,
                  int (*each)(void *context, json_t *document, size_t line, struct error *err),
                  void *context, struct error *err) {
    struct error local;
    struct loader l = {.err = err ? err : &local};
    if (len > YAML_MAX_BYTES)
        return error_set(err, ERROR_REJECTED, "more than %d bytes of YAML", YAML_MAX_BYTES);
    if (!yaml_parser_initialize(&l.parser))
        return no_memory(&l);
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)text, len);
    int rc = next(&l);
    while (rc == 0 && l.event.type != YAML_STREAM_END_EVENT) {
        if (l.event.type != YAML_DOCUMENT_START_EVENT) {
            rc = next(&l); /* stream start, document end */
            continue;
        }
        json_t *document = NULL;
        l.nodes = 0;
        rc = next(&l);
        size_t line = l.event.start_mark.line + 1;
        if (rc == 0)
            rc = node(&l, &document);
        forget_anchors(&l);
        if (rc == 0 && !json_is_null(document))
            rc = each(context, document, line, l.err);
        json_decref(document);
        if (rc == 0)
            rc = next(&l);
    }
    forget_anchors(&l);
    if (l.event.type != YAML_NO_EVENT)
        yaml_event_delete(&l.event);
    yaml_parser_delete(&l.parser);
    return rc < 0 ? rc : 0;
}

static int keep_one(void *context, json_t *document, size_t line, struct error *err) {
    json_t **kept = context;
    if (*kept)
        return error_set(err, ERROR_REJECTED, "line %zu, column 1: a second document", line);
    *kept = json_incref(document);
    return 0;
}

json_t *yaml_load(const char *text, size_t len, struct error *err) {
    json_t *document = NULL;
    if (yaml_load_all(text, len, keep_one, &document, err) < 0) {
        json_decref(document);
        return NULL;
    }
    return document ? document : json_null();
}
