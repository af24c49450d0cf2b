#include <stdlib.h>
#include <string.h>

#include "apiserver/patch_internal.h"
#include "json/scan.h"

struct apply {
    json_t *document;    /* owned */
    struct strbuf token; /* the last token of the path that was looked up last, unescaped */
    size_t copied;       /* bytes, by all copies so far */
};

enum op { OP_UNKNOWN, OP_ADD, OP_REMOVE, OP_REPLACE, OP_MOVE, OP_COPY, OP_TEST };
struct operation {
    enum op op;
    const char *path, *from; /* borrowed; NULL: not said */
    json_t *value;           /* borrowed; NULL: not said */
};

/* Where in the document a path ends: there may be nothing yet. */
struct place {
    json_t *parent;  /* borrowed from the document */
    const char *key; /* in apply->token */
    size_t depth;    /* levels down to the parent, which counts */
};

/* Paths (RFC 6901) */

/* ~1 and ~0 are read from left to right; any other ~ stands for itself. */
static void unescape(struct strbuf *ret, const char *at, const char *end) {
    strbuf_clear(ret);
    strbuf_adds(ret, "");
    for (; at < end; at++) {
        bool escape = *at == '~' && at + 1 < end && (at[1] == '0' || at[1] == '1');
        strbuf_addc(ret, !escape ? *at : at[1] == '1' ? '/' : '~');
        at += escape;
    }
}

/* As Go's Atoi: a sign and leading zeros are fine; negative counts from the end of `size`. */
static bool index_of(const char *key, size_t size, size_t *ret) {
    int64_t index = 0;
    struct str text = str_of(key);
    if (text.len > 0 && *key == '+' && key[1] != '-')
        text = str_n(key + 1, text.len - 1);
    if (!str_to_int64(text, &index))
        return false;
    if (index < 0)
        index += (int64_t)size;
    *ret = (size_t)index;
    return index >= 0;
}

/* NULL: there is nothing, which is as good as a null. -1: not even a place for it. */
static int get(const struct place *place, json_t **ret) {
    size_t index;
    *ret = NULL;
    if (json_is_object(place->parent)) {
        *ret = json_object_get(place->parent, place->key);
    } else {
        size_t size = json_array_size(place->parent);
        if (!index_of(place->key, size, &index) || index >= size)
            return -1;
        *ret = json_array_get(place->parent, index);
    }
    return 0;
}

/* The server ignores what stands before the first slash. */
static int find(struct apply *apply, const char *path, struct place *ret, struct error *err) {
    struct place at = {.parent = apply->document, .depth = 1};
    const char *token = path ? strchr(path, '/') : NULL, *end;
    if (token == NULL)
        return patch_unfit(err);
    for (;; token = end, at.depth++) {
        end = strchr(token + 1, '/');
        unescape(&apply->token, token + 1, end ? end : token + 1 + strlen(token + 1));
        if (apply->token.failed)
            return patch_no_memory(err);
        at.key = apply->token.data;
        if (end == NULL)
            break;
        json_t *next;
        if (get(&at, &next) < 0 || !(json_is_object(next) || json_is_array(next)))
            return patch_unfit(err);
        at.parent = next;
    }
    *ret = at;
    return 0;
}

/* Steps */

/* Takes `value`, NULL when there was no memory for it. */
static int put(const struct place *place, json_t *value, struct error *err) {
    size_t size = json_array_size(place->parent), index = size;
    if (value == NULL)
        return patch_no_memory(err);
    if (json_is_object(place->parent))
        return json_object_set_new_nocheck(place->parent, place->key, value) < 0
                   ? patch_no_memory(err)
                   : 0;
    /* negative counts from the end of the longer array: -1 appends */
    if ((strcmp(place->key, "-") != 0 && !index_of(place->key, size + 1, &index)) || index > size) {
        json_decref(value);
        return patch_unfit(err);
    }
    return json_array_insert_new(place->parent, index, value) < 0 ? patch_no_memory(err) : 0;
}

