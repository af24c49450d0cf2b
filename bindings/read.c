#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bindings/library.h"
#include "bindings/script.h"
#include "bindings/view.h"
#include "cache/match.h"

/* Reads of the cache for ctx: pins are taken inside a read section, tables made after it. */

const struct bound_view *script_find_view(const struct script *script, const char *kind) {
    for (size_t i = 0; i < script->view_count; i++)
        if (script->views[i].definition == script->definition &&
            strcmp(script->views[i].kind, kind) == 0)
            return &script->views[i];
    return NULL;
}

static const struct bound_view *check_view(lua_State *L, const char *kind) {
    const struct bound_view *view = script_find_view(script_of(L), kind);
    if (!view)
        luaL_error(L, "'%s' is not cached for this definition", kind);
    return view;
}

static const char *metadata_only(const struct bound_view *view) {
    return view->metadata_only ? view->kind : NULL;
}

/* core.known(kind) -> nil | namespaced, metadata_only */
static int read_known(lua_State *L) {
    const struct bound_view *view = script_find_view(script_of(L), luaL_checkstring(L, 1));
    if (!view)
        return 0;
    lua_pushboolean(L, view->namespaced);
    lua_pushboolean(L, view->metadata_only);
    return 2;
}

static struct str opt_str(lua_State *L, int index) {
    struct str text = {0};
    if (!lua_isnoneornil(L, index))
        text.data = luaL_checklstring(L, index, &text.len);
    return text;
}

static void unpin(const struct object **object) {
    object_unpin(*object);
}

/* core.get(kind, ns, name) -> table | nil */
static int read_get(lua_State *L) {
    const struct bound_view *view = check_view(L, luaL_checkstring(L, 1));
    struct str ns = opt_str(L, 2), name = opt_str(L, 3);
    struct epoch_reader *reader = script_of(L)->engine->host.reader;
    if (!ns.data)
        ns = str_of("");
    epoch_enter(reader);
    CLEANUP(unpin) const struct object *object = store_get(view->store, ns, name);
    if (object)
        object = object_pin(object);
    epoch_leave(reader);
    if (!object)
        return 0;
    view_push(L, object, metadata_only(view));
    return 1;
}

struct found {
    const struct object **objects;
    size_t count, cap;
    bool failed;
    const struct selector *labels;
    const struct field_selector *fields;
};

static void drop_found(struct found *found) {
    for (size_t i = 0; i < found->count; i++)
        object_unpin(found->objects[i]);
    mem_free(found->objects);
}

static bool collect(void *context, const struct object *object) {
    struct found *found = context;
    node_t labels = node_path(object->dag, object->root, "metadata.labels");
    if (!selector_matches(found->labels, object->dag, labels) ||
        !field_selector_matches(found->fields, object->dag, object->root))
        return true;
    if (mem_grow(&found->objects, &found->cap, found->count + 1, sizeof *found->objects) < 0) {
        found->failed = true;
        return false;
    }
    found->objects[found->count++] = object_pin(object);
    return true;
}

static bool labels_fit(void *context, const struct dag *dag, node_t labels) {
    const struct found *found = context;
    return selector_matches(found->labels, dag, labels);
}

/* By the index of labels where that helps, else by looking at each object. */
static void find(const struct store *store, struct str ns, struct found *found) {
    bool indexed = found->labels && ns.data == NULL;
    if (indexed && store_each_labelled(store, labels_fit, collect, found))
        return;
    for (size_t i = 0; i < found->count; i++)
        object_unpin(found->objects[i]);
    found->count = 0;
    store_each(store, ns, collect, found);
}

static int by_key(const void *a, const void *b) {
    const struct object *left = *(const struct object *const *)a;
    const struct object *right = *(const struct object *const *)b;
    int order = str_compare(object_namespace(left), object_namespace(right));
    return order ? order : str_compare(object_name(left), object_name(right));
}

static int push_found(lua_State *L, struct found *found, const struct bound_view *view, bool keys) {
    if (found->failed)
        return luaL_error(L, "no memory");
    if (found->count)
        qsort(found->objects, found->count, sizeof *found->objects, by_key);
    lua_createtable(L, (int)found->count, 0);
    for (size_t i = 0; i < found->count; i++) {
        const struct object *object = found->objects[i];
        if (keys) {
            struct str ns = object_namespace(object), name = object_name(object),
                       uid = object_uid(object);
            lua_createtable(L, 0, 3);
            lua_pushlstring(L, ns.data, ns.len);
            lua_setfield(L, -2, "namespace");
            lua_pushlstring(L, name.data, name.len);
            lua_setfield(L, -2, "name");
            lua_pushlstring(L, uid.data, uid.len);
            lua_setfield(L, -2, "uid");
        } else {
            view_push(L, object, metadata_only(view));
        }
        lua_rawseti(L, -2, (int)i + 1);
        object_unpin(object);
        found->objects[i] = NULL; /* unpinning NULL is fine */
        isolate_check(L);
    }
    return 1;
}

static void drop_selector(struct selector **selector) {
    selector_destroy(*selector);
}
static void drop_fields(struct field_selector **selector) {
    field_selector_destroy(*selector);
}

/* core.list(kind, ns | nil, labels | nil, fields | nil, keys) -> list by namespace and name */
static int read_list(lua_State *L) {
    struct error err;
    const struct bound_view *view = check_view(L, luaL_checkstring(L, 1));
    struct str ns = opt_str(L, 2);
    const char *labels = luaL_optstring(L, 3, NULL), *fields = luaL_optstring(L, 4, NULL);
    bool keys = lua_toboolean(L, 5);
    CLEANUP(drop_selector) struct selector *selector = NULL;
    CLEANUP(drop_fields) struct field_selector *field_selector = NULL;
    if (labels && !(selector = selector_parse(labels, &err)))
        return luaL_error(L, "labels: %s", err.message);
    if (fields && !(field_selector = field_selector_parse(fields, &err)))
        return luaL_error(L, "fields: %s", err.message);
    CLEANUP(drop_found) struct found found = {.labels = selector, .fields = field_selector};
    struct epoch_reader *reader = script_of(L)->engine->host.reader;
    epoch_enter(reader);
    find(view->store, ns, &found);
    epoch_leave(reader);
    return push_found(L, &found, view, keys);
}

/* core.owned(kind, uid) -> list by namespace and name */
static int read_owned(lua_State *L) {
    const struct bound_view *view = check_view(L, luaL_checkstring(L, 1));
    struct str uid = opt_str(L, 2);
    CLEANUP(drop_found) struct found found = {0};
    struct epoch_reader *reader = script_of(L)->engine->host.reader;
    epoch_enter(reader);
    store_each_owned(view->store, uid, collect, &found);
    epoch_leave(reader);
    return push_found(L, &found, view, false);
}

/* core.from_cache(table) -> is it, or was it, the root of a cached object (R3) */
static int read_from_cache(lua_State *L) {
    lua_pushboolean(L, view_root(L, 1) != NULL);
    return 1;
}

const luaL_Reg read_functions[] = {
    {"known", read_known},           {"get", read_get}, {"list", read_list}, {"owned", read_owned},
    {"from_cache", read_from_cache}, {NULL, NULL}};
