/* Field sets out: FieldsV1 and the paths of messages. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/fieldset.h"
#include "json/write.h"

/* Go's JSON writers keep HTML safe: three characters and two line ends are escaped too. */
static void print_html_safe(struct strbuf *out, struct str text) {
    struct strbuf json = {0};
    struct json_writer writer;
    json_writer_init(&writer, &json);
    json_write_string(&writer, text);
    for (size_t i = 0; i < json.len; i++) {
        const char *at = json.data + i;
        if (*at == '<' || *at == '>' || *at == '&')
            strbuf_printf(out, "\\u%04x", *at);
        else if (json.len - i > 2 && memcmp(at, "\xe2\x80", 2) == 0 && (at[2] & 0xfe) == 0xa8) {
            strbuf_printf(out, "\\u202%x", at[2] & 0xf);
            i += 2;
        } else
            strbuf_addc(out, *at);
    }
    out->failed |= json.failed;
    strbuf_finish(&json);
}

/* As Go has it: the fewest digits that mean this number, with an exponent outside 1e-6..1e21. */
static void print_real(struct strbuf *out, double real) {
    char text[JSON_DOUBLE_TEXT], *exponent;
    int digits = 0;
    json_double_text(real, text);
    exponent = strchr(text, 'e');
    if (!exponent || fabs(real) < 1e-6 || fabs(real) >= 1e21) {
        strbuf_adds(out, text);
        return;
    }
    for (const char *at = strchr(text, '.'); at && at < exponent - 1; at++)
        digits++;
    digits -= atoi(exponent + 1);
    strbuf_printf(out, "%.*f", digits > 0 ? digits : 0, real);
}

static bool has_html(struct str text) {
    for (size_t i = 0; i < text.len; i++)
        if (strchr("<>&\xe2", text.data[i]))
            return true;
    return false;
}

static void print_value(struct strbuf *out, const struct fieldset_value *value, bool html_safe) {
    struct json_writer writer;
    json_writer_init(&writer, out);
    switch (value->type) {
    case FIELDSET_INTEGER:
        json_write_int(&writer, value->integer);
        break;
    case FIELDSET_REAL:
        print_real(out, value->real);
        break;
    case FIELDSET_STRING:
        if (html_safe && has_html(value->text))
            print_html_safe(out, value->text);
        else
            json_write_string(&writer, value->text);
        break;
    case FIELDSET_BOOLEAN:
        json_write_bool(&writer, value->boolean);
        break;
    case FIELDSET_OTHER:
        strbuf_add(out, value->text.data, value->text.len);
        break;
    case FIELDSET_NULL:
        strbuf_adds(out, "null");
        break;
    }
}

static void print_name(struct strbuf *out, const struct fieldset_element *element) {
    switch (element->kind) {
    case FIELDSET_FIELD:
        strbuf_add(out, "f:", 2);
        strbuf_add(out, element->name.data, element->name.len);
        break;
    case FIELDSET_KEY:
        strbuf_add(out, "k:", 2);
        for (uint32_t i = 0; i < element->key_count; i++) {
            struct json_writer writer;
            json_writer_init(&writer, out);
            strbuf_addc(out, i == 0 ? '{' : ',');
            json_write_string(&writer, element->keys[i].name);
            strbuf_addc(out, ':');
            print_value(out, &element->keys[i].value, true);
        }
        strbuf_adds(out, element->key_count ? "}" : "{}");
        break;
    case FIELDSET_VALUE:
        strbuf_add(out, "v:", 2);
        print_value(out, &element->value, true);
        break;
    case FIELDSET_INDEX:
        strbuf_printf(out, "i:%lld", (long long)element->index);
        break;
    }
}

struct printer {
    struct strbuf name;
    json_t *leaf; /* {}, one for all */
};

/* The child is in the tree before its own members are: whoever drops the tree drops all. */
static int fill(struct printer *printer, json_t *fields, const struct fieldset *set) {
    struct strbuf *name = &printer->name;
    for (size_t i = 0; set && i < set->count; i++) {
        const struct fieldset_entry *entry = &set->entries[i];
        strbuf_clear(name);
        print_name(name, &entry->element);
        if (name->failed)
            return ERROR_NOMEM;
        json_t *child = entry->children ? json_object() : json_incref(printer->leaf);
        if (json_object_setn_new_nocheck(fields, name->data, name->len, child) < 0)
            return ERROR_NOMEM;
        if (entry->member && entry->children &&
            json_object_set_nocheck(child, ".", printer->leaf) < 0)
            return ERROR_NOMEM;
        if (fill(printer, child, entry->children) < 0)
            return ERROR_NOMEM;
    }
    return 0;
}

