#include <stdarg.h>
#include <string.h>

#include "apiserver/table_internal.h"
#include "base/clock.h"

void row_text(struct row *row, const char *text) {
    json_write_string(row->out, str_of(text));
}

void row_buf(struct row *row, struct strbuf *text) {
    json_write_string(row->out, strbuf_view(text));
    row->out->buf->failed |= text->failed;
    strbuf_finish(text);
}

void row_format(struct row *row, const char *format, ...) {
    struct strbuf text = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&text, format, args);
    va_end(args);
    row_buf(row, &text);
}

void row_int(struct row *row, int64_t value) {
    json_write_int(row->out, value);
}

int64_t row_at(const struct row *row, const char *path) {
    return json_integer_value(document_path(row->object, path));
}

json_t *row_list(const struct row *row, const char *path) {
    return document_path(row->object, path);
}

void row_number(struct row *row, const char *path) {
    row_int(row, row_at(row, path));
}

void row_flag(struct row *row, const char *path, bool otherwise) {
    const json_t *value = document_path(row->object, path);
    json_write_bool(row->out, json_is_boolean(value) ? json_is_true(value) : otherwise);
}

void row_string(struct row *row, const char *path, const char *otherwise) {
    const char *text = document_string(row->object, path);
    row_text(row, text[0] ? text : otherwise);
}

void row_name(struct row *row) {
    row_text(row, document_meta(row->object, "name"));
}

void row_since(struct row *row, const char *time) {
    char age[TABLE_AGE] = "<unknown>";
    int64_t then;
    if (time[0] && clock_parse(time, &then) == 0)
        table_age(row->now - then, age);
    row_text(row, age);
}

void row_age(struct row *row) {
    row_since(row, document_meta(row->object, "creationTimestamp"));
}

/* --- lists --------------------------------------------------------------------------------- */

void table_insert(json_t *list, const char *text, bool once) {
    size_t i = 0;
    int order = 1;
    while (i < json_array_size(list) &&
           (order = strcmp(json_string_value(json_array_get(list, i)), text)) < 0)
        i++;
    if (!(once && order == 0 && i < json_array_size(list)))
        json_array_insert_new(list, i, json_string(text));
}

void table_join(struct strbuf *out, const json_t *list, const char *separator) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        if (i > 0)
            strbuf_adds(out, separator);
        strbuf_adds(out, json_string_value(item) ? json_string_value(item) : "");
    }
}

void table_join_some(struct strbuf *out, const json_t *list, size_t most) {
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < most; i++)
        strbuf_printf(out, "%s%s", i > 0 ? "," : "", json_string_value(json_array_get(list, i)));
    if (count > most)
        strbuf_printf(out, " + %zu more...", count - most);
}

void row_labels(struct row *row, const json_t *labels) {
    json_t *list = json_array();
    struct strbuf text = {0}, one = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)labels, key, value) {
        strbuf_clear(&one);
        strbuf_printf(&one, "%s=%s", key, json_is_string(value) ? json_string_value(value) : "");
        if (!one.failed)
            table_insert(list, one.data, false);
    }
    table_join(&text, list, ",");
    text.failed |= one.failed || list == NULL;
    if (text.len == 0)
        strbuf_adds(&text, "<none>");
    strbuf_finish(&one);
    json_decref(list);
    row_buf(row, &text);
}

/* --- selectors ----------------------------------------------------------------------------- */

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* One requirement, after its key and a \1 for the order. */
static void requirement(struct strbuf *out, const json_t *expression) {
    const char *key = text_of(expression, "key"), *how = text_of(expression, "operator");
    bool in = strcmp(how, "In") == 0;
    json_t *values = json_array(), *value;
    size_t i;
    json_array_foreach(json_object_get(expression, "values"), i, value) {
        if (json_is_string(value))
            table_insert(values, json_string_value(value), false);
    }
    strbuf_printf(out, "%s\1%s%s", key, strcmp(how, "DoesNotExist") == 0 ? "!" : "", key);
    if (in || strcmp(how, "NotIn") == 0) {
        strbuf_adds(out, in ? " in (" : " notin (");
        table_join(out, values, ",");
        strbuf_addc(out, ')');
    }
    out->failed |= values == NULL;
    json_decref(values);
}

static void requirements(json_t *list, const json_t *selector, struct strbuf *one) {
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach(json_object_get(selector, "matchLabels"), key, value) {
        strbuf_clear(one);
        strbuf_printf(one, "%s\1%s=%s", key, key,
                      json_is_string(value) ? json_string_value(value) : "");
        if (!one->failed)
            table_insert(list, one->data, false);
    }
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, value) {
        strbuf_clear(one);
        requirement(one, value);
        if (!one->failed)
            table_insert(list, one->data, false);
    }
}

void row_selector(struct row *row, const json_t *selector, const char *otherwise) {
    json_t *list = json_array(), *item;
    struct strbuf text = {0}, one = {0};
    size_t i;
    requirements(list, selector, &one);
    json_array_foreach(list, i, item)
        strbuf_printf(&text, "%s%s", i > 0 ? "," : "", strchr(json_string_value(item), 1) + 1);
    text.failed |= one.failed || list == NULL;
    if (text.len == 0)
        strbuf_adds(&text, otherwise);
    strbuf_finish(&one);
    json_decref(list);
    row_buf(row, &text);
}

/* --- what many kinds have ------------------------------------------------------------------ */

static void row_members(struct row *row, const json_t *containers, const char *key) {
    struct strbuf text = {0};
    size_t i;
    json_t *container;
    json_array_foreach(containers, i, container)
        strbuf_printf(&text, "%s%s", i > 0 ? "," : "", text_of(container, key));
    row_buf(row, &text);
}

void row_containers(struct row *row, const char *path) {
    const json_t *containers = document_path(row->object, path);
    row_members(row, containers, "name");
    row_members(row, containers, "image");
}

const json_t *table_condition(const json_t *conditions, const char *type) {
    size_t i;
    json_t *condition;
    json_array_foreach(conditions, i, condition) {
        if (strcmp(text_of(condition, "type"), type) == 0)
            return condition;
    }
    return NULL;
}

bool table_condition_is(const json_t *conditions, const char *type, const char *status) {
    return strcmp(text_of(table_condition(conditions, type), "status"), status) == 0;
}
