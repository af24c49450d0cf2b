#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bindings/value.h"
#include "bindings/view.h"
#include "json/scan.h"
#include "json/write.h"

#define EXACT 9007199254740992.0 /* 2^53 */

struct step { /* where we are, innermost first */
    const struct step *outer;
    const void *table;
    struct str key; /* of the member being written, or */
    int index;      /* of the item; 0 = a member */
};

struct encoder {
    lua_State *L;
    struct json_writer writer;
    struct error *err;
};

static int encode(struct encoder *encoder, int index, const struct step *outer, unsigned depth);

static void add_path(struct strbuf *path, const struct step *step) {
    if (!step)
        return;
    add_path(path, step->outer);
    if (step->index)
        strbuf_printf(path, "[%d]", step->index);
    else
        strbuf_printf(path, "%s%.*s", path->len ? "." : "", (int)step->key.len, step->key.data);
}

static int refuse(struct encoder *encoder, const struct step *step, const char *why) {
    CLEANUP(strbuf_finish) struct strbuf path = {0};
    add_path(&path, step);
    if (path.len > 300)
        strbuf_adds(&path, " ...");
    return error_set(encoder->err, ERROR_INVALID, "%.300s%s%s", path.len ? path.data : "",
                     path.len ? ": " : "", why);
}

enum shape { SHAPE_OBJECT, SHAPE_ARRAY, SHAPE_MIXED, SHAPE_HOLES, SHAPE_KEYS };

/* What the table at `index` is in JSON; *ret_count is its number of members or items. */
static enum shape shape_of(lua_State *L, int index, bool marked, size_t *ret_count) {
    size_t strings = 0, integers = 0;
    double largest = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING) {
            strings++;
            continue;
        }
        double number = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0.5;
        if (number < 1 || number != floor(number)) {
            lua_pop(L, 1);
            return SHAPE_KEYS;
        }
        integers++;
        if (number > largest)
            largest = number;
    }
    *ret_count = strings + integers;
    if (strings && (integers || marked))
        return SHAPE_MIXED;
    if (integers && largest != (double)integers)
        return SHAPE_HOLES;
    return integers || marked ? SHAPE_ARRAY : SHAPE_OBJECT;
}

static int compare_keys(const void *a, const void *b) {
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static int encode_object(struct encoder *encoder, int index, struct step *step, size_t count,
                         unsigned depth) {
    lua_State *L = encoder->L;
    enum { FEW = 16 };
    struct str few[FEW], *keys = few;
    CLEANUP(mem_freep) struct str *many = NULL;
    if (count > FEW)
        keys = many = mem_alloc(count * sizeof *keys);
    if (!keys)
        return error_set(encoder->err, ERROR_NOMEM, "no memory");
    size_t n = 0;
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        keys[n].data = lua_tolstring(L, -1, &keys[n].len); /* the table keeps it alive */
        n++;
    }
    qsort(keys, n, sizeof *keys, compare_keys);
    json_write_object_begin(&encoder->writer);
    for (size_t i = 0; i < n; i++) {
        lua_pushlstring(L, keys[i].data, keys[i].len);
        lua_rawget(L, index);
        step->key = keys[i];
        json_write_key(&encoder->writer, keys[i]);
        int rc = encode(encoder, lua_gettop(L), step, depth + 1);
        if (rc < 0)
            return rc;
        lua_pop(L, 1);
    }
    json_write_object_end(&encoder->writer);
    return 0;
}

static int encode_table(struct encoder *encoder, int index, const struct step *outer,
                        unsigned depth) {
    lua_State *L = encoder->L;
    const struct dag *dag;
    node_t node = view_node(L, index, &dag);
    if (node != NODE_NONE) {
        node_write(dag, node, &encoder->writer);
        return 0;
    }
    view_fill(L, index); /* a metadata-only root has no node to write */
    struct step step = {.outer = outer, .table = lua_topointer(L, index)};
    for (const struct step *up = outer; up; up = up->outer)
        if (up->table == step.table)
            return refuse(encoder, outer, "the table contains itself");
    if (depth >= JSON_MAX_DEPTH)
        return refuse(encoder, outer, "nested too deep");
    luaL_checkstack(L, 4, "nested too deep");
    bool marked = view_is_marked_array(L, index);
    size_t count = 0;
    switch (shape_of(L, index, marked, &count)) {
    case SHAPE_OBJECT:
        return encode_object(encoder, index, &step, count, depth);
    case SHAPE_ARRAY:
        json_write_array_begin(&encoder->writer);
        for (size_t i = 1; i <= count; i++) {
            lua_rawgeti(L, index, (int)i);
            step.index = (int)i;
            int rc = encode(encoder, lua_gettop(L), &step, depth + 1);
            if (rc < 0)
                return rc;
            lua_pop(L, 1);
        }
        json_write_array_end(&encoder->writer);
        return 0;
    case SHAPE_MIXED:
        return refuse(encoder, outer, "a table with both list items and named fields");
    case SHAPE_HOLES:
        return refuse(encoder, outer, "a list with holes");
    default:
        return refuse(encoder, outer, "a key that is neither text nor a place in a list");
    }
}

static int encode_number(struct encoder *encoder, double number, const struct step *outer) {
    if (!isfinite(number))
        return refuse(encoder, outer, "not a finite number");
    if (number == floor(number) && fabs(number) <= EXACT)
        json_write_int(&encoder->writer, (int64_t)number);
    else
        json_write_double(&encoder->writer, number);
    return 0;
}

static int encode(struct encoder *encoder, int index, const struct step *outer, unsigned depth) {
    lua_State *L = encoder->L;
    struct str text;
    if (encoder->writer.buf->len > VALUE_MAX_BYTES)
        return refuse(encoder, NULL, "larger than 32 MB as JSON");
    isolate_check(L);
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        json_write_bool(&encoder->writer, lua_toboolean(L, index));
        return 0;
    case LUA_TNUMBER:
        return encode_number(encoder, lua_tonumber(L, index), outer);
    case LUA_TSTRING:
        text.data = lua_tolstring(L, index, &text.len);
        json_write_string(&encoder->writer, text);
        return 0;
    case LUA_TTABLE:
        return encode_table(encoder, index, outer, depth);
    case LUA_TNIL:
    case LUA_TLIGHTUSERDATA:
        if (lua_isnil(L, index) || value_is_null(L, index)) {
            json_write_null(&encoder->writer);
            return 0;
        }
        break;
    case LUA_TUSERDATA: {
        const char *number = value_number_text(L, index);
        if (number) {
            json_write_raw(&encoder->writer, str_of(number));
            return 0;
        }
        break;
    }
    default:
        break;
    }
    CLEANUP(mem_freep) char *why = mem_printf("a %s has no JSON form", luaL_typename(L, index));
    return refuse(encoder, outer, why ? why : "has no JSON form");
}

int value_encode(lua_State *L, int index, struct strbuf *out, struct error *err) {
    struct encoder encoder = {.L = L, .err = err};
    json_writer_init(&encoder.writer, out);
    int top = lua_gettop(L);
    if (index < 0)
        index = top + 1 + index;
    int rc = encode(&encoder, index, NULL, 0);
    lua_settop(L, top);
    if (rc == 0 && out->failed)
        return error_set(err, ERROR_NOMEM, "no memory");
    return rc;
}
