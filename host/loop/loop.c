#include "loop/loop.h"

#include <assert.h>

#include "base/list.h"
#include "base/mem.h"
#include "loop/internal.h"

enum { TURNS = 8 };

int loop_uv_error(struct error *err, int uv_code, const char *what) {
    int code = uv_code == UV_ENOMEM ? ERROR_NOMEM : ERROR_UNAVAILABLE;
    return error_set(err, code, "%s: %s", what, uv_strerror(uv_code));
}

static bool before(const struct loop_timer *a, const struct loop_timer *b) {
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void place(struct loop *loop, size_t at, struct loop_timer *timer) {
    loop->heap[at] = timer;
    timer->at = at + 1;
}

static void sift_up(struct loop *loop, size_t at) {
    struct loop_timer *timer = loop->heap[at];
    for (; at > 0 && before(timer, loop->heap[(at - 1) / 2]); at = (at - 1) / 2)
        place(loop, at, loop->heap[(at - 1) / 2]);
    place(loop, at, timer);
}

static void sift_down(struct loop *loop, size_t at) {
    struct loop_timer *timer = loop->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < loop->count && before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (child >= loop->count || before(timer, loop->heap[child]))
            break;
        place(loop, at, loop->heap[child]);
        at = child;
    }
    place(loop, at, timer);
}

static void fire_due(struct loop *loop, uint64_t now);

static void on_alarm(uv_timer_t *alarm) {
    struct loop *loop = alarm->data;
    fire_due(loop, loop_now(loop));
}

/* Some turns of timers at once: curl asks for one after each record that it reads. Not all that
 * come, or descriptors and mailboxes would wait for as long as there is something to read. */
static void on_soon(uv_idle_t *soon) {
    struct loop *loop = CONTAINER_OF(soon, struct loop, soon);
    for (int turn = 0; turn < TURNS && loop_due(loop) <= loop_now(loop); turn++)
        fire_due(loop, loop_now(loop));
}

/* Not by an alarm in 0 ms: libuv fires timers that are started while it fires timers. */
static void set_alarm(struct loop *loop) {
    if (loop->delay_ns)
        return;
    uint64_t now = loop_now(loop), due = loop_due(loop);
    if (loop->count == 0 || due <= now)
        uv_timer_stop(&loop->alarm);
    if (loop->count > 0 && due <= now) {
        uv_idle_start(&loop->soon, on_soon);
        return;
    }
    uv_idle_stop(&loop->soon);
    if (loop->count == 0)
        return;
    uv_update_time(&loop->uv);
    uv_timer_start(&loop->alarm, on_alarm, (due - now + NS_PER_MS - 1) / NS_PER_MS, 0);
}

/* Fires what was due at `now`, not what the callbacks start meanwhile. */
static void fire_due(struct loop *loop, uint64_t now) {
    uint64_t last = loop->order;
    while (loop->count > 0 && loop->heap[0]->due <= now && loop->heap[0]->order <= last) {
        struct loop_timer *timer = loop->heap[0];
        loop_timer_stop(timer);
        timer->fire(timer);
    }
    set_alarm(loop);
}

static void on_stop(uv_async_t *async) {
    uv_stop(async->loop);
}

struct loop *loop_create(const struct clock *clock, struct error *err) {
    struct loop *loop = mem_zalloc(sizeof *loop);
    if (loop == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for an event loop");
        return NULL;
    }
    loop->clock = clock;
    int rc = uv_loop_init(&loop->uv);
    if (rc < 0) {
        loop_uv_error(err, rc, "event loop");
        mem_free(loop);
        return NULL;
    }
    uv_timer_init(&loop->uv, &loop->alarm);
    loop->alarm.data = loop;
    uv_idle_init(&loop->uv, &loop->soon);
    rc = uv_async_init(&loop->uv, &loop->stop, on_stop);
    assert(rc == 0);
    uv_unref((uv_handle_t *)&loop->stop);
    return loop;
}

void loop_run(struct loop *loop) {
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

bool loop_poll(struct loop *loop) {
    return uv_run(&loop->uv, UV_RUN_NOWAIT) != 0;
}

void loop_stop(struct loop *loop) {
    uv_async_send(&loop->stop);
}

void loop_destroy(struct loop *loop) {
    if (loop == NULL)
        return;
    assert(loop->count == 0);
    uv_close((uv_handle_t *)&loop->alarm, NULL);
    uv_close((uv_handle_t *)&loop->soon, NULL);
    uv_close((uv_handle_t *)&loop->stop, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT); /* runs the close callbacks that are still due */
    int rc = uv_loop_close(&loop->uv);
    assert(rc == 0);
    (void)rc;
    mem_free(loop->heap);
    mem_free(loop);
}

uint64_t loop_now(const struct loop *loop) {
    return clock_now(loop->clock);
}

const struct clock *loop_clock(const struct loop *loop) {
    return loop->clock;
}

void loop_advance(struct loop *loop, struct clock_fake *fake, uint64_t ns) {
    uint64_t end = fake->mono_ns + ns;
    while (loop->count > 0 && loop->heap[0]->due <= end) {
        uint64_t due = loop->heap[0]->due;
        if (due > fake->mono_ns)
            clock_fake_advance(fake, due - fake->mono_ns);
        fire_due(loop, fake->mono_ns);
        if (loop->delay_ns == NULL)
            loop_poll(loop);
    }
    clock_fake_advance(fake, end - fake->mono_ns);
    if (loop->delay_ns == NULL)
        loop_poll(loop);
}

void loop_simulate(struct loop *loop, uint64_t (*delay_ns)(void *context), void *context) {
    loop->delay_ns = delay_ns;
    loop->delay_context = context;
}

uint64_t loop_due(const struct loop *loop) {
    return loop->count ? loop->heap[0]->due : UINT64_MAX;
}

size_t loop_messages(const struct loop *loop) {
    return loop->messages;
}

void loop_timer_init(struct loop *loop, struct loop_timer *timer,
                     void (*fire)(struct loop_timer *timer)) {
    *timer = (struct loop_timer){.loop = loop, .fire = fire};
}

int loop_timer_start(struct loop_timer *timer, uint64_t delay_ns) {
    struct loop *loop = timer->loop;
    loop_timer_stop(timer);
    if (mem_grow(&loop->heap, &loop->cap, loop->count + 1, sizeof(struct loop_timer *)) < 0)
        return ERROR_NOMEM;
    uint64_t now = loop_now(loop);
    timer->due = delay_ns > UINT64_MAX - now ? UINT64_MAX : now + delay_ns;
    timer->order = ++loop->order;
    loop->heap[loop->count++] = timer;
    sift_up(loop, loop->count - 1);
    if (loop->heap[0] == timer)
        set_alarm(loop);
    return 0;
}

void loop_timer_stop(struct loop_timer *timer) {
    if (timer->at == 0)
        return;
    struct loop *loop = timer->loop;
    size_t at = timer->at - 1;
    timer->at = 0;
    struct loop_timer *last = loop->heap[--loop->count];
    if (last != timer) {
        place(loop, at, last);
        sift_down(loop, at);
        sift_up(loop, last->at - 1);
    }
    if (at == 0)
        set_alarm(loop);
}

bool loop_timer_active(const struct loop_timer *timer) {
    return timer->at != 0;
}
