#include <stdlib.h>
#include <string.h>

#include "apiserver/table_internal.h"
#include "base/clock.h"

/* The columns of a CRD: simple JSONPath, .a.b ['a'] [0] [-1] [*] [?(@.a=="b")]. */

/* --- JSONPath: the first value, depth first ------------------------------------------------ */

static const json_t *walk(const json_t *value, const char *path, const char *end);

/* A name up to one of `stop`; a backslash takes the next character as it is. */
static const char *read_name(const char *at, const char *end, const char *stop,
                             struct strbuf *name) {
    for (; at < end && !strchr(stop, *at); at++) {
        if (*at == '\\' && at + 1 < end)
            at++;
        strbuf_addc(name, *at);
    }
    return at;
}

static const json_t *member(const json_t *value, const struct strbuf *name, const char *rest,
                            const char *end) {
    const json_t *found = name->failed ? NULL : json_object_getn(value, name->data, name->len);
    return found ? walk(found, rest, end) : NULL;
}

static const json_t *walk_name(const json_t *value, const char *path, const char *end) {
    struct strbuf name = {0};
    const char *rest = read_name(path, end, ".[", &name);
    const json_t *found = name.len == 0 ? walk(value, rest, end) : member(value, &name, rest, end);
    strbuf_finish(&name);
    return found;
}

/* ['a'] or ["a"]; `path` is at the quote. */
static const json_t *walk_quoted(const json_t *value, const char *path, const char *end) {
    struct strbuf name = {0};
    const char stop[] = {*path, 0};
    const char *rest = read_name(path + 1, end, stop, &name);
    const json_t *found =
        rest + 1 < end && rest[1] == ']' ? member(value, &name, rest + 2, end) : NULL;
    strbuf_finish(&name);
    return found;
}

static const json_t *walk_all(const json_t *value, const char *rest, const char *end) {
    size_t i;
    const char *key;
    json_t *item;
    const json_t *found = NULL;
    json_array_foreach(value, i, item) {
        if ((found = walk(item, rest, end)) != NULL)
            return found;
    }
    json_object_foreach((json_t *)value, key, item) {
        if ((found = walk(item, rest, end)) != NULL)
            return found;
    }
    return NULL;
}

static bool same_text(const json_t *value, const char *text, size_t len) {
    bool quoted = len >= 2 && (*text == '"' || *text == '\'') && text[len - 1] == *text;
    if (quoted)
        return json_is_string(value) && json_string_length(value) == len - 2 &&
               memcmp(json_string_value(value), text + 1, len - 2) == 0;
    if (json_is_boolean(value))
        return str_is(str_n(text, len), json_is_true(value) ? "true" : "false");
    char number[32];
    snprintf(number, sizeof number, "%.*s", (int)len, text);
    return json_is_number(value) && json_number_value(value) == strtod(number, NULL);
}

/* @.type=="Ready", @.type!='x', @.name */
static bool holds(const json_t *item, const char *test, const char *end) {
    const char *equal = memmem(test, (size_t)(end - test), "==", 2);
    const char *other = memmem(test, (size_t)(end - test), "!=", 2);
    const char *sign = equal ? equal : other, *stop = sign ? sign : end;
    while (test < stop && *test == ' ')
        test++;
    while (stop > test && stop[-1] == ' ')
        stop--;
    if (test == stop || *test != '@')
        return false;
    const json_t *value = walk(item, test + 1, stop);
    if (sign == NULL || value == NULL)
        return value != NULL;
    for (sign += 2; sign < end && *sign == ' ';)
        sign++;
    while (end > sign && end[-1] == ' ')
        end--;
    return same_text(value, sign, (size_t)(end - sign)) == (equal != NULL);
}

static const json_t *walk_filter(const json_t *value, const char *test, const char *test_end,
                                 const char *rest, const char *end) {
    size_t i;
    json_t *item;
    const json_t *found;
    json_array_foreach(value, i, item) {
        if (holds(item, test, test_end) && (found = walk(item, rest, end)) != NULL)
            return found;
    }
    return NULL;
}