static int drop(const struct place *place, struct error *err) {
    size_t size = json_array_size(place->parent), index;
    bool fits;
    if (json_is_object(place->parent))
        fits = json_object_del(place->parent, place->key) == 0;
    else
        fits = index_of(place->key, size, &index) && index < size &&
               json_array_remove(place->parent, index) == 0;
    return fits ? 0 : patch_unfit(err);
}

static int add(const struct place *place, const json_t *value, struct error *err) {
    if (value && !patch_fits(value, JSON_MAX_DEPTH - place->depth))
        return patch_unfit(err);
    return put(place, value ? patch_copy(value, 0) : json_null(), err);
}

static int op_add(struct apply *apply, const struct operation *op, struct error *err) {
    struct place place;
    int rc = find(apply, op->path, &place, err);
    return rc < 0 ? rc : add(&place, op->value, err);
}

static int op_remove(struct apply *apply, const struct operation *op, struct error *err) {
    struct place place;
    int rc = find(apply, op->path, &place, err);
    return rc < 0 ? rc : drop(&place, err);
}

static int replace_all(struct apply *apply, const json_t *value, struct error *err) {
    if (!json_is_object(value) && !json_is_array(value))
        return patch_unfit(err);
    json_t *copy = patch_copy(value, 0);
    if (copy == NULL)
        return patch_no_memory(err);
    json_decref(apply->document);
    apply->document = copy;
    return 0;
}

/* A member need not be there, an item must. */
static int op_replace(struct apply *apply, const struct operation *op, struct error *err) {
    struct place place;
    json_t *old, *copy;
    size_t index;
    if (op->path && *op->path == '\0')
        return replace_all(apply, op->value, err);
    int rc = find(apply, op->path, &place, err);
    if (rc < 0)
        return rc;
    if (json_is_object(place.parent))
        return add(&place, op->value, err);
    if (get(&place, &old) < 0 ||
        (op->value && !patch_fits(op->value, JSON_MAX_DEPTH - place.depth)))
        return patch_unfit(err);
    index_of(place.key, json_array_size(place.parent), &index);
    copy = op->value ? patch_copy(op->value, 0) : json_null();
    return json_array_set_new(place.parent, index, copy) < 0 ? patch_no_memory(err) : 0;
}

static int op_move(struct apply *apply, const struct operation *op, struct error *err) {
    struct place from, to;
    json_t *value;
    int rc = find(apply, op->from, &from, err);
    if (rc < 0)
        return rc;
    if (get(&from, &value) < 0)
        return patch_unfit(err);
    size_t depth = from.depth;
    json_incref(value);
    rc = drop(&from, err);
    if (rc == 0)
        rc = find(apply, op->path, &to, err);
    if (rc == 0 && to.depth > depth && !patch_fits(value, JSON_MAX_DEPTH - to.depth))
        rc = patch_unfit(err);
    if (rc == 0)
        return put(&to, value, err);
    json_decref(value);
    return rc;
}

/* A member that is not there is copied as null. */
static int op_copy(struct apply *apply, const struct operation *op, struct error *err) {
    struct place from, to;
    json_t *value;
    int rc = find(apply, op->from, &from, err);
    if (rc < 0)
        return rc;
    if (get(&from, &value) < 0)
        return patch_unfit(err);
    rc = find(apply, op->path, &to, err);
    if (rc < 0)
        return rc;
    if (value)
        apply->copied += json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    return apply->copied > PATCH_MAX_COPIED ? patch_unfit(err) : add(&to, value, err);
}

