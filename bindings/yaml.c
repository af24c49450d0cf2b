#include "yaml/yaml.h"

#include "base/mem.h"
#include "bindings/fail.h"
#include "bindings/library.h"
#include "bindings/value.h"

/* YAML for configuration: documents go through JSON text, so both know the same values. */

static void drop_json(json_t **value) {
    json_decref(*value);
}

static int append(const char *text, size_t len, void *context) {
    struct strbuf *out = context;
    strbuf_add(out, text, len);
    return out->failed ? -1 : 0;
}

/* core.yaml_decode(text) -> value | nil, message, info; an empty text is null */
int yaml_decode(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct error err;
    CLEANUP(drop_json) json_t *value = yaml_load(text, len, &err);
    if (!value)
        return mlua_fail(L, &err);
    CLEANUP(strbuf_finish) struct strbuf json = {0};
    if (json_dump_callback(value, append, &json, JSON_ENCODE_ANY | JSON_COMPACT) < 0)
        return luaL_error(L, "no memory");
    if (value_decode(L, strbuf_view(&json), &err) < 0)
        return mlua_fail(L, &err);
    return 1;
}

static int collect(void *context, json_t *document, size_t line, struct error *err) {
    (void)line;
    if (json_array_append(context, document) < 0)
        return error_set(err, ERROR_NOMEM, "no memory");
    return 0;
}

/* core.yaml_decode_all(text) -> list of documents | nil, message, info */
int yaml_decode_all(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct error err;
    CLEANUP(drop_json) json_t *list = json_array();
    CLEANUP(strbuf_finish) struct strbuf json = {0};
    if (!list)
        return luaL_error(L, "no memory");
    if (yaml_load_all(text, len, collect, list, &err) < 0)
        return mlua_fail(L, &err);
    if (json_dump_callback(list, append, &json, JSON_COMPACT) < 0)
        return luaL_error(L, "no memory");
    if (value_decode(L, strbuf_view(&json), &err) < 0)
        return mlua_fail(L, &err);
    return 1;
}

/* core.yaml_encode(value) -> text. Raises for what YAML cannot say. */
int yaml_encode(lua_State *L) {
    luaL_checkany(L, 1);
    struct error err;
    json_error_t why;
    CLEANUP(strbuf_finish) struct strbuf json = {0}, out = {0};
    if (value_encode(L, 1, &json, &err) < 0)
        return mlua_fail(L, &err);
    CLEANUP(drop_json)
    json_t *value = json_loadb(json.data, json.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!value)
        return luaL_error(L, "yaml: %s", why.text);
    yaml_dump(value, &out);
    if (out.failed)
        return luaL_error(L, "no memory");
    lua_pushlstring(L, out.len ? out.data : "", out.len);
    return 1;
}
