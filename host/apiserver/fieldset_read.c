/* Field sets in: values of a document, FieldsV1. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/fieldset.h"
#include "json/scan.h"

static struct fieldset_value real_value(double real) {
    if (real == floor(real) && fabs(real) < 0x1p53)
        return (struct fieldset_value){.type = FIELDSET_INTEGER, .integer = (int64_t)real};
    return (struct fieldset_value){.type = FIELDSET_REAL, .real = real};
}

static int append_text(const char *text, size_t len, void *buffer) {
    strbuf_add(buffer, text, len);
    return 0;
}

static struct fieldset_value other_value(struct fieldset_pool *pool, const json_t *value) {
    struct strbuf json = {0};
    if (json_dump_callback(value, append_text, &json, JSON_COMPACT | JSON_SORT_KEYS) < 0 ||
        json.failed)
        pool->failed = true;
    struct str text = str_n(fieldset_pool_text(pool, strbuf_view(&json)), json.len);
    strbuf_finish(&json);
    return (struct fieldset_value){.type = FIELDSET_OTHER,
                                   .text = pool->failed ? str_of("") : text};
}

struct fieldset_value fieldset_value_of(struct fieldset_pool *pool, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_INTEGER:
        return (struct fieldset_value){.type = FIELDSET_INTEGER,
                                       .integer = json_integer_value(value)};
    case JSON_REAL:
        return real_value(json_real_value(value));
    case JSON_STRING:
        return (struct fieldset_value){
            .type = FIELDSET_STRING,
            .text = str_n(json_string_value(value), json_string_length(value))};
    case JSON_TRUE:
    case JSON_FALSE:
        return (struct fieldset_value){.type = FIELDSET_BOOLEAN, .boolean = json_is_true(value)};
    case JSON_NULL:
        return (struct fieldset_value){.type = FIELDSET_NULL};
    default:
        return other_value(pool, value);
    }
}

static struct str pool_str(struct fieldset_pool *pool, struct str text) {
    return str_n(fieldset_pool_text(pool, text), pool->failed ? 0 : text.len);
}

/* After json_next() gave `token`; a list or map is taken whole, as text. */
static int read_value(struct fieldset_pool *pool, struct json_scanner *scanner,
                      struct fieldset_value *ret, struct error *err) {
    enum json_token token;
    struct json_scanner before = *scanner;
    if (json_next(scanner, &token, err) < 0)
        return err->code;
    switch (token) {
    case JSON_TOKEN_STRING:
        *ret =
            (struct fieldset_value){.type = FIELDSET_STRING, .text = pool_str(pool, scanner->text)};
        return 0;
    case JSON_TOKEN_NUMBER: {
        int64_t integer;
        if (str_to_int64(scanner->text, &integer))
            *ret = (struct fieldset_value){.type = FIELDSET_INTEGER, .integer = integer};
        else
            *ret = real_value(strtod(fieldset_pool_text(pool, scanner->text), NULL));
        return 0;
    }
    case JSON_TOKEN_TRUE:
    case JSON_TOKEN_FALSE:
        *ret =
            (struct fieldset_value){.type = FIELDSET_BOOLEAN, .boolean = token == JSON_TOKEN_TRUE};
        return 0;
    case JSON_TOKEN_NULL:
        *ret = (struct fieldset_value){.type = FIELDSET_NULL};
        return 0;
    default:
        break;
    }
    struct str raw;
    before.scratch = scanner->scratch;
    *scanner = before;
    if (json_skip(scanner, &raw, err) < 0)
        return err->code;
    *ret = (struct fieldset_value){.type = FIELDSET_OTHER, .text = pool_str(pool, raw)};
    return 0;
}

static int compare_key_names(const void *a, const void *b) {
    const struct fieldset_key *x = a, *y = b;
    return str_compare(x->name, y->name);
}

