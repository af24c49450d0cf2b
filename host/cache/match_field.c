#include <string.h>

#include "base/mem.h"
#include "cache/match.h"

struct field_term {
    char *path, *value;
    bool unequal;
};
struct field_selector {
    struct field_term *terms;
    size_t count, cap;
};

void field_selector_destroy(struct field_selector *selector) {
    if (selector == NULL)
        return;
    for (size_t i = 0; i < selector->count; i++) {
        mem_free(selector->terms[i].path);
        mem_free(selector->terms[i].value);
    }
    mem_free(selector->terms);
    mem_free(selector);
}

/* Up to an unescaped comma. */
static size_t term_len(const char *text) {
    size_t i = 0;
    for (; text[i] && text[i] != ','; i++)
        i += text[i] == '\\' && text[i + 1];
    return i;
}

/* The value without its escapes (\\ \, \=) into `out`. 0 or -1. */
static int unescape(struct str value, struct strbuf *out) {
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (c == '\\') {
            if (++i == value.len || !memchr("\\,=", value.data[i], 3))
                return -1;
            c = value.data[i];
        } else if (c == '=') {
            return -1;
        }
        strbuf_addc(out, c);
    }
    return 0;
}

static int parse_term(struct field_selector *selector, struct str term, struct error *err) {
    const char *sign = memchr(term.data, '=', term.len);
    if (sign == NULL || sign == term.data)
        return error_set(err, ERROR_INVALID, "field selector: \"%.*s\" is not path=value",
                         STR_ARG(term));
    bool unequal = sign[-1] == '!';
    size_t path = (size_t)(sign - term.data) - unequal, value = (size_t)(sign - term.data) + 1;
    value += !unequal && value < term.len && term.data[value] == '=';
    struct strbuf text = {0};
    if (path == 0 || unescape(str_n(term.data + value, term.len - value), &text) < 0) {
        strbuf_finish(&text);
        return error_set(
            err, ERROR_INVALID,
            "field selector: \"%.*s\": \\ , = in a value are written \\\\ \\, \\=", STR_ARG(term));
    }
    struct field_term made = {mem_strndup(term.data, path), strbuf_take(&text), unequal};
    if (made.path && made.value &&
        mem_grow(&selector->terms, &selector->cap, selector->count + 1, sizeof made) == 0) {
        selector->terms[selector->count++] = made;
        return 0;
    }
    mem_free(made.path);
    mem_free(made.value);
    return error_set(err, ERROR_NOMEM, "no memory for a selector");
}

struct field_selector *field_selector_parse(const char *text, struct error *err) {
    struct field_selector *selector = mem_zalloc(sizeof *selector);
    if (selector == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a selector");
        return NULL;
    }
    while (*text) {
        size_t len = term_len(text);
        if (len > 0 && parse_term(selector, str_n(text, len), err) < 0) {
            field_selector_destroy(selector);
            return NULL;
        }
        text += len + (text[len] == ',');
    }
    return selector;
}

/* As the server prints it: absent, null and composite values are "". */
static struct str field_text(const struct dag *dag, node_t node) {
    enum node_type type = node_type(dag, node);
    if (type == NODE_TRUE || type == NODE_FALSE)
        return str_of(type == NODE_TRUE ? "true" : "false");
    return node_text(dag, node);
}

bool field_selector_matches(const struct field_selector *selector, const struct dag *dag,
                            node_t root) {
    for (size_t i = 0; selector && i < selector->count; i++) {
        const struct field_term *term = &selector->terms[i];
        struct str text = field_text(dag, node_path(dag, root, term->path));
        if (str_is(text, term->value) == term->unequal)
            return false;
    }
    return true;
}
