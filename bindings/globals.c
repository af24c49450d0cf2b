#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bindings/globals.h"

/*
 * Reads the bytecode that lua_dump() writes (LuaJIT's lj_bcdump.h, version 2): which instructions
 * get or set a global, and in which line. The numbers of the two instructions are taken from a
 * chunk whose globals are known, since they differ between versions.
 */
struct reading {
    struct str rest;
    const char *path; /* of the chunk; not terminated */
    size_t path_len;
    uint8_t get, set; /* opcodes */
    bool broken;      /* not as expected; nothing is reported */
    /* Told each line instead of globals; or NULL. */
    void (*tell)(void *context, const char *path, int line);
    void *context;
    char shown[256]; /* the path, for tell() */
};

struct constants {
    struct str *texts; /* in the order of the dump; data NULL for what is no text */
    size_t count;
};

static void drop_constants(struct constants *constants) {
    mem_free(constants->texts);
}

static const char *take(struct reading *reading, size_t len) {
    if (reading->broken || len > reading->rest.len) {
        reading->broken = true;
        return NULL;
    }
    const char *at = reading->rest.data;
    reading->rest = str_n(at + len, reading->rest.len - len);
    return at;
}

static uint8_t byte(struct reading *reading) {
    const char *at = take(reading, 1);
    return at ? (uint8_t)*at : 0;
}

static uint32_t number(struct reading *reading) { /* ULEB128 */
    uint32_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t one = byte(reading);
        value |= shift < 32 ? (uint32_t)(one & 0x7f) << shift : 0;
        if (one < 0x80)
            return value;
    }
    reading->broken = true;
    return 0;
}

enum { DUMP_STRIPPED = 2, INTEGER = 3, NUMBER = 4, TEXT = 5, TABLE = 1, COMPLEX = 4 };

static void skip_numbers(struct reading *reading, unsigned count) {
    while (count--)
        number(reading);
}

static void skip_table(struct reading *reading) {
    uint64_t items = number(reading);
    items += 2 * (uint64_t)number(reading);
    while (items-- && !reading->broken) {
        uint32_t type = number(reading);
        if (type >= TEXT)
            take(reading, type - TEXT);
        else
            skip_numbers(reading, type == INTEGER ? 1 : type == NUMBER ? 2 : 0);
    }
}

static void read_constants(struct reading *reading, struct constants *constants) {
    for (size_t i = 0; i < constants->count && !reading->broken; i++) {
        uint32_t type = number(reading);
        if (type >= TEXT) {
            size_t len = type - TEXT;
            const char *data = take(reading, len);
            constants->texts[i] = str_n(data, data ? len : 0);
        } else if (type == TABLE) {
            skip_table(reading);
        } else if (type != 0) { /* 0: a function inside */
            skip_numbers(reading, type == COMPLEX ? 4 : 2);
        }
    }
}

struct lines {
    const char *table;
    uint32_t first, count;
};

static uint32_t line_of(const struct lines *lines, size_t instruction) {
    const char *at = lines->table;
    uint16_t two;
    uint32_t four;
    if (lines->count < 256)
        return lines->first + (uint8_t)at[instruction];
    if (lines->count < 65536) {
        memcpy(&two, at + 2 * instruction, sizeof two);
        return lines->first + two;
    }
    memcpy(&four, at + 4 * instruction, sizeof four);
    return lines->first + four;
}

/* Adds { name =, at =, set = } to the list on top of L. */
static void add(lua_State *L, const struct reading *reading, struct str name, uint32_t line,
                bool set) {
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, name.data, name.len);
    lua_setfield(L, -2, "name");
    lua_pushlstring(L, reading->path, reading->path_len);
    lua_pushfstring(L, ":%d", (int)line);
    lua_concat(L, 2);
    lua_setfield(L, -2, "at");
    lua_pushboolean(L, set);
    lua_setfield(L, -2, "set");
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
}

