#include "apiserver/builtin.h"

#include <string.h>

#include "apiserver/builtin_text.h"
#include "base/mem.h"

struct definition {
    const char *name, *body; /* in the text; the name ends at its quote */
    uint32_t name_len, body_len;
    uint32_t visit; /* the walk that came by last */
    bool whole;     /* all that it refers to is parsed */
    struct schema *schema;
};
struct builtin {
    struct str rows; /* "[...]" */
    json_t *parsed_rows;
    struct definition *items;
    uint32_t *slots; /* index + 1 by the name's hash; 0 = free */
    size_t count, mask;
    uint32_t visit;
};

static const char ref_mark[] = "\"$ref\":\"#/components/schemas/";

static struct definition *find(const struct builtin *builtin, struct str name) {
    for (size_t at = str_hash(name);; at++) {
        uint32_t slot = builtin->slots[at & builtin->mask];
        if (slot == 0)
            return NULL;
        struct definition *one = &builtin->items[slot - 1];
        if (str_equal(str_n(one->name, one->name_len), name))
            return one;
    }
}

static void add(struct builtin *builtin, struct definition one) {
    size_t at = str_hash(str_n(one.name, one.name_len));
    while (builtin->slots[at & builtin->mask])
        at++;
    builtin->items[builtin->count++] = one;
    builtin->slots[at & builtin->mask] = (uint32_t)builtin->count;
}

/* A line is "NAME":{...} and a comma, but for the last one. */
static struct definition read_line(const char *line, const char *end) {
    const char *quote = memchr(line + 1, '"', (size_t)(end - line - 1));
    const char *body = quote + 2;
    if (end[-1] == ',')
        end--;
    return (struct definition){.name = line + 1,
                               .name_len = (uint32_t)(quote - line - 1),
                               .body = body,
                               .body_len = (uint32_t)(end - body)};
}

static size_t count_lines(const char *from, const char *end) {
    size_t count = 0;
    while ((from = memchr(from, '\n', (size_t)(end - from))) != NULL)
        from++, count++;
    return count;
}

struct builtin *builtin_create(struct error *err) {
    static const char rows_begin[] = "{\"resources\":", rows_end[] = "\n],\"definitions\":{\n";
    const char *text = (const char *)builtin_text, *end = text + builtin_text_len;
    const char *mark = memmem(text, builtin_text_len, rows_end, sizeof rows_end - 1);
    const char *line = mark + sizeof rows_end - 1, *eol;
    size_t lines = count_lines(line, end), slots = 1;
    while (slots < 2 * lines)
        slots *= 2;
    struct builtin *builtin = mem_zalloc(sizeof *builtin);
    if (builtin) {
        builtin->rows = str_n(text + sizeof rows_begin - 1,
                              (size_t)(mark + 2 - text) - (sizeof rows_begin - 1));
        builtin->mask = slots - 1;
        builtin->items = mem_calloc(lines, sizeof *builtin->items);
        builtin->slots = mem_calloc(slots, sizeof *builtin->slots);
    }
    if (builtin == NULL || builtin->items == NULL || builtin->slots == NULL) {
        builtin_destroy(builtin);
        error_set(err, ERROR_NOMEM, "no memory for the built-in kinds");
        return NULL;
    }
    for (; *line == '"'; line = eol + 1) {
        eol = memchr(line, '\n', (size_t)(end - line));
        add(builtin, read_line(line, eol));
    }
    return builtin;
}

void builtin_destroy(struct builtin *builtin) {
    if (builtin == NULL)
        return;
    for (size_t i = 0; i < builtin->count; i++)
        schema_unref(builtin->items[i].schema);
    json_decref(builtin->parsed_rows);
    mem_free(builtin->slots);
    mem_free(builtin->items);
    mem_free(builtin);
}

static json_t *parse(struct str text, struct error *err) {
    json_t *value = json_loadb(text.data, text.len, 0, NULL);
    if (value == NULL) /* the text is ours */
        error_set(err, ERROR_NOMEM, "no memory for the built-in kinds");
    return value;
}

const json_t *builtin_rows(struct builtin *builtin, struct error *err) {
    if (builtin->parsed_rows == NULL)
        builtin->parsed_rows = parse(builtin->rows, err);
    return builtin->parsed_rows;
}

static struct definition *need(const struct builtin *builtin, struct str name, struct error *err) {
    struct definition *one = find(builtin, name);
    if (one == NULL)
        error_set(err, ERROR_NOT_FOUND, "there is no definition " STR_FORMAT, STR_ARG(name));
    return one;
}

json_t *builtin_definition(const struct builtin *builtin, const char *name, struct error *err) {
    struct definition *one = need(builtin, str_of(name), err);
    return one ? parse(str_n(one->body, one->body_len), err) : NULL;
}

static const struct schema *load(struct builtin *builtin, struct definition *one,
                                 struct error *err) {
    if (one->schema)
        return one->schema;
    json_t *openapi = parse(str_n(one->body, one->body_len), err);
    if (openapi)
        one->schema = schema_parse(openapi, builtin_schema, builtin, err);
    json_decref(openapi);
    return one->schema;
}

const struct schema *builtin_schema(void *builtin, const char *name) {
    struct definition *one = find(builtin, str_of(name));
    return one ? load(builtin, one, NULL) : NULL;
}

/* Walks */

struct walk {
    struct builtin *builtin;
    int (*each)(struct walk *walk, struct definition *one, struct error *err);
    int (*named)(void *context, const char *name, struct error *err);
    void *context;
};

static int step(struct walk *walk, struct definition *one, struct error *err) {
    if (one == NULL || one->visit == walk->builtin->visit)
        return 0;
    one->visit = walk->builtin->visit;
    int rc = walk->each(walk, one, err);
    const char *at = one->body, *end = one->body + one->body_len;
    while (rc == 0 && (at = memmem(at, (size_t)(end - at), ref_mark, sizeof ref_mark - 1))) {
        at += sizeof ref_mark - 1;
        const char *quote = memchr(at, '"', (size_t)(end - at));
        rc = step(walk, find(walk->builtin, str_n(at, (size_t)(quote - at))), err);
    }
    return rc;
}

static int walk_from(struct walk *walk, const char *name, struct error *err) {
    struct definition *one = need(walk->builtin, str_of(name), err);
    if (one == NULL)
        return ERROR_NOT_FOUND;
    walk->builtin->visit++;
    return step(walk, one, err);
}

static int load_one(struct walk *walk, struct definition *one, struct error *err) {
    return load(walk->builtin, one, err) ? 0 : ERROR_NOMEM;
}

int builtin_load(struct builtin *builtin, const char *name, struct error *err) {
    struct walk walk = {.builtin = builtin, .each = load_one};
    struct definition *one = need(builtin, str_of(name), err);
    int rc = one == NULL ? ERROR_NOT_FOUND : one->whole ? 0 : walk_from(&walk, name, err);
    if (rc == 0)
        one->whole = true;
    return rc;
}

static int tell_one(struct walk *walk, struct definition *one, struct error *err) {
    char name[256];
    memcpy(name, one->name, one->name_len);
    name[one->name_len] = '\0';
    return walk->named(walk->context, name, err);
}

int builtin_closure(struct builtin *builtin, const char *name,
                    int (*each)(void *context, const char *name, struct error *err), void *context,
                    struct error *err) {
    struct walk walk = {.builtin = builtin, .each = tell_one, .named = each, .context = context};
    return walk_from(&walk, name, err);
}
