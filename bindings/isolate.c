#include "bindings/isolate.h"

#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bindings/watchdog.h"

enum { MAX_DEPTH = 150, RESERVE = 48 << 10, PINS_MARK = 256 };

/* The innermost line of a controller's file; reads the frames and allocates nothing. */
static void locate(struct isolate *isolate, lua_State *L) {
    lua_Debug at;
    for (int level = 0; level < 200 && lua_getstack(L, level, &at); level++) {
        if (!lua_getinfo(L, "Sl", &at) || at.source[0] != '@' || at.currentline <= 0)
            continue;
        snprintf(isolate->stopped_at, sizeof isolate->stopped_at, "%s:%d", at.short_src,
                 at.currentline);
        return;
    }
}

static void hook(lua_State *L, lua_Debug *ar) {
    struct isolate *isolate = isolate_of(L);
    (void)ar;
    if (!isolate->stopping)
        return;
    if (!isolate->stopped_at[0])
        locate(isolate, L);
    lua_pushlightuserdata(L, isolate); /* allocates nothing; isolate_stopped() has the sentence */
    lua_error(L);
}

/* Each line that runs; isolate_stop() puts its own hook in the place of this one. */
static void cover(lua_State *L, lua_Debug *ar) {
    struct isolate *isolate = isolate_of(L);
    if (lua_getinfo(L, "S", ar) && ar->source[0] == '@')
        isolate->covered(isolate, ar->source + 1, ar->currentline);
}

void isolate_stop(struct isolate *isolate, enum isolate_stop why) {
    if (!isolate->entered || isolate->hooking)
        return;
    isolate->hooking = 1;
    if (isolate->stopping == ISOLATE_RUNS)
        isolate->stopping = (sig_atomic_t)why;
    lua_sethook(isolate->L, hook, LUA_MASKCOUNT, 1);
    isolate->hooking = 0;
}

static bool in_reserve(const struct isolate *isolate, const void *block) {
    const char *at = block;
    bool last = at >= isolate->last && at < isolate->last + sizeof isolate->last;
    return last || (isolate->reserve && at >= isolate->reserve && at < isolate->reserve + RESERVE);
}

/* lua_newstate() crashes when its later allocations fail; those may fall back on a reserve. */
static void *from_reserve(struct isolate *isolate, size_t size) {
    size_t rounded = (size + 15) & ~(size_t)15;
    if (isolate->L || rounded > RESERVE - isolate->reserved)
        return NULL;
    void *block = isolate->reserve + isolate->reserved;
    isolate->reserved += rounded;
    return block;
}

static void *take_block(struct isolate *isolate, size_t size) {
    void *block = pool_fits(size) ? pool_alloc(&isolate->pool, size) : mem_alloc(size);
    return block ? block : from_reserve(isolate, size);
}

static void give_block(struct isolate *isolate, void *block, size_t size) {
    if (block == NULL || in_reserve(isolate, block))
        return;
    if (pool_fits(size))
        pool_free(&isolate->pool, block, size);
    else
        mem_free(block);
}

static void *resize(struct isolate *isolate, void *block, size_t old, size_t size) {
    if (block == NULL)
        return take_block(isolate, size);
    if (!in_reserve(isolate, block)) {
        if (pool_fits(old) && pool_fits(size) && pool_class(old) == pool_class(size))
            return block;
        if (!pool_fits(old) && !pool_fits(size))
            return mem_realloc(block, size);
    }
    void *moved = take_block(isolate, size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, old < size ? old : size);
    give_block(isolate, block, old);
    return moved;
}

static void end_for_memory(struct isolate *isolate) {
    if (!isolate->stopped_at[0])
        locate(isolate, isolate->running);
    isolate_stop(isolate, ISOLATE_MEMORY);
    isolate->dead = true;
}

/* The pool's pages are more than what is used of them, and never given back. */
static bool is_over(const struct isolate *isolate, size_t more) {
    return isolate->used + more + isolate->pins * ISOLATE_PIN_BYTES > isolate->cap ||
           isolate->pool.held > 2 * isolate->cap;
}

/* LuaJIT crashes when its string functions in assembler (sub, char, upper...) get no memory. So the
 * request that goes over the cap is granted, as far as one step can need, and the next instruction
 * ends the script; only beyond twice the cap the answer is no. */
static bool overdraw(struct isolate *isolate, size_t more) {
    end_for_memory(isolate);
    return isolate->used + more <= 2 * isolate->cap;
}

/* The same when there is no memory at all: a small request gets the last bytes. */
static void *from_last(struct isolate *isolate, size_t size) {
    size_t rounded = (size + 15) & ~(size_t)15;
    end_for_memory(isolate);
    if (rounded > sizeof isolate->last - isolate->last_used)
        return NULL;
    void *block = isolate->last + isolate->last_used;
    isolate->last_used += rounded;
    return block;
}

static void *allocate(void *context, void *block, size_t old, size_t size) {
    struct isolate *isolate = context;
    if (!size) {
        if (block)
            isolate->used -= old;
        give_block(isolate, block, old);
        return NULL;
    }
    if (!block)
        old = 0;
    if (size > old && isolate->entered && is_over(isolate, size - old) &&
        !overdraw(isolate, size - old))
        return NULL;
    void *moved = resize(isolate, block, old, size);
    if (!moved && !block && isolate->entered)
        moved = from_last(isolate, size);
    if (!moved) {
        isolate->dead = true;
        return NULL;
    }
    isolate->used += size - old;
    return moved;
}

