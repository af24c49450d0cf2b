#include "cache/match.h"

#include <string.h>

#include "base/mem.h"

enum operation { OP_IN, OP_NOT_IN, OP_EXISTS, OP_ABSENT, OP_GREATER, OP_LESS };

struct requirement {
    enum operation op;
    char *key;
    char **values;
    size_t count, cap;
    int64_t bound; /* of OP_GREATER, OP_LESS */
};
struct selector {
    struct requirement *all;
    size_t count, cap;
};

void selector_destroy(struct selector *selector) {
    if (selector == NULL)
        return;
    for (size_t i = 0; i < selector->count; i++) {
        struct requirement *r = &selector->all[i];
        for (size_t j = 0; j < r->count; j++)
            mem_free(r->values[j]);
        mem_free(r->values);
        mem_free(r->key);
    }
    mem_free(selector->all);
    mem_free(selector);
}

enum token { T_END, T_WORD, T_COMMA, T_OPEN, T_CLOSE, T_NOT, T_EQUAL, T_UNEQUAL, T_MORE, T_LESS };

struct parser {
    const char *at;
    enum token token; /* the one in hand */
    struct str word;  /* its text */
    struct selector *selector;
    struct error *err;
};

static void advance(struct parser *p) {
    p->at += strspn(p->at, " \t\r\n");
    size_t len = strcspn(p->at, " \t\r\n=!(),<>");
    const char *begin = p->at;
    p->word = str_n(p->at, len);
    p->token = T_WORD;
    if (len > 0) {
        p->at += len;
        return;
    }
    switch (*p->at) {
    case '\0':
        p->token = T_END;
        return;
    case '=':
        p->token = T_EQUAL;
        p->at += p->at[1] == '=';
        break;
    case '!':
        p->token = p->at[1] == '=' ? T_UNEQUAL : T_NOT;
        p->at += p->at[1] == '=';
        break;
    default:
        p->token = *p->at == ','   ? T_COMMA
                   : *p->at == '(' ? T_OPEN
                   : *p->at == ')' ? T_CLOSE
                   : *p->at == '>' ? T_MORE
                                   : T_LESS;
    }
    p->at++;
    p->word = str_n(begin, (size_t)(p->at - begin));
}

/* In the server's words, which speak of the token in hand. */
static int unexpected(struct parser *p, const char *expected) {
    return error_set(p->err, ERROR_INVALID, "found '%.*s'%s", STR_ARG(p->word), expected);
}

#define ENDS "and must start and end with an alphanumeric character"
#define NO_NAME                                                                                    \
    "name part must consist of alphanumeric characters, '-', '_' or '.', " ENDS                    \
    " (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "                 \
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define NO_VALUE                                                                                   \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', " ENDS " (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "    \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"

static int no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for a selector");
}

static bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

/* The name part of keys, and values: at most 63 of alphanumerics with -_. inside. */
static bool is_name(struct str text) {
    if (text.len == 0 || text.len > 63 || !is_alnum(text.data[0]) ||
        !is_alnum(text.data[text.len - 1]))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_alnum(text.data[i]) && !memchr("-_.", text.data[i], 3))
            return false;
    return true;
}

/* A DNS subdomain: labels of lower-case alphanumerics with '-' inside, by dots. */
static bool is_subdomain(struct str text) {
    bool edge = true; /* at the start of a label */
    if (text.len == 0 || text.len > 253)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i], next = i + 1 < text.len ? text.data[i + 1] : '.';
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
        if (!plain && (c != '-' || edge || next == '.') && (c != '.' || edge))
            return false;
        edge = c == '.';
    }
    return !edge;
}

static bool is_key(struct str text) {
    const char *slash = memchr(text.data, '/', text.len);
    if (slash == NULL)
        return is_name(text);
    size_t prefix = (size_t)(slash - text.data);
    return is_subdomain(str_n(text.data, prefix)) &&
           is_name(str_n(slash + 1, text.len - prefix - 1));
}

static int add_value(struct parser *p, struct requirement *r, struct str value) {
    if (value.len > 0 && !is_name(value))
        return error_set(p->err, ERROR_INVALID, "values[%zu][%s]: Invalid value: \"%.*s\": %s",
                         r->count, r->key, STR_ARG(value), NO_VALUE);
    char *copy = mem_strndup(value.data, value.len);
    if (copy == NULL || mem_grow(&r->values, &r->cap, r->count + 1, sizeof *r->values) < 0) {
        mem_free(copy);
        return no_memory(p->err);
    }
    r->values[r->count++] = copy;
    return 0;
}

/* "(a, b,)": what is empty between commas is the empty value. */
static int parse_list(struct parser *p, struct requirement *r) {
    if (p->token != T_OPEN)
        return unexpected(p, " expected: '('");
    advance(p);
    for (;;) {
        int rc = add_value(p, r, p->token == T_WORD ? p->word : str_of(""));
        if (rc < 0)
            return rc;
        if (p->token == T_WORD)
            advance(p);
        if (p->token == T_CLOSE)
            break;
        if (p->token != T_COMMA)
            return unexpected(p, ", expected: ',' or ')'");
        advance(p);
    }
    advance(p);
    return 0;
}