/* One function of the dump, of `len` bytes. */
static void read_function(lua_State *L, struct reading *reading, size_t len) {
    CLEANUP(drop_constants) struct constants constants = {0};
    struct lines lines = {0};
    const char *end = reading->rest.data + len;
    take(reading, 3); /* flags, parameters, frame */
    size_t upvalues = byte(reading);
    constants.count = number(reading);
    number(reading);
    size_t instructions = number(reading), debug = number(reading);
    lines.first = debug ? number(reading) : 0;
    lines.count = debug ? number(reading) : 0;
    size_t width = lines.count < 256 ? 1 : lines.count < 65536 ? 2 : 4;
    const char *code = take(reading, 4 * instructions);
    take(reading, 2 * upvalues);
    if (reading->broken || constants.count > len || debug > len || width * instructions > debug) {
        reading->broken = true;
        return;
    }
    constants.texts = mem_calloc(constants.count + 1, sizeof *constants.texts);
    if (!constants.texts)
        luaL_error(L, "no memory");
    read_constants(reading, &constants);
    lines.table = end - debug;
    for (size_t i = 0; i < instructions && !reading->broken; i++) {
        uint32_t word;
        memcpy(&word, code + 4 * i, sizeof word);
        uint8_t op = (uint8_t)word;
        if (reading->tell) {
            reading->tell(reading->context, reading->shown, (int)line_of(&lines, i));
            continue;
        }
        size_t constant = word >> 16;
        if (op != reading->get && op != reading->set)
            continue;
        if (constant >= constants.count ||
            !constants.texts[constants.count - 1 - constant].data) /* counted from the end */
            reading->broken = true;
        else
            add(L, reading, constants.texts[constants.count - 1 - constant], line_of(&lines, i),
                op == reading->set);
    }
    if (!reading->broken)
        reading->rest = str_n(end, (size_t)(reading->rest.data + reading->rest.len - end));
}

/* Leaves the list on top; false when the dump is not as expected. */
static bool read_dump(lua_State *L, struct reading *reading) {
    lua_newtable(L);
    const char *head = take(reading, 4);
    if (!head || memcmp(head, "\x1bLJ\2", 4) != 0 || (number(reading) & DUMP_STRIPPED))
        return false;
    reading->path_len = number(reading);
    reading->path = take(reading, reading->path_len);
    if (reading->path_len > 0 && reading->path && reading->path[0] == '@') {
        reading->path++;
        reading->path_len--;
    }
    for (size_t len; (len = number(reading)) != 0 && !reading->broken;) {
        if (len > reading->rest.len)
            return false;
        read_function(L, reading, len);
    }
    return !reading->broken;
}

static int write_dump(lua_State *L, const void *data, size_t len, void *context) {
    (void)L;
    strbuf_add(context, data, len);
    return ((struct strbuf *)context)->failed;
}

/* The bytecode of the function on top of L. */
static void dump(lua_State *L, struct strbuf *out) {
    if (lua_dump(L, write_dump, out) != 0)
        luaL_error(L, "no memory");
}

/* Finds the opcodes in the first two instructions of "x = y". */
static bool learn(lua_State *L, struct reading *ret) {
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    if (luaL_loadstring(L, "x = y") != 0)
        return false;
    dump(L, &text);
    lua_pop(L, 1);
    for (size_t at = 0; at + 8 <= text.len; at++) { /* GGET 0 "y", GSET 0 "x", RET0 */
        const uint8_t *code = (const uint8_t *)text.data + at;
        if (code[1] != 0 || code[5] != 0 || code[3] != 0 || code[7] != 0 ||
            code[2] + code[6] != 1 || code[4] != code[0] + 1)
            continue;
        struct reading trial = {.rest = strbuf_view(&text), .get = code[0], .set = code[4]};
        bool fits = read_dump(L, &trial) && lua_objlen(L, -1) == 2;
        lua_pop(L, 1);
        if (fits) {
            ret->get = trial.get;
            ret->set = trial.set;
            return true;
        }
    }
    return false;
}

int core_globals(lua_State *L) {
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    struct reading reading = {0};
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    if (!learn(L, &reading))
        return 0;
    lua_settop(L, 1);
    dump(L, &text);
    reading.rest = strbuf_view(&text);
    return read_dump(L, &reading) ? 1 : 0;
}

void globals_lines(lua_State *L, void (*tell)(void *context, const char *path, int line),
                   void *context) {
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    struct reading reading = {.tell = tell, .context = context};
    lua_Debug at;
    lua_pushvalue(L, -1);
    lua_getinfo(L, ">S", &at);
    snprintf(reading.shown, sizeof reading.shown, "%s", at.source + (at.source[0] == '@'));
    dump(L, &text);
    reading.rest = strbuf_view(&text);
    read_dump(L, &reading);
    lua_pop(L, 1);
}
