#include "apiserver/document.h"

/* As jansson does it, but for its search for circles: a document has none. */

struct text {
    struct json_writer writer;
    const struct fieldset_known *known;
};

static void write_value(struct text *text, const json_t *value);

static int append(const char *data, size_t len, void *out) {
    strbuf_add(out, data, len);
    return ((struct strbuf *)out)->failed ? -1 : 0;
}

/* 1.0 stays what it is. */
static void write_real(struct json_writer *writer, const json_t *value) {
    struct strbuf text = {0};
    if (json_dump_callback(value, append, &text, JSON_ENCODE_ANY) < 0)
        writer->buf->failed = true;
    else
        json_write_raw(writer, strbuf_view(&text));
    strbuf_finish(&text);
}

static void write_member(struct text *text, struct str key, const json_t *value) {
    struct str fields = {0};
    json_write_key(&text->writer, key);
    if (text->known && str_is(key, "fieldsV1"))
        fields = fieldset_known_text(text->known, value);
    if (fields.data)
        json_write_raw(&text->writer, fields);
    else
        write_value(text, value);
}

static void write_object(struct text *text, const json_t *object) {
    void *at = json_object_iter((json_t *)object);
    json_write_object_begin(&text->writer);
    for (; at; at = json_object_iter_next((json_t *)object, at))
        write_member(text, str_n(json_object_iter_key(at), json_object_iter_key_len(at)),
                     json_object_iter_value(at));
    json_write_object_end(&text->writer);
}

static void write_array(struct text *text, const json_t *array) {
    json_write_array_begin(&text->writer);
    for (size_t i = 0; i < json_array_size(array); i++)
        write_value(text, json_array_get(array, i));
    json_write_array_end(&text->writer);
}

static void write_value(struct text *text, const json_t *value) {
    struct json_writer *writer = &text->writer;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(text, value);
        break;
    case JSON_ARRAY:
        write_array(text, value);
        break;
    case JSON_STRING:
        json_write_string(writer, str_n(json_string_value(value), json_string_length(value)));
        break;
    case JSON_INTEGER:
        json_write_int(writer, json_integer_value(value));
        break;
    case JSON_REAL:
        write_real(writer, value);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        json_write_bool(writer, json_is_true(value));
        break;
    default:
        json_write_null(writer);
    }
}

void document_text(const json_t *document, struct strbuf *out) {
    document_object_text(document, NULL, out);
}

void document_object_text(const json_t *object, const struct fieldset_known *known,
                          struct strbuf *out) {
    struct text text = {.known = known};
    json_writer_init(&text.writer, out);
    write_value(&text, object);
}

static json_t *copy_object(const json_t *object) {
    json_t *copy = json_object();
    void *at = json_object_iter((json_t *)object);
    for (; copy && at; at = json_object_iter_next((json_t *)object, at)) {
        json_t *member = document_copy(json_object_iter_value(at));
        if (json_object_setn_new_nocheck(copy, json_object_iter_key(at),
                                         json_object_iter_key_len(at), member) < 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

static json_t *copy_array(const json_t *array) {
    json_t *copy = json_array();
    for (size_t i = 0; copy && i < json_array_size(array); i++) {
        if (json_array_append_new(copy, document_copy(json_array_get(array, i))) < 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

json_t *document_copy(const json_t *document) {
    if (json_is_object(document))
        return copy_object(document);
    if (json_is_array(document))
        return copy_array(document);
    return json_incref((json_t *)document);
}
