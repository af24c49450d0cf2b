#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bindings/library.h"
#include "bindings/match.h"

/* string.find, match, gmatch, gsub over our own matcher, and a bounded rep. */

enum { RESULT_MAX = 64 << 20 };

static bool interrupted(void *context) {
    return ((struct isolate *)context)->stopping != ISOLATE_RUNS;
}

static void start(lua_State *L, struct match *m, struct str text, struct str pattern) {
    match_init(m, text.data, text.len, pattern.data, pattern.len);
    m->interrupted = interrupted;
    m->context = isolate_of(L);
}

static const char *try_at(lua_State *L, struct match *m, const char *at, const char *pattern) {
    const char *end = match_here(m, at, pattern);
    if (!end && m->problem)
        luaL_error(L, "%s", m->problem);
    return end;
}

static struct str check_str(lua_State *L, int index) {
    struct str text;
    text.data = luaL_checklstring(L, index, &text.len);
    return text;
}

/* Pushes capture i; the whole match from s to e stands for capture 0 of a pattern without any. */
static void push_capture(lua_State *L, struct match *m, unsigned i, const char *s, const char *e) {
    if (i >= m->captures) {
        if (i)
            luaL_error(L, "invalid capture index");
        lua_pushlstring(L, s, (size_t)(e - s));
    } else if (m->capture[i].len == MATCH_OPEN) {
        luaL_error(L, "unfinished capture");
    } else if (m->capture[i].len == MATCH_POSITION) {
        lua_pushinteger(L, m->capture[i].at - m->text + 1);
    } else {
        lua_pushlstring(L, m->capture[i].at, (size_t)m->capture[i].len);
    }
}

/* All captures; the whole match when there are none and s is given. */
static int push_captures(lua_State *L, struct match *m, const char *s, const char *e) {
    unsigned count = m->captures == 0 && s ? 1 : m->captures;
    luaL_checkstack(L, (int)count, "too many captures");
    for (unsigned i = 0; i < count; i++)
        push_capture(L, m, i, s, e);
    return (int)count;
}

static bool is_plain(struct str pattern) {
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.data[i] && strchr("^$*+?.([%-", pattern.data[i]))
            return false;
    return true;
}

static int find_or_match(lua_State *L, bool find) {
    struct str text = check_str(L, 1), pattern = check_str(L, 2);
    ptrdiff_t init = luaL_optinteger(L, 3, 1);
    if (init < 0)
        init += (ptrdiff_t)text.len + 1;
    size_t from = init > 0 ? (size_t)init - 1 : 0;
    if (from > text.len)
        from = text.len;
    if (find && (lua_toboolean(L, 4) || is_plain(pattern))) {
        const char *at = pattern.len
                             ? memmem(text.data + from, text.len - from, pattern.data, pattern.len)
                             : text.data + from;
        if (!at) {
            lua_pushnil(L);
            return 1;
        }
        lua_pushinteger(L, at - text.data + 1);
        lua_pushinteger(L, at - text.data + (ptrdiff_t)pattern.len);
        return 2;
    }
    struct match m;
    start(L, &m, text, pattern);
    bool anchored = pattern.len && *pattern.data == '^';
    const char *p = pattern.data + anchored, *s = text.data + from;
    do {
        const char *e = try_at(L, &m, s, p);
        if (!e)
            continue;
        if (!find)
            return push_captures(L, &m, s, e);
        lua_pushinteger(L, s - text.data + 1);
        lua_pushinteger(L, e - text.data);
        return push_captures(L, &m, NULL, NULL) + 2;
    } while (s++ < m.text_end && !anchored);
    lua_pushnil(L);
    return 1;
}

static int strings_find(lua_State *L) {
    return find_or_match(L, true);
}
static int strings_match(lua_State *L) {
    return find_or_match(L, false);
}

static int gmatch_next(lua_State *L) { /* upvalues: text pattern offset */
    struct str text, pattern;
    text.data = lua_tolstring(L, lua_upvalueindex(1), &text.len);
    pattern.data = lua_tolstring(L, lua_upvalueindex(2), &pattern.len);
    struct match m;
    start(L, &m, text, pattern);
    size_t offset = (size_t)lua_tonumber(L, lua_upvalueindex(3));
    if (offset > text.len)
        return 0;
    for (const char *s = text.data + offset; s <= m.text_end; s++) {
        const char *e = try_at(L, &m, s, pattern.data);
        if (!e)
            continue;
        lua_pushnumber(L, (double)(e - text.data + (e == s)));
        lua_replace(L, lua_upvalueindex(3));
        return push_captures(L, &m, s, e);
    }
    return 0;
}

