#ifndef MOONLET_LOOP_THREAD_H
#define MOONLET_LOOP_THREAD_H

#include "base/error.h"

/* A joinable thread. The body runs until it returns; all signals are blocked in it but those it
 * unblocks itself. `name` is what a debugger shows (15 bytes of it). NULL: NOMEM, UNAVAILABLE. Its
 * owner is who started it: one thread joins, or abandons, once. */
struct thread;
struct thread *thread_start(const char *name, void (*body)(void *context), void *context,
                            struct error *err);
void thread_join(struct thread *thread); /* waits and frees; NULL is fine */
/* Gives up on a thread that cannot be stopped: it is detached and its struct freed at its end. */
void thread_abandon(struct thread *thread);

#endif
