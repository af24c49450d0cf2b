#include "apiserver/schema_pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

#include "base/mem.h"

/* Of one match: steps, and KiB of heap. A hostile expression costs milliseconds at most. */
enum { MOST_STEPS = 200 * 1000, MOST_HEAP = 1024 };

struct schema_pattern {
    pcre2_general_context *memory;
    pcre2_match_context *limits;
    pcre2_code *code;
    char *text;
};

static void *take_memory(size_t size, void *context) {
    (void)context;
    return mem_alloc(size);
}

static void give_memory(void *block, void *context) {
    (void)context;
    mem_free(block);
}

/* A fault as RE2 says it: what, and the part of the expression. */
struct fault {
    const char *what;
    struct str part;
};

static struct fault fault_of(const char *what, const char *at, size_t len) {
    return (struct fault){what, str_n(at, strnlen(at, len))};
}

/* "(?" at `at`: does RE2 know what follows? */
static bool is_perl_only(const char *at) {
    return strchr("=!>|(#&+R0123456789", at[2]) || (at[2] == '<' && (at[3] == '=' || at[3] == '!'));
}

/* PCRE2 knows more than RE2: what the API server would refuse is refused. `what` is NULL when there
 * is nothing of it. */
static struct fault beyond_re2(const char *text) {
    bool in_class = false;
    for (const char *at = text; *at; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            if ((!in_class && *at >= '1' && *at <= '9') || strchr("GRKXk", *at))
                return fault_of("invalid escape sequence", at - 1, 2);
        } else if (*at == '[') {
            if (!in_class && at[1] == '^' && at[2] == ']')
                at += 2;
            else if (!in_class && at[1] == ']')
                at++;
            in_class = true;
        } else if (*at == ']') {
            in_class = false;
        } else if (in_class) {
            continue;
        } else if (*at == '(' && at[1] == '?' && at[2] && is_perl_only(at)) {
            return fault_of("invalid or unsupported Perl syntax", at, at[2] == '<' ? 4 : 3);
        } else if (*at == '(' && at[1] == '*') {
            return fault_of("missing argument to repetition operator", at + 1, 1);
        } else if (strchr("*+?}", *at) && at[1] == '+') {
            return fault_of("invalid nested repetition operator", at, 2);
        }
    }
    return (struct fault){0};
}

/* PCRE2's faults in RE2's words; the others keep theirs. */
static const char *words_of(int code) {
    switch (code) {
    case PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS:
        return "missing closing )";
    case PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS:
        return "unexpected )";
    case PCRE2_ERROR_MISSING_SQUARE_BRACKET:
        return "missing closing ]";
    case PCRE2_ERROR_CLASS_RANGE_ORDER:
        return "invalid character class range";
    case PCRE2_ERROR_QUANTIFIER_OUT_OF_ORDER:
    case PCRE2_ERROR_QUANTIFIER_TOO_BIG:
        return "invalid repeat count";
    case PCRE2_ERROR_QUANTIFIER_INVALID:
        return "missing argument to repetition operator";
    default:
        return NULL;
    }
}

static int compile(struct schema_pattern *pattern, struct error *err) {
    pcre2_compile_context *context = pcre2_compile_context_create(pattern->memory);
    PCRE2_SIZE offset;
    int code;
    if (context == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a pattern");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
    pattern->code = pcre2_compile((PCRE2_SPTR)pattern->text, PCRE2_ZERO_TERMINATED,
                                  PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C, &code,
                                  &offset, context);
    pcre2_compile_context_free(context);
    if (pattern->code)
        return 0;
    if (code == PCRE2_ERROR_NOMEMORY || code == 121 /* compile's own "no memory" */)
        return error_set(err, ERROR_NOMEM, "no memory for a pattern");
    PCRE2_UCHAR why[120];
    const char *words = words_of(code);
    pcre2_get_error_message(code, why, sizeof why);
    return error_set(err, ERROR_REJECTED, "error parsing regexp: %s: `%.200s`",
                     words ? words : (const char *)why, pattern->text);
}

struct schema_pattern *schema_pattern_create(const char *text, struct error *err) {
    struct fault beyond = beyond_re2(text);
    if (beyond.what) {
        error_set(err, ERROR_REJECTED, "error parsing regexp: %s: `" STR_FORMAT "`", beyond.what,
                  STR_ARG(beyond.part));
        return NULL;
    }
    struct schema_pattern *pattern = mem_zalloc(sizeof *pattern);
    if (pattern) {
        pattern->memory = pcre2_general_context_create(take_memory, give_memory, NULL);
        pattern->text = mem_strdup(text);
    }
    if (pattern && pattern->memory)
        pattern->limits = pcre2_match_context_create(pattern->memory);
    if (pattern == NULL || pattern->text == NULL || pattern->limits == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a pattern");
        schema_pattern_destroy(pattern);
        return NULL;
    }
    pcre2_set_match_limit(pattern->limits, MOST_STEPS);
    pcre2_set_heap_limit(pattern->limits, MOST_HEAP);
    if (compile(pattern, err) < 0) {
        schema_pattern_destroy(pattern);
        return NULL;
    }
    return pattern;
}

void schema_pattern_destroy(struct schema_pattern *pattern) {
    if (pattern == NULL)
        return;
    pcre2_code_free(pattern->code);
    pcre2_match_context_free(pattern->limits);
    pcre2_general_context_free(pattern->memory);
    mem_free(pattern->text);
    mem_free(pattern);
}

const char *schema_pattern_text(const struct schema_pattern *pattern) {
    return pattern->text;
}

int schema_pattern_find(const struct schema_pattern *pattern, struct str subject,
                        struct error *err) {
    pcre2_match_data *match = pcre2_match_data_create(1, pattern->memory);
    if (match == NULL)
        return error_set(err, ERROR_NOMEM, "no memory to match a pattern");
    int found = pcre2_match(pattern->code, (PCRE2_SPTR)subject.data, subject.len, 0, 0, match,
                            pattern->limits);
    pcre2_match_data_free(match);
    if (found >= 0)
        return 1;
    if (found == PCRE2_ERROR_NOMATCH)
        return 0;
    if (found == PCRE2_ERROR_NOMEMORY)
        return error_set(err, ERROR_NOMEM, "no memory to match a pattern");
    return error_set(err, ERROR_REJECTED, "pattern `%.200s` takes too long", pattern->text);
}