static int parse_bound(struct parser *p, struct requirement *r) {
    if (p->token != T_WORD)
        return unexpected(p, ", expected: identifier");
    if (!str_to_int64(p->word, &r->bound))
        return error_set(
            p->err, ERROR_INVALID,
            "values[0]: Invalid value: \"%.*s\": for 'Gt', 'Lt' operators, the value must "
            "be an integer",
            STR_ARG(p->word));
    advance(p);
    return 0;
}

static int parse_value(struct parser *p, struct requirement *r) {
    if (p->token == T_COMMA || p->token == T_END)
        return add_value(p, r, str_of(""));
    if (p->token != T_WORD)
        return unexpected(p, ", expected: identifier");
    int rc = add_value(p, r, p->word);
    if (rc == 0)
        advance(p);
    return rc;
}

static int parse_operation(struct parser *p, struct requirement *r) {
    enum token token = p->token;
    struct str word = p->word;
    r->op = OP_EXISTS;
    if (token == T_END || token == T_COMMA)
        return 0;
    bool set = token == T_WORD && (str_is(word, "in") || str_is(word, "notin"));
    if (!set && (token < T_EQUAL || token > T_LESS))
        return unexpected(p, ", expected: in, notin, =, ==, !=, gt, lt");
    advance(p);
    switch (token) {
    case T_EQUAL:
    case T_UNEQUAL:
        r->op = token == T_EQUAL ? OP_IN : OP_NOT_IN;
        return parse_value(p, r);
    case T_MORE:
    case T_LESS:
        r->op = token == T_MORE ? OP_GREATER : OP_LESS;
        return parse_bound(p, r);
    default:
        break;
    }
    r->op = str_is(word, "in") ? OP_IN : OP_NOT_IN;
    return parse_list(p, r);
}

static int parse_requirement(struct parser *p) {
    struct selector *s = p->selector;
    bool absent = p->token == T_NOT;
    if (absent)
        advance(p);
    if (p->token != T_WORD)
        return unexpected(p, ", expected: identifier");
    if (!is_key(p->word))
        return error_set(p->err, ERROR_INVALID, "<nil>: Invalid value: \"%.*s\": %s",
                         STR_ARG(p->word), NO_NAME);
    if (mem_grow(&s->all, &s->cap, s->count + 1, sizeof *s->all) < 0)
        return no_memory(p->err);
    struct requirement *r = &s->all[s->count++];
    *r = (struct requirement){.op = OP_ABSENT, .key = mem_strndup(p->word.data, p->word.len)};
    if (r->key == NULL)
        return no_memory(p->err);
    advance(p);
    return absent ? 0 : parse_operation(p, r);
}

static bool begins_requirement(const struct parser *p) {
    return p->token == T_WORD || p->token == T_NOT;
}

static int parse_comma(struct parser *p) {
    advance(p);
    return begins_requirement(p) ? 0 : unexpected(p, ", expected: identifier after ','");
}

struct selector *selector_parse(const char *text, struct error *err) {
    struct parser p = {.at = text, .err = err};
    p.selector = mem_zalloc(sizeof *p.selector);
    if (p.selector == NULL) {
        no_memory(err);
        return NULL;
    }
    advance(&p);
    int rc = 0;
    if (p.token != T_END && !begins_requirement(&p))
        rc = unexpected(&p, ", expected: !, identifier, or 'end of string'");
    while (rc == 0 && p.token != T_END) {
        rc = parse_requirement(&p);
        if (rc < 0)
            error_prefix(err, "unable to parse requirement");
        else if (p.token == T_COMMA)
            rc = parse_comma(&p);
        else if (p.token != T_END)
            rc = unexpected(&p, ", expected: ',' or 'end of string'");
    }
    if (rc == 0)
        return p.selector;
    selector_destroy(p.selector);
    return NULL;
}

static bool requirement_matches(const struct requirement *r, const struct dag *dag, node_t labels) {
    node_t label = node_get(dag, labels, str_of(r->key));
    struct str value = node_text(dag, label);
    bool there = node_type(dag, label) == NODE_STRING, in = false;
    int64_t number;
    for (size_t i = 0; there && i < r->count; i++)
        in |= str_is(value, r->values[i]);
    switch (r->op) {
    case OP_IN:
        return in;
    case OP_NOT_IN:
        return !in;
    case OP_EXISTS:
        return there;
    case OP_ABSENT:
        return !there;
    case OP_GREATER:
    case OP_LESS:
        break;
    }
    return there && str_to_int64(value, &number) &&
           (r->op == OP_GREATER ? number > r->bound : number < r->bound);
}

bool selector_matches(const struct selector *selector, const struct dag *dag, node_t labels) {
    for (size_t i = 0; selector && i < selector->count; i++)
        if (!requirement_matches(&selector->all[i], dag, labels))
            return false;
    return true;
}
