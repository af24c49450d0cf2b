#ifndef MOONLET_BINDINGS_VALUE_H
#define MOONLET_BINDINGS_VALUE_H

#include "base/str.h"
#include "bindings/isolate.h"

/*
 * Values: Lua to JSON text and back.
 *
 * null is a light userdata NULL; an array keeps its kind by a metatable the sandbox hides;
 * integers up to 2^53 are numbers, larger ones a userdata that keeps the text; strings are bytes.
 * Keys are written sorted, so equal values give equal text. Untouched views are written from
 * their nodes.
 * Limits:  VALUE_MAX_BYTES of text, JSON_MAX_DEPTH levels; cycles are found and named.
 * Threads: the isolate's. Yields: never.
 */
enum { VALUE_MAX_BYTES = 32 << 20 };

void value_open(lua_State *L); /* makes the metatables */

/* Appends the value at `index`. 0, INVALID ("spec.ports[2]: ..."), NOMEM. May raise only for
 * memory: guard `out` with CLEANUP. */
int value_encode(lua_State *L, int index, struct strbuf *out, struct error *err);
/* Pushes the value of one document. 0, REJECTED, NOMEM (nothing pushed). May raise for memory. */
int value_decode(lua_State *L, struct str json, struct error *err);

/* Appends compact JSON with line breaks and two spaces a level. 0 or ERROR_NOMEM. */
int value_indent(struct str json, struct strbuf *out);

/* Pushes a number from its text: a Lua number when that is exact, else one kept as text. */
void value_push_number(lua_State *L, struct str text);
void value_push_null(lua_State *L);
bool value_is_null(lua_State *L, int index);
bool value_is_array(lua_State *L, int index); /* marked, or a list that is not empty */
void value_mark_array(lua_State *L, int index);
/* Deep equality; two untouched views of one version are compared by reference. May raise. */
bool value_equal(lua_State *L, int a, int b);
/* The text of a number kept as text, or NULL. */
const char *value_number_text(lua_State *L, int index);

#endif