/* `path` is after the bracket. */
static const json_t *walk_bracket(const json_t *value, const char *path, const char *end) {
    if (path < end && (*path == '\'' || *path == '"'))
        return walk_quoted(value, path, end);
    if (end - path > 2 && strncmp(path, "?(", 2) == 0) {
        const char *close = memmem(path, (size_t)(end - path), ")]", 2);
        return close ? walk_filter(value, path + 2, close, close + 2, end) : NULL;
    }
    const char *close = memchr(path, ']', (size_t)(end - path));
    int64_t index;
    if (close == NULL)
        return NULL;
    if (*path == '*')
        return walk_all(value, close + 1, end);
    if (!str_to_int64(str_n(path, (size_t)(close - path)), &index))
        return NULL;
    if (index < 0)
        index += (int64_t)json_array_size(value);
    const json_t *item = index < 0 ? NULL : json_array_get(value, (size_t)index);
    return item ? walk(item, close + 1, end) : NULL;
}

static const json_t *walk(const json_t *value, const char *path, const char *end) {
    if (path == end)
        return value;
    if (*path == '.')
        return walk_name(value, path + 1, end);
    return *path == '[' ? walk_bracket(value, path + 1, end) : NULL;
}

/* --- columns and cells --------------------------------------------------------------------- */

static const char AGE[] = ".metadata.creationTimestamp";

void table_custom_columns(struct json_writer *writer, const json_t *columns) {
    size_t i;
    json_t *column;
    table_column(writer, "Name", "string", "name", "", 0);
    if (json_array_size(columns) == 0)
        table_column(writer, "Age", "date", "", "", 0);
    json_array_foreach(columns, i, column) {
        struct strbuf text = {0};
        const char *description = document_string(column, "description");
        if (!description[0])
            strbuf_printf(&text, "Custom resource definition column (in JSONPath format): %s",
                          document_string(column, "jsonPath"));
        table_column(writer, document_string(column, "name"), document_string(column, "type"),
                     document_string(column, "format"), text.data ? text.data : description,
                     json_integer_value(json_object_get(column, "priority")));
        writer->buf->failed |= text.failed;
        strbuf_finish(&text);
    }
}

static int append(const char *data, size_t len, void *out) {
    strbuf_add(out, data, len);
    return ((struct strbuf *)out)->failed ? -1 : 0;
}

static void cell_string(struct row *row, const json_t *value) {
    struct strbuf text = {0};
    if (json_is_string(value)) {
        json_write_string(row->out, str_n(json_string_value(value), json_string_length(value)));
        return;
    }
    char number[JSON_DOUBLE_TEXT];
    if (json_is_real(value) && json_double_text(json_real_value(value), number) > 0)
        strbuf_adds(&text, number);
    else if (json_dump_callback(value, append, &text,
                                JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) < 0)
        text.failed = true;
    row_buf(row, &text);
}

static void cell_date(struct row *row, const json_t *value) {
    char age[TABLE_AGE] = "<invalid>";
    const char *text = json_string_value(value);
    int64_t then;
    if (text[0] && clock_parse(text, &then) == 0)
        table_age(row->now - then, age);
    row_text(row, text[0] ? age : "<unknown>");
}

/* What does not fit its column's type is null. */
static void cell(struct row *row, const char *type, const json_t *value) {
    if (value == NULL || json_is_null(value))
        json_write_null(row->out);
    else if (strcmp(type, "string") == 0)
        cell_string(row, value);
    else if (strcmp(type, "integer") == 0 && json_is_number(value))
        json_write_int(row->out, json_is_integer(value) ? json_integer_value(value)
                                                        : (int64_t)json_real_value(value));
    else if (strcmp(type, "number") == 0 && json_is_number(value))
        json_write_double(row->out, json_number_value(value));
    else if (strcmp(type, "boolean") == 0 && json_is_boolean(value))
        json_write_bool(row->out, json_is_true(value));
    else if (strcmp(type, "date") == 0 && json_is_string(value))
        cell_date(row, value);
    else
        json_write_null(row->out);
}

static void cell_at(struct row *row, const char *type, const char *path) {
    cell(row, type, walk(row->object, path, path + strlen(path)));
}

void table_custom_cells(struct row *row, const json_t *columns) {
    size_t i;
    json_t *column;
    row_name(row);
    if (json_array_size(columns) == 0)
        cell_at(row, "date", AGE);
    json_array_foreach(columns, i, column)
        cell_at(row, document_string(column, "type"), document_string(column, "jsonPath"));
}
