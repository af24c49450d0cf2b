#include "queue/workqueue.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "queue/bucket.h"
#include "queue/lines.h"

struct workqueue {
    struct workqueue_options options;
    char *name;
    struct items items;
    struct lines lines; /* of the ready ones */
    struct bucket bucket;
    struct loop_timer notify; /* on_ready, never from within a call */
    struct workqueue_stats stats;
    bool shut_down;
};

static void on_notify(struct loop_timer *timer) {
    struct workqueue *queue = CONTAINER_OF(timer, struct workqueue, notify);
    queue->options.on_ready(queue->options.context);
}

/* A failure loses the call, not the key: the next add or get that finds one ready tries again. */
static void notify(struct workqueue *queue, uint64_t after_ns) {
    if (queue->options.on_ready == NULL || loop_timer_active(&queue->notify))
        return;
    loop_timer_start(&queue->notify, after_ns);
}

void workqueue_configure(struct workqueue *queue, const struct workqueue_options *options) {
    double rate = queue->options.rate, burst = queue->options.burst;
    queue->options = *options;
    queue->options.name = queue->name;
    if (queue->options.backoff_base_ns == 0)
        queue->options.backoff_base_ns = 5 * NS_PER_MS;
    if (queue->options.backoff_max_ns == 0)
        queue->options.backoff_max_ns = 1000 * NS_PER_S;
    if (options->rate > 0 && (options->rate != rate || options->burst != burst))
        bucket_init(&queue->bucket, options->rate, options->burst >= 1 ? options->burst : 1,
                    loop_now(options->loop), NULL);
    loop_timer_stop(&queue->notify); /* it may wait for a bucket that is gone */
    notify(queue, 0);
}

struct workqueue *workqueue_create(const struct workqueue_options *options, struct error *err) {
    struct workqueue *queue = mem_zalloc(sizeof *queue);
    if (queue == NULL || (queue->name = mem_strdup(options->name)) == NULL) {
        mem_free(queue);
        error_set(err, ERROR_NOMEM, "no memory for workqueue %s", options->name);
        return NULL;
    }
    lines_init(&queue->lines);
    loop_timer_init(options->loop, &queue->notify, on_notify);
    workqueue_configure(queue, options);
    return queue;
}

void workqueue_destroy(struct workqueue *queue) {
    if (queue == NULL)
        return;
    size_t at = 0;
    for (struct item *item; (item = items_next(&queue->items, &at));)
        if (item->delay)
            loop_timer_stop(&item->delay->timer);
    items_finish(&queue->items);
    lines_finish(&queue->lines);
    loop_timer_stop(&queue->notify);
    mem_free(queue->name);
    mem_free(queue);
}

static struct item *find(const struct workqueue *queue, struct str key) {
    return items_find(&queue->items, key, items_hash(key));
}

static struct item *find_or_make(struct workqueue *queue, struct str key) {
    const uint32_t hash = items_hash(key);
    struct item *item = items_find(&queue->items, key, hash);
    return item ? item : items_add(&queue->items, key, hash);
}

/* Forgets a key about which there is nothing left to know. */
static void drop_if_idle(struct workqueue *queue, struct item *item) {
    if (!item->is_ready && !item->in_work && item->failures == 0 && !item_is_delayed(item))
        items_remove(&queue->items, item);
}

void workqueue_split_key(struct str key, struct str *ret_ns, struct str *ret_name) {
    const char *slash = key.len ? memchr(key.data, '/', key.len) : NULL;
    size_t len = slash ? (size_t)(slash - key.data) : 0, skip = slash ? len + 1 : 0;
    *ret_ns = str_n(key.data, len);
    *ret_name = str_n(key.data + skip, key.len - skip);
}

static void take_out(struct workqueue *queue, struct item *item) {
    lines_take(item);
    queue->stats.depth--;
}

static void put_in(struct workqueue *queue, struct item *item) {
    lines_put(&queue->lines, item);
    queue->stats.depth++;
    notify(queue, 0);
}

static void stop_delay(struct workqueue *queue, struct item *item) {
    if (!item_is_delayed(item))
        return;
    loop_timer_stop(&item->delay->timer);
    queue->stats.delayed--;
}