static int read_keys(struct fieldset_pool *pool, struct json_scanner *scanner,
                     struct fieldset_element *ret, struct error *err) {
    enum { MAX = 16 }; /* x-kubernetes-list-map-keys are few */
    struct fieldset_key keys[MAX];
    uint32_t count = 0;
    enum json_token token;
    if (json_next(scanner, &token, err) < 0)
        return err->code;
    if (token != JSON_TOKEN_OBJECT_BEGIN)
        return error_set(err, ERROR_REJECTED, "a key of a list is no object");
    for (;;) {
        if (json_next(scanner, &token, err) < 0)
            return err->code;
        if (token == JSON_TOKEN_OBJECT_END)
            break;
        if (count == MAX)
            return error_set(err, ERROR_REJECTED, "more than %d fields in a key of a list", MAX);
        keys[count].name = pool_str(pool, scanner->text);
        if (read_value(pool, scanner, &keys[count].value, err) < 0)
            return err->code;
        count++;
    }
    if (count > 1)
        qsort(keys, count, sizeof *keys, compare_key_names);
    struct fieldset_key *copy = fieldset_pool_alloc(pool, count * sizeof *keys);
    if (copy && count)
        memcpy(copy, keys, count * sizeof *keys);
    *ret = (struct fieldset_element){
        .kind = FIELDSET_KEY, .key_count = copy ? count : 0, .keys = copy};
    return 0;
}

static int read_json_element(struct fieldset_pool *pool, struct str name,
                             struct fieldset_element *ret, struct error *err) {
    struct error why;
    struct json_scanner scanner;
    json_scanner_init(&scanner, name.data + 2, name.len - 2);
    int rc = 0;
    if (*name.data == 'k')
        rc = read_keys(pool, &scanner, ret, &why);
    else {
        *ret = (struct fieldset_element){.kind = FIELDSET_VALUE};
        rc = read_value(pool, &scanner, &ret->value, &why);
    }
    json_scanner_finish(&scanner);
    if (rc == ERROR_NOMEM) {
        pool->failed = true;
        return 0;
    }
    return rc < 0 ? error_set(err, ERROR_REJECTED, "parsing key as path element: %s", why.message)
                  : 0;
}

/* 1: an element of a kind that nobody knows yet, to be left out. */
static int read_element(struct fieldset_pool *pool, struct str name, struct fieldset_element *ret,
                        struct error *err) {
    if (name.len < 2)
        return error_set(err, ERROR_REJECTED,
                         "parsing key as path element: key must be 2 characters long:");
    if (name.data[1] != ':')
        return error_set(err, ERROR_REJECTED,
                         "parsing key as path element: missing colon: " STR_FORMAT, STR_ARG(name));
    switch (name.data[0]) {
    case 'f':
        *ret = fieldset_field(str_n(name.data + 2, name.len - 2));
        return 0;
    case 'k':
    case 'v':
        return read_json_element(pool, name, ret, err);
    case 'i':
        *ret = (struct fieldset_element){.kind = FIELDSET_INDEX};
        if (str_to_int64(str_n(name.data + 2, name.len - 2), &ret->index))
            return 0;
        return error_set(err, ERROR_REJECTED, "parsing key as path element: no index: " STR_FORMAT,
                         STR_ARG(name));
    default:
        return 1;
    }
}

static int read_set(struct fieldset_builder *builder, const json_t *fields, bool *ret_member,
                    const struct fieldset **ret, struct error *err) {
    size_t begin = fieldset_begin(builder);
    *ret_member = false;
    if (!json_is_object(fields))
        return error_set(err, ERROR_REJECTED, "parsing fields: not an object");
    for (void *at = json_object_iter((json_t *)fields); at;
         at = json_object_iter_next((json_t *)fields, at)) {
        struct str name = str_of(json_object_iter_key(at));
        struct fieldset_element element = {0};
        const struct fieldset *children = NULL;
        bool member = false;
        if (str_is(name, ".")) {
            *ret_member = true;
            continue;
        }
        int rc = read_element(builder->pool, name, &element, err);
        if (rc == 0)
            rc = read_set(builder, json_object_iter_value(at), &member, &children, err);
        if (rc < 0) {
            builder->count = begin;
            return rc;
        }
        if (rc == 0)
            fieldset_add(builder, &element, member, children);
    }
    *ret = fieldset_end(builder, begin);
    *ret_member |= *ret == NULL;
    return 0;
}

int fieldset_parse(struct fieldset_builder *builder, const json_t *fields,
                   const struct fieldset **ret, struct error *err) {
    bool member;
    *ret = NULL;
    return read_set(builder, fields, &member, ret, err);
}
