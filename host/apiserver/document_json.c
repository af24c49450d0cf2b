#include "apiserver/document.h"

/* As jansson does it, but for its search for circles: a document has none. */

static void write_value(struct json_writer *writer, const json_t *value);

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

static void write_object(struct json_writer *writer, const json_t *object) {
    void *at = json_object_iter((json_t *)object);
    json_write_object_begin(writer);
    for (; at; at = json_object_iter_next((json_t *)object, at)) {
        json_write_key(writer, str_n(json_object_iter_key(at), json_object_iter_key_len(at)));
        write_value(writer, json_object_iter_value(at));
    }
    json_write_object_end(writer);
}

static void write_array(struct json_writer *writer, const json_t *array) {
    json_write_array_begin(writer);
    for (size_t i = 0; i < json_array_size(array); i++)
        write_value(writer, json_array_get(array, i));
    json_write_array_end(writer);
}

static void write_value(struct json_writer *writer, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        write_object(writer, value);
        break;
    case JSON_ARRAY:
        write_array(writer, value);
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
    struct json_writer writer;
    json_writer_init(&writer, out);
    write_value(&writer, document);
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
