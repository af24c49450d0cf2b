#include <math.h>
#include <string.h>

#include "apiserver/fault.h"
#include "apiserver/quantity.h"

/* Go reads a document from its beginning to its end and reports the first value that does not fit,
 * by the struct whose field it is and the names that lead there, without indices and map keys. */
struct search {
    const char *owner; /* the struct: "ServicePort" */
    struct strbuf path;
    struct strbuf *out;
};

static bool look_at(struct search *search, const struct schema *schema, const json_t *value);

/* --- the names of Go's types --- */

/* "PodSpec" of "io.k8s.api.core.v1.PodSpec". */
static const char *last_word(const char *definition) {
    const char *dot = strrchr(definition, '.');
    return dot ? dot + 1 : definition;
}

static void write_type(struct strbuf *out, const struct schema *schema) {
    const char *name = schema_refers_to(schema), *word = name ? last_word(name) : NULL;
    if (word && schema_type(schema) == SCHEMA_OBJECT) {
        const char *package = word - 1;
        while (package > name && package[-1] != '.')
            package--;
        strbuf_printf(out, "%.*s.%s", (int)(word - 1 - package), package, word);
        return;
    }
    switch (schema_type(schema)) {
    case SCHEMA_OBJECT:
        if (schema_form(schema_member(schema, str_of("x"))) == SCHEMA_QUANTITY) {
            strbuf_adds(out, "v1.ResourceList");
        } else {
            strbuf_adds(out, "map[string]");
            write_type(out, schema_member(schema, str_of("x")));
        }
        break;
    case SCHEMA_ARRAY:
        strbuf_adds(out, "[]");
        write_type(out, schema_items(schema));
        break;
    case SCHEMA_BOOLEAN:
        strbuf_adds(out, "bool");
        break;
    case SCHEMA_INTEGER:
        strbuf_adds(out, schema_is_small(schema) ? "int32" : "int64");
        break;
    case SCHEMA_NUMBER:
        strbuf_adds(out, "float64");
        break;
    default:
        strbuf_adds(out, "string");
    }
}

static bool misfit(struct search *search, const struct schema *schema, const json_t *value) {
    struct strbuf *out = search->out;
    strbuf_adds(out, "json: cannot unmarshal ");
    strbuf_adds(out, json_is_object(value)    ? "object"
                     : json_is_array(value)   ? "array"
                     : json_is_string(value)  ? "string"
                     : json_is_boolean(value) ? "bool"
                                              : "number");
    if (json_is_number(value) && schema_type(schema) == SCHEMA_INTEGER) {
        strbuf_addc(out, ' ');
        cause_write_value(out, value);
    }
    strbuf_printf(out, " into Go struct field %s.%s of type ", search->owner,
                  search->path.data ? search->path.data : "");
    write_type(out, schema);
    return true;
}

/* --- texts that are read further --- */

static bool unfit_time(struct search *search, const char *text, bool micro) {
    static const struct {
        const char *form, *before; /* digits, and the text between them and what was there */
    } parts[] = {{"2006", ""}, {"01", "-"}, {"02", "-"}, {"15", "T"}, {"04", ":"}, {"05", ":"}};
    const char *layout = micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00";
    const char *at = text, *wanted = NULL;
    for (size_t i = 0; wanted == NULL && i < sizeof parts / sizeof *parts; i++) {
        size_t before = strlen(parts[i].before), digits = strlen(parts[i].form);
        if (strncmp(at, parts[i].before, before) != 0)
            wanted = parts[i].before;
        else if (strspn(at + before, "0123456789") < digits)
            wanted = parts[i].form, at += before;
        else
            at += before + digits;
    }
    size_t fraction = *at == '.' ? strspn(at + 1, "0123456789") : 0;
    if (wanted == NULL && micro && fraction < 6)
        wanted = ".000000";
    else if (wanted == NULL && fraction > 0)
        at += 1 + (micro ? 6 : fraction);
    size_t zone = strlen(at);
    bool offset = zone >= 6 && strchr("+-", *at) && at[3] == ':';
    if (wanted == NULL && *at != 'Z' && !offset)
        wanted = "Z07:00";
    if (wanted) {
        strbuf_printf(search->out, "parsing time \"%s\" as \"%s\": cannot parse \"%s\" as \"%s\"",
                      text, layout, at, wanted);
        return true;
    }
    at += offset ? 6 : 1;
    if (*at)
        strbuf_printf(search->out, "parsing time \"%s\": extra text: \"%s\"", text, at);
    return *at != 0;
}

