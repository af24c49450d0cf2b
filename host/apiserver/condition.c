#include "apiserver/condition.h"

#include <ctype.h>
#include <string.h>

#include "base/str.h"

enum { MOST_DEPTH = 50 };

/* Reading and judging are one pass; what does not count is read with `skip`. */
struct reader {
    const char *at;
    const json_t *variables;
    unsigned skip, depth;
    bool failed;  /* an error of what was judged last */
    bool unknown; /* this is not our part of the language */
};

static json_t *choose(struct reader *reader);

static void space(struct reader *reader) {
    while (isspace((unsigned char)*reader->at))
        reader->at++;
}

static bool accept(struct reader *reader, const char *text) {
    space(reader);
    size_t len = strlen(text);
    bool word = isalpha((unsigned char)text[0]);
    if (strncmp(reader->at, text, len) != 0 ||
        (word && (isalnum((unsigned char)reader->at[len]) || reader->at[len] == '_')) ||
        (strcmp(text, "!") == 0 && reader->at[1] == '='))
        return false;
    reader->at += len;
    return true;
}

static void expect(struct reader *reader, const char *text) {
    if (!accept(reader, text))
        reader->unknown = true;
}

/* All these take their json_t and give a new reference. */
static json_t *fail(struct reader *reader, json_t *value) {
    json_decref(value);
    if (!reader->skip)
        reader->failed = true;
    return json_null();
}

static json_t *unknown(struct reader *reader) {
    reader->unknown = true;
    return json_null();
}

/* --- what stands for itself ---------------------------------------------------------------- */

static json_t *read_text(struct reader *reader) {
    const char *start = reader->at++, *end;
    char quote = *start;
    for (end = reader->at; *end && *end != quote; end++)
        end += *end == '\\' && end[1];
    if (!*end)
        return unknown(reader);
    reader->at = end + 1;
    size_t len = (size_t)(end - start) + 1;
    json_t *text = quote == '"'               ? json_loadb(start, len, JSON_DECODE_ANY, NULL)
                   : memchr(start, '\\', len) ? NULL
                                              : json_stringn(start + 1, len - 2);
    return text ? text : unknown(reader);
}

static json_t *read_number(struct reader *reader) {
    const char *start = reader->at;
    int64_t number = 0;
    reader->at += *reader->at == '-';
    while (isdigit((unsigned char)*reader->at))
        reader->at++;
    if (!str_to_int64(str_n(start, (size_t)(reader->at - start)), &number))
        return unknown(reader);
    return json_integer(number);
}

static json_t *read_list(struct reader *reader) {
    json_t *list = json_array();
    while (!accept(reader, "]") && !reader->unknown) {
        json_array_append_new(list, choose(reader));
        if (!accept(reader, ",")) {
            expect(reader, "]");
            break;
        }
    }
    return list;
}

static struct str read_name(struct reader *reader) {
    space(reader);
    const char *start = reader->at;
    if (isalpha((unsigned char)*start) || *start == '_')
        while (isalnum((unsigned char)*reader->at) || *reader->at == '_')
            reader->at++;
    reader->unknown |= reader->at == start;
    return str_n(start, (size_t)(reader->at - start));
}

/* --- members and calls --------------------------------------------------------------------- */

static json_t *as_text(struct reader *reader, json_t *value) {
    json_t *text = NULL;
    if (json_is_string(value))
        return value;
    if (json_is_integer(value))
        text = json_sprintf("%lld", (long long)json_integer_value(value));
    else if (json_is_boolean(value))
        text = json_string(json_is_true(value) ? "true" : "false");
    if (text == NULL)
        return fail(reader, value);
    json_decref(value);
    return text;
}

static json_t *call(struct reader *reader, json_t *value, struct str name) {
    json_t *argument = choose(reader);
    const char *text = json_string_value(value), *part = json_string_value(argument);
    bool is = false;
    expect(reader, ")");
    if (str_is(name, "startsWith"))
        is = text && part && str_starts_with(str_of(text), part);
    else if (str_is(name, "endsWith"))
        is = text && part && str_ends_with(str_of(text), part);
    else if (str_is(name, "contains"))
        is = text && part && strstr(text, part);
    else
        reader->unknown = true;
    json_decref(argument);
    if (text == NULL || part == NULL)
        return fail(reader, value);
    json_decref(value);
    return json_boolean(is);
}

static json_t *element(json_t *value, const json_t *index) {
    if (json_is_object(value) && json_is_string(index))
        return json_incref(json_object_get(value, json_string_value(index)));
    if (json_is_array(value) && json_is_integer(index) && json_integer_value(index) >= 0)
        return json_incref(json_array_get(value, (size_t)json_integer_value(index)));
    return NULL;
}

/* With `ret_has`, the last member may be missing, and *ret_has tells. */
static json_t *members(struct reader *reader, json_t *value, bool *ret_has) {
    bool missing = false;
    while (!reader->unknown) {
        json_t *next;
        bool dot = accept(reader, ".");
        if (!dot && !accept(reader, "["))
            break;
        if (missing)
            value = fail(reader, value);
        missing = false;
        if (dot) {
            struct str name = read_name(reader);
            if (accept(reader, "(")) {
                value = call(reader, value, name);
                continue;
            }
            next = json_incref(json_object_getn(value, name.data, name.len));
        } else {
            json_t *index = choose(reader);
            expect(reader, "]");
            next = element(value, index);
            json_decref(index);
        }
        missing = next == NULL;
        json_decref(value);
        value = next ? next : json_null();
    }
    if (ret_has)
        *ret_has = !missing;
    else if (missing)
        value = fail(reader, value);
    return value;
}

