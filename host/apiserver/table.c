#include "apiserver/table.h"

#include <string.h>

#include "apiserver/table_internal.h"
#include "base/clock.h"

bool table_parse_include(const char *text, enum table_include *ret) {
    static const char *const words[] = {"Metadata", "None", "Object"};
    *ret = TABLE_METADATA;
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = (enum table_include)i;
            return true;
        }
    }
    return !text[0];
}

/* --- columns ------------------------------------------------------------------------------- */

void table_column(struct json_writer *writer, const char *name, const char *type,
                  const char *format, const char *description, int64_t priority) {
    json_write_object_begin(writer);
    json_write_key_string(writer, "name", str_of(name));
    json_write_key_string(writer, "type", str_of(type));
    json_write_key_string(writer, "format", str_of(format));
    json_write_key_string(writer, "description", str_of(description));
    json_write_key(writer, str_of("priority"));
    json_write_int(writer, priority);
    json_write_object_end(writer);
}

static void column(struct json_writer *writer, const char *text, size_t len) {
    char name[48];
    const char *type = "string";
    bool wide = *text == '+';
    text += wide, len -= wide;
    if (*text == '#' || *text == '?') {
        type = *text == '#' ? "integer" : "boolean";
        text++, len--;
    }
    snprintf(name, sizeof name, "%.*s", (int)len, text);
    table_column(writer, name, type, strcmp(name, "Name") == 0 ? "name" : "", "", wide);
}

static const struct table_kind *known(const struct table_form *form) {
    const struct api_resource *resource = form->kind->resource;
    return resource->builtin ? table_kind_find(resource->group, resource->plural) : NULL;
}

void table_columns(struct json_writer *writer, const struct table_form *form) {
    const struct table_kind *kind = known(form);
    json_write_array_begin(writer);
    for (const char *at = kind ? kind->columns : ""; *at;) {
        size_t len = strcspn(at, "|");
        column(writer, at, len);
        at += len + (at[len] != 0);
    }
    if (kind == NULL && form->kind->resource->builtin) {
        table_column(writer, "Name", "string", "name", "", 0);
        table_column(writer, "Created At", "date", "", "", 0);
    } else if (kind == NULL) {
        table_custom_columns(writer, form->kind->columns);
    }
    json_write_array_end(writer);
}

/* --- rows ---------------------------------------------------------------------------------- */

static void write_json(struct json_writer *writer, const json_t *value) {
    struct strbuf text = {0};
    document_text(value, &text);
    json_write_raw(writer, strbuf_view(&text));
    writer->buf->failed |= text.failed;
    strbuf_finish(&text);
}

/* What a terminated pod's row says of itself, so that clients can hide it. */
static void write_conditions(struct json_writer *writer, const json_t *pod) {
    const char *phase = document_string(pod, "status.phase");
    bool done = strcmp(phase, "Succeeded") == 0;
    if (!done && strcmp(phase, "Failed") != 0)
        return;
    json_write_key(writer, str_of("conditions"));
    json_write_array_begin(writer);
    json_write_object_begin(writer);
    json_write_key_string(writer, "type", str_of("Completed"));
    json_write_key_string(writer, "status", str_of("True"));
    json_write_key_string(writer, "reason", str_of(phase));
    json_write_key_string(writer, "message",
                          str_of(done ? "The pod has completed successfully." : "The pod failed."));
    json_write_object_end(writer);
    json_write_array_end(writer);
}

static void write_object(struct json_writer *writer, enum table_include include,
                         const json_t *object) {
    const json_t *metadata = json_object_get(object, "metadata");
    json_write_key(writer, str_of("object"));
    if (include == TABLE_NONE) {
        json_write_null(writer);
    } else if (include == TABLE_OBJECT) {
        write_json(writer, object);
    } else {
        json_write_object_begin(writer);
        json_write_key_string(writer, "kind", str_of("PartialObjectMetadata"));
        json_write_key_string(writer, "apiVersion", str_of("meta.k8s.io/v1"));
        if (metadata) {
            json_write_key(writer, str_of("metadata"));
            write_json(writer, metadata);
        }
        json_write_object_end(writer);
    }
}

static void write_cells(struct row *row, const struct table_form *form) {
    const struct table_kind *kind = known(form);
    if (kind) {
        kind->cells(row);
    } else if (form->kind->resource->builtin) {
        row_name(row);
        row_text(row, document_meta(row->object, "creationTimestamp"));
    } else {
        table_custom_cells(row, form->kind->columns);
    }
}

void table_row(struct json_writer *writer, const struct table_form *form, const json_t *object) {
    struct row row = {writer, object, form->now};
    json_write_object_begin(writer);
    json_write_key(writer, str_of("cells"));
    json_write_array_begin(writer);
    write_cells(&row, form);
    json_write_array_end(writer);
    if (kinds_is_builtin(form->kind->resource, "pods"))
        write_conditions(writer, object);
    write_object(writer, form->include, object);
    json_write_object_end(writer);
}

void table_write(struct json_writer *writer, const struct table_form *form, const json_t *object,
                 bool columns) {
    json_write_object_begin(writer);
    json_write_key_string(writer, "kind", str_of("Table"));
    json_write_key_string(writer, "apiVersion", str_of("meta.k8s.io/v1"));
    json_write_key(writer, str_of("metadata"));
    json_write_object_begin(writer);
    json_write_key_string(writer, "resourceVersion",
                          str_of(document_meta(object, "resourceVersion")));
    json_write_object_end(writer);
    json_write_key(writer, str_of("columnDefinitions"));
    if (columns)
        table_columns(writer, form);
    else
        json_write_null(writer);
    json_write_key(writer, str_of("rows"));
    json_write_array_begin(writer);
    table_row(writer, form, object);
    json_write_array_end(writer);
    json_write_object_end(writer);
}

/* --- ages ---------------------------------------------------------------------------------- */

static void two(char text[TABLE_AGE], long long big, const char *unit, long long rest,
                const char *small) {
    if (rest == 0)
        snprintf(text, TABLE_AGE, "%lld%s", big, unit);
    else
        snprintf(text, TABLE_AGE, "%lld%s%lld%s", big, unit, rest, small);
}

void table_age(int64_t ns, char text[TABLE_AGE]) {
    long long seconds = ns / (int64_t)NS_PER_S, minutes = seconds / 60, hours = minutes / 60;
    long long days = hours / 24;
    if (seconds < -1)
        snprintf(text, TABLE_AGE, "<invalid>");
    else if (seconds < 120)
        snprintf(text, TABLE_AGE, "%llds", seconds < 0 ? 0 : seconds);
    else if (minutes < 10)
        two(text, minutes, "m", seconds % 60, "s");
    else if (minutes < 180)
        two(text, minutes, "m", 0, "");
    else if (hours < 8)
        two(text, hours, "h", minutes % 60, "m");
    else if (hours < 48)
        two(text, hours, "h", 0, "");
    else if (days < 8)
        two(text, days, "d", hours % 24, "h");
    else if (days < 365 * 2)
        two(text, days, "d", 0, "");
    else if (days < 365 * 8)
        two(text, days / 365, "y", days % 365, "d");
    else
        two(text, days / 365, "y", 0, "");
}
