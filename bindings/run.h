#ifndef MOONLET_BINDINGS_RUN_H
#define MOONLET_BINDINGS_RUN_H

#include "bindings/script.h"

/* Runs: one call of one handler as a coroutine, from start over its waits to its end. The contract
 * of each is that of script_engine_type's member. */
void run_call(struct script *script, const struct script_call *call, struct script_run **ret_run,
              struct script_result *ret);
void run_answer(struct script_request *request, struct script_result *ret);
void run_cancel(struct script_run *run, int code);

/* observe.c */
void observe_change(struct script *script, const struct script_change *change,
                    struct script_result *ret);

/* FAILED with the error on top of the coroutine's stack, and its traceback; `fallback` as for
 * mlua_read_failure(). */
void run_read_failure(struct isolate *isolate, lua_State *co, const char *fallback,
                      struct script_result *ret);

#endif