static bool unfit_base64(struct search *search, const char *text) {
    size_t len = strlen(text), used, padding = 0, at;
    used = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    while (padding < 2 && text[used + padding] == '=')
        padding++;
    if (used + padding == len && len % 4 == 0)
        return false;
    at = used;
    if (used == len || (padding > 0 && used % 4 < 2))
        at = used == len ? len / 4 * 4 : used;
    strbuf_printf(search->out, "illegal base64 data at input byte %zu", at);
    return true;
}

static bool unfit_quantity(struct search *search, const json_t *value) {
    char spelled[QUANTITY_MAX];
    if (!json_is_string(value) ||
        quantity_canonical(str_n(json_string_value(value), json_string_length(value)), false,
                           spelled))
        return false;
    strbuf_adds(search->out, "quantities must match the regular expression "
                             "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    return true;
}

static bool unfit_text(struct search *search, const struct schema *schema, const json_t *value) {
    const char *text = json_string_value(value);
    enum schema_form form = schema_form(schema);
    if (!json_is_string(value))
        return misfit(search, schema, value);
    if (form == SCHEMA_TIME || form == SCHEMA_MICRO_TIME)
        return unfit_time(search, text, form == SCHEMA_MICRO_TIME);
    return schema_has_format(schema, "byte") && unfit_base64(search, text);
}

/* --- values --- */

static size_t push(struct search *search, const char *key) {
    size_t before = search->path.len;
    if (before > 0)
        strbuf_addc(&search->path, '.');
    strbuf_adds(&search->path, key);
    return before;
}

static bool look_into(struct search *search, const struct schema *schema, const json_t *object) {
    const char *key, *owner = search->owner, *name = schema_refers_to(schema);
    bool map = schema_is_map(schema), found = false;
    json_t *value;
    if (name && !map)
        search->owner = last_word(name);
    json_object_foreach((json_t *)object, key, value) {
        const struct schema *member = schema_member(schema, str_of(key));
        size_t before = map ? search->path.len : push(search, key);
        found = member && look_at(search, member, value);
        strbuf_cut(&search->path, before);
        if (found)
            break;
    }
    search->owner = owner;
    return found;
}

static bool is_fitting_integer(const struct schema *schema, const json_t *value) {
    json_int_t integer = json_integer_value(value);
    if (json_is_real(value))
        return false;
    return !schema_is_small(schema) || (integer >= INT32_MIN && integer <= INT32_MAX);
}

static bool look_at(struct search *search, const struct schema *schema, const json_t *value) {
    json_t *item;
    size_t i;
    if (json_is_null(value))
        return false;
    if (schema_form(schema) == SCHEMA_QUANTITY)
        return unfit_quantity(search, value);
    switch (schema_type(schema)) {
    case SCHEMA_OBJECT:
        return json_is_object(value) ? look_into(search, schema, value)
                                     : misfit(search, schema, value);
    case SCHEMA_ARRAY:
        if (!json_is_array(value))
            return misfit(search, schema, value);
        json_array_foreach(value, i, item) {
            if (look_at(search, schema_items(schema), item))
                return true;
        }
        return false;
    case SCHEMA_STRING:
        return unfit_text(search, schema, value);
    case SCHEMA_INTEGER:
        return !(json_is_number(value) && is_fitting_integer(schema, value)) &&
               misfit(search, schema, value);
    case SCHEMA_NUMBER:
        return !json_is_number(value) && misfit(search, schema, value);
    case SCHEMA_BOOLEAN:
        return !json_is_boolean(value) && misfit(search, schema, value);
    default:
        return false;
    }
}

bool fault_type(const struct schema *schema, const char *name, const json_t *object,
                struct strbuf *out) {
    struct search search = {.owner = name, .out = out};
    bool found = look_at(&search, schema, object);
    out->failed |= search.path.failed;
    strbuf_finish(&search.path);
    return found;
}
