#include "apiserver/document.h"
#include "base/error.h"
#include "json/scan.h"

/*
 * JSON that has a key twice, as Go's decoder reads it: the last one counts, and each is told of.
 */
enum { MOST_TOLD = 100 };

struct finder {
    struct json_scanner scanner;
    struct strbuf path; /* of the value that is read */
    json_t *found;      /* borrowed */
    bool failed;        /* no memory */
};

static void tell(struct finder *finder) {
    json_t *path = json_stringn(finder->path.data, finder->path.len), *other;
    size_t i;
    bool told = json_array_size(finder->found) >= MOST_TOLD;
    json_array_foreach(finder->found, i, other) told |= json_equal(other, path);
    finder->failed |= path == NULL || finder->path.failed;
    if (!told && path && json_array_append(finder->found, path) < 0)
        finder->failed = true;
    json_decref(path);
}

static bool next(struct finder *finder, enum json_token *ret) {
    int rc = finder->failed ? ERROR_NOMEM : json_next(&finder->scanner, ret, NULL);
    finder->failed |= rc == ERROR_NOMEM;
    return rc == 0;
}

static bool find_in_next(struct finder *finder);
static bool find_in(struct finder *finder, enum json_token token);

static void see_key(struct finder *finder, json_t *seen, struct str key) {
    strbuf_adds(&finder->path, finder->path.len > 0 ? "." : "");
    strbuf_add(&finder->path, key.data, key.len);
    if (json_object_getn(seen, key.data, key.len))
        tell(finder);
    else if (json_object_setn_new(seen, key.data, key.len, json_true()) < 0)
        finder->failed = true;
}

static bool find_in_object(struct finder *finder) {
    json_t *seen = json_object();
    enum json_token token;
    size_t len = finder->path.len;
    bool fine = seen != NULL, whole = false;
    finder->failed |= !fine;
    while (fine && next(finder, &token)) {
        whole = token == JSON_TOKEN_OBJECT_END;
        if (whole)
            break;
        see_key(finder, seen, finder->scanner.text);
        fine = find_in_next(finder);
        finder->path.len = len;
    }
    json_decref(seen);
    return whole;
}

static bool find_in_array(struct finder *finder) {
    enum json_token token;
    size_t len = finder->path.len;
    for (size_t i = 0; next(finder, &token); i++) {
        if (token == JSON_TOKEN_ARRAY_END)
            return true;
        strbuf_printf(&finder->path, "[%zu]", i);
        if (!find_in(finder, token))
            break;
        finder->path.len = len;
    }
    return false;
}

/* Not deeper than the scanner goes. false: no JSON, or no memory. */
static bool find_in(struct finder *finder, enum json_token token) {
    if (token == JSON_TOKEN_OBJECT_BEGIN)
        return find_in_object(finder);
    return token == JSON_TOKEN_ARRAY_BEGIN ? find_in_array(finder) : true;
}

static bool find_in_next(struct finder *finder) {
    enum json_token token;
    return next(finder, &token) && find_in(finder, token);
}

/* 0, REJECTED or NOMEM. */
static int find(struct str text, json_t *found) {
    struct finder finder = {.found = found};
    json_scanner_init(&finder.scanner, text.data, text.len);
    bool whole = find_in_next(&finder);
    json_scanner_finish(&finder.scanner);
    strbuf_finish(&finder.path);
    if (finder.failed)
        return ERROR_NOMEM;
    return whole && json_array_size(found) > 0 ? 0 : ERROR_REJECTED;
}

json_t *document_parse_twice(struct str text, json_t *found, struct error *err) {
    json_error_t why;
    int rc = find(text, found);
    json_t *document = rc == 0 ? json_loadb(text.data, text.len, JSON_ALLOW_NUL, &why) : NULL;
    if (rc == 0 && document == NULL)
        rc = json_error_code(&why) == json_error_out_of_memory ? ERROR_NOMEM : ERROR_REJECTED;
    if (rc < 0)
        error_set(err, rc, "no JSON with a key twice");
    return document;
}
