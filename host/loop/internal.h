#ifndef MOONLET_LOOP_INTERNAL_H
#define MOONLET_LOOP_INTERNAL_H

/* What the files of this room share; other rooms never include it. */

#include <uv.h>

#include "loop/loop.h"

struct loop {
    uv_loop_t uv;
    uv_timer_t alarm; /* the one libuv timer: fires at the earliest of `heap` */
    uv_idle_t soon;   /* instead of it when that is due already */
    uv_async_t stop;
    const struct clock *clock;
    struct loop_timer **heap; /* by (due, order) */
    size_t count, cap;
    uint64_t order;
    uint64_t (*delay_ns)(void *context); /* in simulation, else NULL */
    void *delay_context;
    size_t messages; /* in simulation: posted, not delivered */
};

/* "prefix: libuv's text", with the code that fits. */
int loop_uv_error(struct error *err, int uv_code, const char *what);

#endif
