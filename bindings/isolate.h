#ifndef MOONLET_BINDINGS_ISOLATE_H
#define MOONLET_BINDINGS_ISOLATE_H

#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdbool.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "bindings/pool.h"

/*
 * Isolate: one lua_State with a memory cap and a CPU budget that hostile code cannot escape (R19).
 *
 * Is:      the allocator, the guard around every piece of Lua that runs, and the end of both.
 * Is not:  the sandbox (scripts/moonlet/core/sandbox.lua) or the library (library.h).
 * Memory:  above the cap an allocation fails while Lua runs, the hook is armed, and the isolate is
 *          dead afterwards. Host code that prepares a call may go beyond the cap.
 * CPU:     a timer on the thread's CPU clock sends a signal; its handler arms a hook that raises
 *          at each instruction until control is back in C, so pcall cannot keep the code alive.
 * Threads: one. Only what is named here may be touched by the signal handler. Yields: never.
 */
enum isolate_stop { ISOLATE_RUNS, ISOLATE_CPU, ISOLATE_MEMORY };

/* Values every part of bindings/ reaches by isolate->refs, in the registry. */
enum isolate_ref {
    REF_VIEW,          /* metatable of a table not filled yet */
    REF_ARRAY,         /* metatable that marks a JSON array */
    REF_METADATA_ONLY, /* metatable of a root of which only metadata is there */
    REF_ANCHOR,        /* metatable of the userdata that holds an object's pin */
    REF_ROOTS,         /* weak: root table -> anchor */
    REF_NUMBER,        /* metatable of a number kept as text */
    REF_ERROR,         /* metatable of error values */
    REF_CORE,          /* the table behind require "moonlet.core" */
    REF_LIBRARY,       /* the library's require */
    REF_ENV,           /* globals of the controller's files */
    REF_COUNT
};

struct isolate {
    lua_State *L;
    unsigned depth;     /* C functions that call Lua, inside each other */
    lua_State *running; /* the coroutine last resumed */
    int refs[REF_COUNT];
    const void *tables[REF_COUNT]; /* the same, to compare by */
    void *owner;                   /* the script; isolate_of() finds the isolate from a state */
    void (*covered)(struct isolate *isolate, const char *path, int line); /* or NULL */
    size_t used, cap;                                                     /* bytes */
    struct pool pool;                                                     /* its small blocks */
    char *reserve;                /* for lua_newstate() alone; NULL when it was not needed */
    size_t reserved;              /* bytes of it handed out */
    _Alignas(16) char last[2048]; /* for small requests when there is no memory */
    size_t last_used;
    size_t pins;                    /* objects held by views; each counts ISOLATE_PIN_BYTES */
    size_t pins_mark;               /* so many drive a collection after a call */
    uint64_t cpu_ns, spent_ns;      /* budget between waits; used since creation */
    bool dead;                      /* its memory ran out: rebuild it */
    struct watchdog *watchdog;      /* of the thread, borrowed */
    volatile sig_atomic_t stopping; /* enum isolate_stop */
    volatile sig_atomic_t entered;  /* Lua of this isolate runs under the guard */
    volatile sig_atomic_t hooking;  /* a hook change is in progress */
    char stopped_at[128];           /* "file:line" of the instruction that was stopped */
};

/* What one pinned object counts against the cap. */
enum { ISOLATE_PIN_BYTES = 2048 };

/* One per thread that runs isolates. Create, use and destroy it there. */
struct watchdog *watchdog_create(struct error *err);
void watchdog_destroy(struct watchdog *watchdog); /* NULL is fine */

struct isolate *isolate_create(struct watchdog *watchdog, size_t cap, uint64_t cpu_ns, void *owner,
                               struct error *err);
void isolate_destroy(struct isolate *isolate); /* NULL is fine */
struct isolate *isolate_of(lua_State *L);
/* Takes the value on top of the stack as that ref; pushes it. */
void isolate_set_ref(lua_State *L, enum isolate_ref ref);
void isolate_push_ref(lua_State *L, enum isolate_ref ref);

/* Resumes a coroutine under the guard. Returns lua_resume()'s status. */
int isolate_resume(struct isolate *isolate, lua_State *co, int nargs);
/* Runs a C function with one light userdata outside the budget but protected: for building
 * arguments. 0, or ERROR_NOMEM. */
int isolate_build(struct isolate *isolate, lua_CFunction build, void *context, struct error *err);

/* Does the message of an error say that the host had no memory? */
bool isolate_no_memory(const char *message);

/* Says, after a failed resume, whether the guard ended it: fills *err (TIMEOUT, NOMEM) and returns
 * true. */
bool isolate_stopped(const struct isolate *isolate, struct error *err);
/* For loops in C that run no Lua: raises when the guard wants the code to end. */
void isolate_check(lua_State *L);

/* Around calls from C into Lua: raises when they are nested too deep for the C stack, which LuaJIT
 * does not watch. ISOLATE_DESCEND(L) holds to the end of the block. */
struct isolate *isolate_descend(lua_State *L);
void isolate_ascend(struct isolate **isolate);
#define ISOLATE_DESCEND(L)                                                                         \
    CLEANUP(isolate_ascend) struct isolate *descended __attribute__((unused)) = isolate_descend(L)

size_t isolate_memory(const struct isolate *isolate); /* pins included */
/* Between calls: collects garbage when many objects are pinned, whose size the collector does not
 * see, or the cap is near; may find the isolate dead. */
void isolate_tidy(struct isolate *isolate);

#endif