static void promote(struct workqueue *queue, struct item *item, enum workqueue_priority priority,
                    const char *reason) {
    bool ready = item->is_ready;
    if (ready)
        take_out(queue, item);
    item->priority = (uint8_t)priority;
    item->reason = reason;
    if (ready)
        put_in(queue, item);
}

static int add(struct workqueue *queue, struct item *item, enum workqueue_priority priority,
               const char *reason) {
    if (item->is_ready || item->dirty) {
        stop_delay(queue, item);
        queue->stats.adds++;
        if (priority > item->priority)
            promote(queue, item, priority, reason);
        return 0;
    }
    item->priority = (uint8_t)priority;
    if (lines_assign(&queue->lines, item) < 0) /* kept from here on, so that done() cannot fail */
        return ERROR_NOMEM;
    stop_delay(queue, item);
    queue->stats.adds++;
    item->reason = reason;
    if (item->in_work) {
        item->dirty = true;
        return 0;
    }
    item->since_ns = loop_now(queue->options.loop);
    put_in(queue, item);
    return 0;
}

static void on_delay(struct loop_timer *timer) {
    const struct item_delay *delay = CONTAINER_OF(timer, struct item_delay, timer);
    delay->queue->stats.delayed--;
    if (add(delay->queue, delay->item, WORKQUEUE_LIVE, delay->reason) < 0)
        workqueue_add_after(delay->queue, item_key(delay->item), NS_PER_S, delay->reason);
}

static struct item_delay *delay_of(struct workqueue *queue, struct item *item) {
    if (item->delay)
        return item->delay;
    struct item_delay *delay = item->delay = mem_alloc(sizeof *delay);
    if (delay == NULL)
        return NULL;
    *delay = (struct item_delay){.queue = queue, .item = item};
    loop_timer_init(queue->options.loop, &delay->timer, on_delay);
    return delay;
}

static int delay(struct workqueue *queue, struct item *item, uint64_t delay_ns,
                 const char *reason) {
    const bool delayed = item_is_delayed(item);
    struct item_delay *delay = delay_of(queue, item);
    if (delay == NULL)
        return ERROR_NOMEM;
    delay->reason = reason;
    if (loop_timer_start(&delay->timer, delay_ns) == 0) {
        queue->stats.delayed += !delayed;
        return 0;
    }
    queue->stats.delayed -= delayed;
    return ERROR_NOMEM;
}

int workqueue_add(struct workqueue *queue, struct str key, enum workqueue_priority priority,
                  const char *reason) {
    if (queue->shut_down)
        return 0;
    struct item *item = find_or_make(queue, key);
    if (item == NULL)
        return ERROR_NOMEM;
    uint64_t wait = queue->options.debounce_ns;
    int rc;
    if (wait > 0 && priority == WORKQUEUE_LIVE && !item->is_ready)
        rc = delay(queue, item, wait, reason); /* each add starts the wait anew */
    else
        rc = add(queue, item, priority, reason);
    if (rc < 0)
        drop_if_idle(queue, item);
    return rc;
}

int workqueue_add_after(struct workqueue *queue, struct str key, uint64_t delay_ns,
                        const char *reason) {
    if (queue->shut_down)
        return 0;
    if (delay_ns == 0) {
        struct item *now = find_or_make(queue, key);
        int rc = now ? add(queue, now, WORKQUEUE_LIVE, reason) : ERROR_NOMEM;
        if (now && rc < 0)
            drop_if_idle(queue, now);
        return rc;
    }
    struct item *item = find_or_make(queue, key);
    if (item == NULL)
        return ERROR_NOMEM;
    uint64_t due = loop_now(queue->options.loop) + delay_ns;
    if (item->is_ready || (item_is_delayed(item) && item->delay->timer.due <= due))
        return 0; /* it runs earlier than that anyway */
    int rc = delay(queue, item, delay_ns, reason);
    if (rc < 0)
        drop_if_idle(queue, item);
    return rc;
}

/* base * 2^(n-1), at most max; client-go's ItemExponentialFailureRateLimiter has no jitter. */
static uint64_t backoff(const struct workqueue *queue, unsigned failures) {
    uint64_t wait = queue->options.backoff_base_ns, max = queue->options.backoff_max_ns;
    for (unsigned i = 1; i < failures && wait < max; i++)
        wait *= 2;
    return wait < max ? wait : max;
}