static int op_test(struct apply *apply, const struct operation *op, struct error *err) {
    struct place place;
    json_t *value = apply->document;
    if (op->path == NULL || *op->path != '\0') {
        int rc = find(apply, op->path, &place, err);
        if (rc < 0)
            return rc;
        if (get(&place, &value) < 0)
            return patch_unfit(err);
    }
    bool nothing = value == NULL || json_is_null(value);
    bool wished = op->value && !json_is_null(op->value);
    bool same = nothing ? !wished : wished && json_equal(value, op->value);
    return same ? 0 : patch_unfit(err);
}

static int step(struct apply *apply, const struct operation *op, struct error *err) {
    switch (op->op) {
    case OP_ADD:
        return op_add(apply, op, err);
    case OP_REMOVE:
        return op_remove(apply, op, err);
    case OP_REPLACE:
        return op_replace(apply, op, err);
    case OP_MOVE:
        return op_move(apply, op, err);
    case OP_COPY:
        return op_copy(apply, op, err);
    case OP_TEST:
        return op_test(apply, op, err);
    default:
        return patch_unfit(err);
    }
}

/* Decoding */

/* NULL too when the text has a zero byte, which no path of a document has. */
static const char *text_of(const json_t *operation, const char *name) {
    const json_t *text = json_object_get(operation, name);
    const char *value = json_string_value(text);
    return value && strlen(value) == json_string_length(text) ? value : NULL;
}

static struct operation decode(const json_t *operation) {
    static const char *const names[] = {
        [OP_ADD] = "add",   [OP_REMOVE] = "remove", [OP_REPLACE] = "replace",
        [OP_MOVE] = "move", [OP_COPY] = "copy",     [OP_TEST] = "test"};
    const char *name = text_of(operation, "op");
    struct operation op = {.path = text_of(operation, "path"),
                           .from = text_of(operation, "from"),
                           .value = json_object_get(operation, "value")};
    for (size_t i = OP_ADD; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            op.op = (enum op)i;
    return op;
}

/* `null` is an empty operation, which does not apply. */
static int check_operation(const json_t *operation, struct error *err) {
    static const char *const texts[] = {"op", "path", "from"};
    if (!json_is_object(operation) && !json_is_null(operation))
        return patch_refuse(err, 400,
                            "error decoding patch: json: cannot unmarshal %s into Go value of "
                            "type handlers.jsonPatchOp",
                            patch_json_type(operation));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const json_t *text = json_object_get(operation, texts[i]);
        if (text && !json_is_string(text) && !json_is_null(text))
            return patch_refuse(err, 400,
                                "error decoding patch: json: cannot unmarshal %s into Go struct "
                                "field jsonPatchOp.%s of type string",
                                patch_json_type(text), texts[i]);
    }
    return 0;
}

static int check(const json_t *from, const json_t *operations, struct error *err) {
    size_t count = json_array_size(operations);
    int rc = 0;
    if (!json_is_array(operations) && !json_is_null(operations))
        return patch_refuse(err, 400,
                            "error decoding patch: json: cannot unmarshal %s into Go value of "
                            "type []handlers.jsonPatchOp",
                            patch_json_type(operations));
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = check_operation(json_array_get(operations, i), err);
    if (rc == 0 && count > PATCH_MAX_OPERATIONS)
        return patch_refuse(err, 413,
                            "Request entity too large: The allowed maximum operations in a JSON "
                            "patch is %d, got %zu",
                            PATCH_MAX_OPERATIONS, count);
    return rc < 0 ? rc : patch_check_depth(from, operations, err);
}

json_t *patch_json(const json_t *from, const json_t *operations, struct error *err) {
    struct apply apply = {0};
    if (check(from, operations, err) < 0)
        return NULL;
    apply.document = patch_copy(from, 0);
    int rc = apply.document ? 0 : patch_no_memory(err);
    for (size_t i = 0; rc == 0 && i < json_array_size(operations); i++) {
        struct operation op = decode(json_array_get(operations, i));
        rc = step(&apply, &op, err);
    }
    strbuf_finish(&apply.token);
    if (rc == 0)
        return apply.document;
    json_decref(apply.document);
    return NULL;
}