/* What the sandbox takes from; no io, debug or package. */
static int open_libraries(lua_State *L) {
    static const lua_CFunction open[] = {luaopen_base, luaopen_table, luaopen_string, luaopen_math,
                                         luaopen_bit,  luaopen_os,    luaopen_jit};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        lua_pushcfunction(L, open[i]);
        lua_call(L, 0, 0);
    }
    /* After luaopen_jit, which turns the compiler on: hooks do not fire in compiled loops. */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_gc(L, LUA_GCSETPAUSE, 150);
    lua_gc(L, LUA_GCSETSTEPMUL, 300);
    return 0;
}

struct isolate *isolate_create(struct watchdog *watchdog, size_t cap, uint64_t cpu_ns, void *owner,
                               struct error *err) {
    struct isolate *isolate = mem_zalloc(sizeof *isolate);
    if (!isolate) {
        error_set(err, ERROR_NOMEM, "isolate: no memory");
        return NULL;
    }
    isolate->watchdog = watchdog;
    isolate->cap = cap;
    isolate->cpu_ns = cpu_ns;
    isolate->owner = owner;
    isolate->pins_mark = PINS_MARK;
    isolate->reserve = mem_alloc(RESERVE);
    isolate->L = isolate->reserve ? lua_newstate(allocate, isolate) : NULL;
    if (isolate->L && isolate->reserved == 0) { /* it was not needed */
        mem_free(isolate->reserve);
        isolate->reserve = NULL;
    }
    if (!isolate->L || lua_cpcall(isolate->L, open_libraries, NULL) != 0) {
        error_set(err, ERROR_NOMEM, "isolate: no memory");
        isolate_destroy(isolate);
        return NULL;
    }
    return isolate;
}

void isolate_destroy(struct isolate *isolate) {
    if (!isolate)
        return;
    if (isolate->L)
        lua_close(isolate->L);
    pool_finish(&isolate->pool);
    mem_free(isolate->reserve);
    mem_free(isolate);
}

struct isolate *isolate_of(lua_State *L) {
    void *isolate;
    lua_getallocf(L, &isolate);
    return isolate;
}

void isolate_set_ref(lua_State *L, enum isolate_ref ref) {
    struct isolate *isolate = isolate_of(L);
    isolate->tables[ref] = lua_topointer(L, -1);
    isolate->refs[ref] = luaL_ref(L, LUA_REGISTRYINDEX);
}

void isolate_push_ref(lua_State *L, enum isolate_ref ref) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, isolate_of(L)->refs[ref]);
}

int isolate_resume(struct isolate *isolate, lua_State *co, int nargs) {
    isolate->stopping = ISOLATE_RUNS;
    isolate->stopped_at[0] = '\0';
    isolate->running = co;
    isolate->depth = 0;
    if (isolate->covered)
        lua_sethook(isolate->L, cover, LUA_MASKLINE, 0);
    isolate->entered = 1;
    watchdog_arm(isolate->watchdog, isolate);
    int status = lua_resume(co, nargs);
    isolate->spent_ns += watchdog_disarm(isolate->watchdog);
    isolate->entered = 0;
    lua_sethook(isolate->L, NULL, 0, 0);
    return status;
}

bool isolate_no_memory(const char *message) {
    struct str text = str_of(message); /* ours, and LuaJIT's */
    return str_ends_with(text, "no memory") || str_ends_with(text, "not enough memory");
}

int isolate_build(struct isolate *isolate, lua_CFunction build, void *context, struct error *err) {
    int status = lua_cpcall(isolate->L, build, context);
    if (status == 0)
        return 0;
    if (status == LUA_ERRMEM) {
        isolate->dead = true;
        lua_pop(isolate->L, 1);
        return error_set(err, ERROR_NOMEM, "no memory");
    }
    const char *text = lua_tostring(isolate->L, -1);
    int code = text && isolate_no_memory(text) ? ERROR_NOMEM : ERROR_INTERNAL;
    error_set(err, code, "%s", text ? text : "an error without a message");
    lua_pop(isolate->L, 1);
    return code;
}

bool isolate_stopped(const struct isolate *isolate, struct error *err) {
    const char *at = isolate->stopped_at, *colon = *at ? ": " : "";
    if (isolate->dead)
        error_set(err, ERROR_NOMEM, "%s%smore memory than the limit of %zu MB", at, colon,
                  isolate->cap / 1000000);
    else if (isolate->stopping == ISOLATE_CPU)
        error_set(err, ERROR_TIMEOUT, "%s%sran for %.3g s without waiting, the limit is %.3g s", at,
                  colon, (double)isolate->cpu_ns / 1e9, (double)isolate->cpu_ns / 1e9);
    else
        return false;
    return true;
}

void isolate_check(lua_State *L) {
    struct isolate *isolate = isolate_of(L);
    if (isolate->stopping)
        luaL_error(L, "%s",
                   isolate->stopping == ISOLATE_CPU ? "the CPU limit is used up"
                                                    : "the memory limit is used up");
}

struct isolate *isolate_descend(lua_State *L) {
    struct isolate *isolate = isolate_of(L);
    if (isolate->depth >= MAX_DEPTH)
        luaL_error(L, "stack overflow (too many nested callbacks)");
    isolate->depth++;
    return isolate;
}

void isolate_ascend(struct isolate **isolate) {
    if (*isolate)
        (*isolate)->depth--;
}

size_t isolate_memory(const struct isolate *isolate) {
    return isolate->used + isolate->pins * ISOLATE_PIN_BYTES;
}

static int collect(lua_State *L) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void isolate_tidy(struct isolate *isolate) {
    if (isolate->pins < isolate->pins_mark && isolate_memory(isolate) < isolate->cap / 2)
        return;
    isolate_build(isolate, collect, NULL, NULL);
    isolate->pins_mark = 2 * isolate->pins + PINS_MARK;
    if (isolate_memory(isolate) > isolate->cap)
        isolate->dead = true;
}
