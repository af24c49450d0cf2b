#include <math.h>
#include <stdlib.h>

#include "apiserver/document.h"
#include "apiserver/document_part.h"
#include "base/mem.h"
#include "json/scan.h"

/*
 * JSON as json_t: read by the scanner of the data path, several times faster. What it does not
 * take, or is rare, jansson judges, in the words that clients know.
 */
struct reader {
    struct json_scanner scanner;
    const struct fieldset_known *known; /* NULL: none */
    struct error err;                   /* nobody's */
};

static json_t *next_value(struct reader *reader, enum json_token token, enum document_part part);

/* NULL: too long, or too large. */
static json_t *number_of(struct str text) {
    char copy[32], *end;
    if (text.len >= sizeof copy)
        return NULL;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    if (strcspn(copy, ".eE") == text.len)
        return text.len <= 18 ? json_integer(strtoll(copy, &end, 10)) : NULL;
    double real = strtod(copy, &end);
    return isfinite(real) ? json_real(real) : NULL;
}

/* It has no escapes, and lasts as long as the document. */
static bool is_plain(const struct reader *reader, struct str key) {
    return key.data >= reader->scanner.start && key.data < reader->scanner.end;
}

/* The field set that comes next; NULL, and nothing has been read, when it is not known. */
static json_t *known_fields(struct reader *reader) {
    struct json_scanner *scanner = &reader->scanner, before = *scanner;
    struct str raw;
    json_t *fields = NULL;
    if (json_skip(scanner, &raw, &reader->err) == 0)
        fields = fieldset_known_of_text(reader->known, raw);
    if (fields)
        return fields;
    before.scratch = scanner->scratch;
    *scanner = before;
    return NULL;
}

static json_t *first_value(struct reader *reader, enum document_part part) {
    enum json_token token;
    json_t *fields = part == DOCUMENT_FIELDS ? known_fields(reader) : NULL;
    if (fields)
        return fields;
    return json_next(&reader->scanner, &token, &reader->err) == 0 ? next_value(reader, token, part)
                                                                  : NULL;
}

/* What is read next takes the place of a key with escapes, which has no NUL for jansson. */
static int add_escaped(struct reader *reader, json_t *object, struct str key) {
    char *copy = mem_strndup(key.data, key.len);
    int rc = copy && strlen(copy) == key.len
                 ? json_object_setn_new_nocheck(object, copy, key.len,
                                                first_value(reader, DOCUMENT_OTHER))
                 : -1;
    mem_free(copy);
    return rc;
}

static json_t *object_of(struct reader *reader, enum document_part part) {
    json_t *object = json_object();
    enum json_token token;
    size_t count = 0;
    while (object && json_next(&reader->scanner, &token, &reader->err) == 0) {
        struct str key = reader->scanner.text;
        if (token == JSON_TOKEN_OBJECT_END && json_object_size(object) == count)
            return object;
        if (token != JSON_TOKEN_KEY)
            break;
        if (is_plain(reader, key)
                ? json_object_setn_new_nocheck(object, key.data, key.len,
                                               first_value(reader, document_member(part, key))) < 0
                : add_escaped(reader, object, key) < 0)
            break;
        count++;
    }
    json_decref(object);
    return NULL;
}

static json_t *array_of(struct reader *reader, enum document_part part) {
    json_t *array = json_array();
    enum json_token token;
    while (array && json_next(&reader->scanner, &token, &reader->err) == 0) {
        if (token == JSON_TOKEN_ARRAY_END)
            return array;
        if (json_array_append_new(array, next_value(reader, token, document_item(part))) < 0)
            break;
    }
    json_decref(array);
    return NULL;
}

static json_t *next_value(struct reader *reader, enum json_token token, enum document_part part) {
    struct str text = reader->scanner.text;
    switch (token) {
    case JSON_TOKEN_OBJECT_BEGIN:
        return object_of(reader, part);
    case JSON_TOKEN_ARRAY_BEGIN:
        return array_of(reader, part);
    case JSON_TOKEN_STRING:
        return json_stringn_nocheck(text.data, text.len);
    case JSON_TOKEN_NUMBER:
        return number_of(text);
    case JSON_TOKEN_TRUE:
        return json_true();
    case JSON_TOKEN_FALSE:
        return json_false();
    case JSON_TOKEN_NULL:
        return json_null();
    default:
        return NULL;
    }
}

static json_t *read_document(struct str text, const struct fieldset_known *known) {
    struct reader reader = {.known = known};
    enum json_token token;
    json_t *document = NULL;
    json_scanner_init(&reader.scanner, text.data, text.len);
    if (json_next(&reader.scanner, &token, &reader.err) == 0)
        document = next_value(&reader, token, known ? DOCUMENT_OBJECT : DOCUMENT_OTHER);
    if (document &&
        (json_next(&reader.scanner, &token, &reader.err) < 0 || token != JSON_TOKEN_END)) {
        json_decref(document);
        document = NULL;
    }
    json_scanner_finish(&reader.scanner);
    return document;
}

json_t *document_parse(struct str text, struct error *err) {
    return document_parse_object(text, NULL, err);
}

json_t *document_parse_object(struct str text, const struct fieldset_known *known,
                              struct error *err) {
    json_error_t why;
    json_t *document = text.len > 0 ? read_document(text, known) : NULL;
    if (document == NULL)
        document = json_loadb(text.data ? text.data : "", text.len,
                              JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (document)
        return document;
    if (json_error_code(&why) == json_error_out_of_memory) {
        error_set(err, ERROR_NOMEM, "no memory for a document");
        return NULL;
    }
    error_set(err, ERROR_REJECTED, "byte %d: %s", why.position, why.text);
    err->status = 400;
    return NULL;
}