static json_t *read_has(struct reader *reader, json_t *(*head)(struct reader *reader)) {
    bool has = false;
    json_decref(members(reader, head(reader), &has));
    expect(reader, ")");
    return json_boolean(has);
}

static json_t *head(struct reader *reader) {
    space(reader);
    char c = *reader->at;
    json_t *value;
    if (c == '"' || c == '\'')
        return read_text(reader);
    if (c == '-' || isdigit((unsigned char)c))
        return read_number(reader);
    if (accept(reader, "["))
        return read_list(reader);
    if (accept(reader, "(")) {
        value = choose(reader);
        expect(reader, ")");
        return value;
    }
    struct str name = read_name(reader);
    if (str_is(name, "true") || str_is(name, "false"))
        return json_boolean(name.data[0] == 't');
    if (str_is(name, "null"))
        return json_null();
    if (str_is(name, "has") && accept(reader, "("))
        return read_has(reader, head);
    if (str_is(name, "string") && accept(reader, "(")) {
        value = as_text(reader, choose(reader));
        expect(reader, ")");
        return value;
    }
    if (!str_is(name, "object") && !str_is(name, "oldObject") && !str_is(name, "request"))
        return unknown(reader);
    value = json_object_getn(reader->variables, name.data, name.len);
    return value ? json_incref(value) : json_null();
}

/* --- operators ----------------------------------------------------------------------------- */

static json_t *negate(struct reader *reader) {
    if (!accept(reader, "!"))
        return members(reader, head(reader), NULL);
    json_t *value = negate(reader);
    if (!json_is_boolean(value))
        return fail(reader, value);
    bool is = json_is_true(value);
    json_decref(value);
    return json_boolean(!is);
}

static bool is_in(const json_t *value, const json_t *list) {
    size_t i;
    json_t *item;
    if (json_is_object(list) && json_is_string(value))
        return json_object_get(list, json_string_value(value)) != NULL;
    json_array_foreach(list, i, item) {
        if (json_equal(item, value))
            return true;
    }
    return false;
}

static json_t *compare(struct reader *reader) {
    json_t *left = negate(reader), *right;
    bool same = accept(reader, "=="), other = !same && accept(reader, "!=");
    if (!same && !other && !accept(reader, "in"))
        return left;
    right = negate(reader);
    bool is = same || other ? json_equal(left, right) == same : is_in(left, right);
    if (!same && !other && !json_is_object(right) && !json_is_array(right))
        left = fail(reader, left);
    json_decref(left);
    json_decref(right);
    return json_boolean(is);
}

/* An error on one side does not count when the other side decides: `stop` is what does. */
static json_t *join(struct reader *reader, const char *operator, bool stop,
                    json_t *(*part)(struct reader *reader)) {
    bool before = reader->failed;
    reader->failed = false;
    json_t *value = part(reader);
    while (accept(reader, operator)) {
        bool wrong = reader->failed || !json_is_boolean(value);
        bool decided = !wrong && json_is_true(value) == stop;
        reader->failed = false;
        reader->skip += decided;
        json_t *right = part(reader);
        reader->skip -= decided;
        bool right_wrong = reader->failed || !json_is_boolean(right);
        if (!decided && !right_wrong && json_is_true(right) == stop)
            decided = true;
        reader->failed = !reader->skip && !decided && (wrong || right_wrong);
        json_decref(value);
        json_decref(right);
        value = json_boolean(decided ? stop : !stop);
    }
    reader->failed |= before;
    return value;
}

static json_t *both(struct reader *reader) {
    return join(reader, "&&", false, compare);
}

static json_t *choose(struct reader *reader) {
    if (++reader->depth > MOST_DEPTH)
        reader->unknown = true;
    if (reader->unknown) {
        reader->depth--;
        return json_null();
    }
    json_t *value = join(reader, "||", true, both);
    if (accept(reader, "?")) {
        bool is = json_is_true(value);
        if (!json_is_boolean(value))
            value = fail(reader, value);
        json_decref(value);
        reader->skip += !is;
        json_t *first = choose(reader);
        reader->skip -= !is;
        expect(reader, ":");
        reader->skip += is;
        json_t *second = choose(reader);
        reader->skip -= is;
        value = is ? first : second;
        json_decref(is ? second : first);
    }
    reader->depth--;
    return value;
}

bool condition_known(const char *expression) {
    struct reader reader = {.at = expression, .skip = 1};
    json_decref(choose(&reader));
    space(&reader);
    return !reader.unknown && *reader.at == '\0';
}

enum condition condition_judge(const char *expression, const json_t *variables) {
    struct reader reader = {.at = expression, .variables = variables};
    json_t *value = choose(&reader);
    bool wrong = reader.failed || reader.unknown || !json_is_boolean(value);
    bool is = json_is_true(value);
    json_decref(value);
    return wrong ? CONDITION_ERROR : is ? CONDITION_TRUE : CONDITION_FALSE;
}
