/* Field sets in and out: FieldsV1 and the paths of messages. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/fieldset.h"
#include "json/scan.h"
#include "json/write.h"

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

/* --- writing ---------------------------------------------------------------------------------- */

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

/* --- reading ---------------------------------------------------------------------------------- */

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