static int strings_gmatch(lua_State *L) {
    check_str(L, 1);
    check_str(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

static void add_template(lua_State *L, struct match *m, struct strbuf *out, const char *s,
                         const char *e) {
    size_t len, capture_len;
    const char *text = lua_tolstring(L, 3, &len);
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            strbuf_addc(out, text[i]);
            continue;
        }
        char c = ++i < len ? text[i] : '\0';
        if (c < '0' || c > '9') {
            strbuf_addc(out, c);
        } else if (c == '0') {
            strbuf_add(out, s, (size_t)(e - s));
        } else {
            push_capture(L, m, (unsigned)(c - '1'), s, e);
            const char *capture = lua_tolstring(L, -1, &capture_len);
            strbuf_add(out, capture, capture_len);
            lua_pop(L, 1);
        }
    }
}

static void add_value(lua_State *L, struct match *m, struct strbuf *out, const char *s,
                      const char *e) {
    switch (lua_type(L, 3)) {
    case LUA_TTABLE:
        push_capture(L, m, 0, s, e);
        lua_gettable(L, 3);
        break;
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, m, s, e), 1);
        break;
    default:
        add_template(L, m, out, s, e);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        strbuf_add(out, s, (size_t)(e - s)); /* false or nil keeps the text */
    } else if (lua_isstring(L, -1)) {
        size_t len;
        const char *text = lua_tolstring(L, -1, &len);
        strbuf_add(out, text, len);
    } else {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

static int strings_gsub(lua_State *L) {
    struct str text = check_str(L, 1), pattern = check_str(L, 2);
    int type = lua_type(L, 3);
    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TFUNCTION && type != LUA_TTABLE)
        return luaL_argerror(L, 3, "string/function/table expected");
    if (type == LUA_TNUMBER)
        lua_tolstring(L, 3, NULL);
    lua_Integer most = luaL_optinteger(L, 4, INT_MAX), count = 0;
    struct match m;
    start(L, &m, text, pattern);
    bool anchored = pattern.len && *pattern.data == '^';
    const char *p = pattern.data + anchored, *s = text.data;
    ISOLATE_DESCEND(L);
    CLEANUP(strbuf_finish) struct strbuf out = {0};
    while (count < most) {
        const char *e = try_at(L, &m, s, p);
        if (e) {
            count++;
            add_value(L, &m, &out, s, e);
        }
        if (out.failed)
            return luaL_error(L, "string.gsub: no memory");
        if (out.len > RESULT_MAX)
            return luaL_error(L, "string.gsub: the result is above the limit of 64 MB");
        if (e && e > s)
            s = e;
        else if (s < m.text_end)
            strbuf_addc(&out, *s++);
        else
            break;
        if (anchored)
            break;
    }
    if (s < m.text_end)
        strbuf_add(&out, s, (size_t)(m.text_end - s));
    if (out.failed)
        return luaL_error(L, "string.gsub: no memory");
    lua_pushlstring(L, out.len ? out.data : "", out.len);
    lua_pushinteger(L, count);
    return 2;
}

static int strings_rep(lua_State *L) {
    struct str text = check_str(L, 1);
    double count = luaL_checknumber(L, 2);
    if (!(count >= 1) || text.len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    size_t cap = isolate_of(L)->cap / 2;
    if (count * (double)text.len > (double)cap)
        return luaL_error(L, "string.rep: a result of %.0f bytes is above the limit of %d MB",
                          count * (double)text.len, (int)(cap >> 20));
    CLEANUP(strbuf_finish) struct strbuf out = {0};
    size_t total = text.len * (size_t)count;
    char *room = strbuf_reserve(&out, total);
    if (!room)
        return luaL_error(L, "string.rep: no memory");
    memcpy(room, text.data, text.len);
    for (size_t done = text.len; done < total;) { /* doubling what is there */
        size_t more = done < total - done ? done : total - done;
        memcpy(room + done, room, more);
        done += more;
    }
    lua_pushlstring(L, room, total);
    return 1;
}

const luaL_Reg strings_functions[] = {{"find", strings_find},     {"match", strings_match},
                                      {"gmatch", strings_gmatch}, {"gsub", strings_gsub},
                                      {"rep", strings_rep},       {NULL, NULL}};
