#include "apiserver/patch_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/document.h"
#include "base/mem.h"
#include "json/scan.h"
#include "json/write.h"

static const char *reason_of(int status) {
    switch (status) {
    case 400:
        return "BadRequest";
    case 413:
        return "RequestEntityTooLarge";
    case 422:
        return "Invalid";
    default:
        return "";
    }
}

int patch_refuse(struct error *err, int status, const char *format, ...) {
    struct error made;
    va_list args;
    va_start(args, format);
    vsnprintf(made.message, sizeof made.message, format, args);
    va_end(args);
    error_set(err, ERROR_REJECTED, "%s", made.message);
    if (err) {
        err->status = status;
        snprintf(err->reason, sizeof err->reason, "%s", reason_of(status));
    }
    return ERROR_REJECTED;
}

int patch_no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for a patch");
}

int patch_unfit(struct error *err) {
    return patch_refuse(err, 422, "the server rejected our request due to an error in our request");
}

bool patch_fits(const json_t *value, size_t levels) {
    bool array = json_is_array(value);
    if (!array && !json_is_object(value))
        return true;
    if (levels == 0)
        return false;
    for (size_t i = 0; array && i < json_array_size(value); i++)
        if (!patch_fits(json_array_get(value, i), levels - 1))
            return false;
    void *at = json_object_iter((json_t *)value);
    for (; at; at = json_object_iter_next((json_t *)value, at))
        if (!patch_fits(json_object_iter_value(at), levels - 1))
            return false;
    return true;
}

int patch_check_depth(const json_t *from, const json_t *patch, struct error *err) {
    if (!patch_fits(patch, JSON_MAX_DEPTH))
        return patch_refuse(err, 400, "error decoding patch: deeper than %d levels",
                            JSON_MAX_DEPTH);
    return patch_fits(from, JSON_MAX_DEPTH) ? 0 : patch_unfit(err);
}

static json_t *copy_array(const json_t *value, unsigned drop) {
    json_t *copy = json_array();
    for (size_t i = 0; copy && i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        if (drop & PATCH_DROP_DIRECTIVES && json_object_get(item, "$patch"))
            continue;
        if (json_array_append_new(copy, patch_copy(item, drop)) < 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

static json_t *copy_object(const json_t *value, unsigned drop) {
    json_t *copy = json_object(), *member;
    const char *key;
    json_object_foreach((json_t *)value, key, member) {
        if (drop & PATCH_DROP_NULLS && json_is_null(member))
            continue;
        if (drop & PATCH_DROP_DIRECTIVES && json_object_get(member, "$patch"))
            continue;
        if (json_object_set_new_nocheck(copy, key, patch_copy(member, drop)) < 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

json_t *patch_copy(const json_t *value, unsigned drop) {
    if (json_is_object(value))
        return copy_object(value, drop);
    return json_is_array(value) ? copy_array(value, drop) : json_copy((json_t *)value);
}

/* `wish` NULL: all of the member may change. */
static int own_member(json_t *copy, const char *name, const json_t *wish) {
    const json_t *now = json_object_get(copy, name);
    if (!json_is_object(now) && !json_is_array(now))
        return 0;
    return json_object_set_new_nocheck(copy, name, patch_copy_named(now, wish));
}

/* "x", which may be a directive about another member: "$setElementOrder/x". */
static int own_named(json_t *copy, const char *key, const json_t *wish) {
    const char *slash = *key == '$' ? strchr(key, '/') : NULL;
    int rc = slash ? own_member(copy, slash + 1, NULL) : 0;
    return rc < 0 ? rc : own_member(copy, key, wish);
}

json_t *patch_copy_named(const json_t *value, const json_t *patch) {
    if (!json_is_object(value) || !json_is_object(patch))
        return patch_copy(value, 0);
    json_t *copy = document_share(value), *wish;
    const char *key;
    json_object_foreach((json_t *)patch, key, wish) {
        if (own_named(copy, key, wish) < 0) {
            json_decref(copy);
            return NULL;
        }
    }
    return copy;
}

const char *patch_go_type(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "map[string]interface {}";
    case JSON_ARRAY:
        return "[]interface {}";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
        return "int64";
    case JSON_REAL:
        return "float64";
    case JSON_NULL:
        return "%!s(<nil>)";
    default:
        return "bool";
    }
}

const char *patch_json_type(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "number";
    case JSON_NULL:
        return "null";
    default:
        return "bool";
    }
}

static bool full(const struct strbuf *buf) {
    return buf->failed || buf->len > sizeof(((struct error *)NULL)->message);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_map(struct strbuf *buf, const json_t *map) {
    size_t count = 0;
    const char **keys = mem_calloc(json_object_size(map) + 1, sizeof *keys), *key;
    json_t *member;
    json_object_foreach((json_t *)map, key, member) {
        if (keys)
            keys[count++] = key;
    }
    if (keys)
        qsort(keys, count, sizeof *keys, by_name);
    strbuf_adds(buf, "map[");
    for (size_t i = 0; i < count && !full(buf); i++) {
        strbuf_printf(buf, "%s%s:", i ? " " : "", keys[i]);
        patch_go_print(buf, json_object_get(map, keys[i]));
    }
    strbuf_adds(buf, "]");
    mem_free(keys);
}

static void print_list(struct strbuf *buf, const json_t *list) {
    strbuf_adds(buf, "[");
    for (size_t i = 0; i < json_array_size(list) && !full(buf); i++) {
        strbuf_adds(buf, i ? " " : "");
        patch_go_print(buf, json_array_get(list, i));
    }
    strbuf_adds(buf, "]");
}

void patch_go_print(struct strbuf *buf, const json_t *value) {
    char text[JSON_DOUBLE_TEXT];
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        print_map(buf, value);
        break;
    case JSON_ARRAY:
        print_list(buf, value);
        break;
    case JSON_STRING:
        strbuf_add(buf, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        strbuf_printf(buf, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        json_double_text(json_real_value(value), text);
        strbuf_adds(buf, text);
        break;
    case JSON_NULL:
        strbuf_adds(buf, "<nil>");
        break;
    default:
        strbuf_adds(buf, json_is_true(value) ? "true" : "false");
    }
}