int workqueue_add_backoff(struct workqueue *queue, struct str key, const char *reason) {
    return workqueue_add_backoff_least(queue, key, /* least_ns= */ 0, reason);
}

int workqueue_add_backoff_least(struct workqueue *queue, struct str key, uint64_t least_ns,
                                const char *reason) {
    if (queue->shut_down)
        return 0;
    struct item *item = find_or_make(queue, key);
    if (item == NULL)
        return ERROR_NOMEM;
    item->failures++;
    queue->stats.retries++;
    uint64_t wait_ns = backoff(queue, item->failures);
    return workqueue_add_after(queue, key, wait_ns > least_ns ? wait_ns : least_ns, reason);
}

bool workqueue_waits(const struct workqueue *queue, struct str key) {
    const struct item *item = find(queue, key);
    return item && item_is_delayed(item) && !item->is_ready && !item->in_work;
}

void workqueue_forget(struct workqueue *queue, struct str key) {
    struct item *item = find(queue, key);
    if (item == NULL)
        return;
    item->failures = 0;
    drop_if_idle(queue, item);
}

unsigned workqueue_failures(const struct workqueue *queue, struct str key) {
    const struct item *item = find(queue, key);
    return item ? item->failures : 0;
}

void workqueue_remove(struct workqueue *queue, struct str key) {
    struct item *item = find(queue, key);
    if (item == NULL)
        return;
    stop_delay(queue, item);
    item->dirty = false;
    item->failures = 0;
    if (item->is_ready)
        take_out(queue, item);
    drop_if_idle(queue, item);
}

bool workqueue_get(struct workqueue *queue, struct workqueue_item *ret) {
    if (queue->shut_down || lines_empty(&queue->lines))
        return false;
    uint64_t now = loop_now(queue->options.loop), wait = 0;
    if (queue->options.rate > 0 && bucket_take(&queue->bucket, now, &wait) < 0) {
        notify(queue, wait);
        return false;
    }
    struct item *item = lines_next(&queue->lines);
    *ret = (struct workqueue_item){
        .key = item_key(item), .reason = item->reason, .queued_ns = now - item->since_ns};
    item->in_work = true;
    item->since_ns = now;
    queue->stats.depth--;
    queue->stats.in_work++;
    return true;
}

void workqueue_done(struct workqueue *queue, struct str key) {
    struct item *item = find(queue, key);
    assert(item && item->in_work);
    item->in_work = false;
    queue->stats.in_work--;
    if (item->dirty) {
        item->dirty = false;
        item->since_ns = loop_now(queue->options.loop);
        put_in(queue, item); /* its line was made by the add */
        return;
    }
    drop_if_idle(queue, item);
}

void workqueue_shut_down(struct workqueue *queue) {
    queue->shut_down = true;
}

struct workqueue_stats workqueue_stats(const struct workqueue *queue) {
    struct workqueue_stats stats = queue->stats;
    uint64_t now = loop_now(queue->options.loop);
    size_t at = 0;
    if (stats.in_work == 0)
        return stats;
    for (const struct item *item; (item = items_next(&queue->items, &at));) {
        uint64_t running = item->in_work ? now - item->since_ns : 0;
        stats.unfinished_ns += running;
        if (running > stats.longest_running_ns)
            stats.longest_running_ns = running;
    }
    return stats;
}

void workqueue_each_waiting(const struct workqueue *queue,
                            void (*each)(void *context, struct str key, unsigned failures,
                                         const char *reason),
                            void *context) {
    size_t at = 0;
    for (const struct item *item; (item = items_next(&queue->items, &at));)
        if (item_is_delayed(item))
            each(context, item_key(item), item->failures, item->delay->reason);
}

void workqueue_each_delayed(const struct workqueue *queue,
                            void (*each)(void *context, struct str key, uint64_t left_ns),
                            void *context) {
    uint64_t now = loop_now(queue->options.loop);
    size_t at = 0;
    for (const struct item *item; (item = items_next(&queue->items, &at));)
        if (item_is_delayed(item)) {
            const uint64_t due = item->delay->timer.due;
            each(context, item_key(item), due > now ? due - now : 0);
        }
}