json_t *fieldset_json(const struct fieldset *set) {
    struct printer printer = {.leaf = json_object()};
    json_t *fields = json_object();
    if (!fields || !printer.leaf || fill(&printer, fields, set) < 0) {
        json_decref(fields);
        fields = NULL;
    }
    json_decref(printer.leaf);
    strbuf_finish(&printer.name);
    return fields;
}

static void write_field(struct strbuf *out, struct str name) {
    char *at = strbuf_reserve(out, name.len + strlen("\"f:\":"));
    if (at == NULL)
        return;
    memcpy(at, "\"f:", 3);
    memcpy(at + 3, name.data, name.len);
    memcpy(at + 3 + name.len, "\":", 3); /* and its NUL */
    out->len += name.len + strlen("\"f:\":");
}

static void write_name(struct strbuf *out, const struct fieldset_element *element) {
    struct json_writer writer;
    struct strbuf name = {0};
    if (element->kind == FIELDSET_FIELD && json_is_plain(element->name)) {
        write_field(out, element->name);
        return;
    }
    print_name(&name, element);
    json_writer_init(&writer, out);
    json_write_key(&writer, strbuf_view(&name));
    out->failed |= name.failed;
    strbuf_finish(&name);
}

static void write_set(struct strbuf *out, const struct fieldset *set, bool member) {
    strbuf_addc(out, '{');
    if (member)
        strbuf_add(out, "\".\":{}", 6);
    for (size_t i = 0; set && i < set->count; i++) {
        const struct fieldset_entry *entry = &set->entries[i];
        if (member || i > 0)
            strbuf_addc(out, ',');
        write_name(out, &entry->element);
        if (entry->children)
            write_set(out, entry->children, entry->member);
        else
            strbuf_add(out, "{}", 2);
    }
    strbuf_addc(out, '}');
}

void fieldset_write(const struct fieldset *set, struct strbuf *out) {
    write_set(out, set, /* member= */ false);
}

void fieldset_element_print(struct strbuf *out, const struct fieldset_element *element) {
    switch (element->kind) {
    case FIELDSET_FIELD:
        strbuf_addc(out, '.');
        strbuf_add(out, element->name.data, element->name.len);
        break;
    case FIELDSET_KEY:
        for (uint32_t i = 0; i < element->key_count; i++) {
            strbuf_addc(out, i == 0 ? '[' : ',');
            strbuf_add(out, element->keys[i].name.data, element->keys[i].name.len);
            strbuf_addc(out, '=');
            print_value(out, &element->keys[i].value, false);
        }
        strbuf_adds(out, element->key_count ? "]" : "[]");
        break;
    case FIELDSET_VALUE:
        strbuf_adds(out, "[=");
        print_value(out, &element->value, false);
        strbuf_addc(out, ']');
        break;
    case FIELDSET_INDEX:
        strbuf_printf(out, "[%lld]", (long long)element->index);
        break;
    }
}

struct visit {
    struct strbuf path;
    void (*each)(void *context, struct str path);
    void *context;
};

static void visit(struct visit *visited, const struct fieldset *set) {
    size_t len = visited->path.len;
    for (int below = 0; below < 2; below++) {
        for (size_t i = 0; set && i < set->count; i++) {
            const struct fieldset_entry *entry = &set->entries[i];
            if (below ? !entry->children : !entry->member)
                continue;
            fieldset_element_print(&visited->path, &entry->element);
            if (below)
                visit(visited, entry->children);
            else if (!visited->path.failed)
                visited->each(visited->context, strbuf_view(&visited->path));
            visited->path.len = len;
        }
    }
}

void fieldset_each(struct fieldset_pool *pool, const struct fieldset *set,
                   void (*each)(void *context, struct str path), void *context) {
    struct visit visited = {.each = each, .context = context};
    visit(&visited, set);
    pool->failed |= visited.path.failed;
    strbuf_finish(&visited.path);
}
