#ifndef MOONLET_BINDINGS_VIEW_H
#define MOONLET_BINDINGS_VIEW_H

#include "bindings/isolate.h"
#include "cache/object.h"

/*
 * Views: cached objects as Lua tables, decoded one level at a time when first touched (R18).
 *
 * Is:      an empty table with a metatable the sandbox hides; the first access fills the whole
 *          level and takes the metatable off, so that from then on it is a plain table. Arrays
 *          are filled at once. A private copy: changing it changes nothing in the cache.
 * Anchor:  one userdata per view of an object; each unfilled table of it refers to it, and its
 *          __gc gives the pin back.
 * Threads: the isolate's. Yields: never.
 */
void view_open(lua_State *L); /* makes the metatables */

/* Pushes a table for the whole object, which it pins. `kind` (static as long as the isolate, or
 * NULL) makes it metadata-only and is named in the error (R23). */
void view_push(lua_State *L, const struct object *object, const char *metadata_only_kind);
/* core.deferred(fill) -> a table that is empty until something touches it: then `fill` gets it,
 * once, to give it members and a metatable. Must not wait. */
int view_deferred(lua_State *L);
/* Fills the table at `index` when it is an unfilled view, or deferred. */
void view_fill(lua_State *L, int index);
/* The node behind an unfilled view, else NODE_NONE. */
node_t view_node(lua_State *L, int index, const struct dag **ret_dag);
/* Pushes a second unfilled view of the same node; for copies. Only when view_node() says so. */
void view_push_twin(lua_State *L, int index);
/* The object whose root this table is or was (changed by now, perhaps), else NULL (R3, R4). */
const struct object *view_root(lua_State *L, int index);
bool view_is_marked_array(lua_State *L, int index);
/* Is the metatable on top of the stack one of ours, which scripts must not see? */
bool view_hides(lua_State *L);

#endif
