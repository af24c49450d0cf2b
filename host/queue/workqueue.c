#include "queue/workqueue.h"

#include <assert.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "queue/bucket.h"

/*
 * One struct item per key that is ready, delayed, in work, or has failures. Ready keys hang in the
 * line of their namespace; lines with keys take turns, one ring per priority.
 */
enum { PRIORITIES = 2 };

struct turn {         /* the ready keys of one namespace at one priority */
    struct list ring; /* of queue->rings; empty when no key is ready */
    struct list items;
};

struct line { /* the ready keys of one namespace */
    struct turn turns[PRIORITIES];
    size_t len;
    char ns[];
};

struct item {
    struct list ready; /* of its line's items */
    struct workqueue *queue;
    struct line *line; /* of its namespace, once it was ready */
    struct loop_timer delay;
    const char *reason, *delayed_reason;
    uint64_t ready_ns, started_ns;
    unsigned failures;
    uint8_t priority;              /* enum workqueue_priority */
    bool is_ready, in_work, dirty; /* dirty: added while in work */
    uint64_t hash;                 /* of the key */
    size_t key_len;
    char key[];
};

struct workqueue {
    struct workqueue_options options;
    char *name;
    struct map items; /* key, borrowed -> struct item */
    struct map lines; /* namespace, borrowed -> struct line */
    struct list rings[PRIORITIES];
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
    for (int i = 0; i < PRIORITIES; i++)
        list_init(&queue->rings[i]);
    map_borrow(&queue->items);
    map_borrow(&queue->lines);
    loop_timer_init(options->loop, &queue->notify, on_notify);
    workqueue_configure(queue, options);
    return queue;
}

void workqueue_destroy(struct workqueue *queue) {
    if (queue == NULL)
        return;
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&queue->items, &at));) {
        struct item *item = entry->value;
        loop_timer_stop(&item->delay);
        mem_free(item);
    }
    map_finish(&queue->items);
    at = 0;
    for (struct map_entry *entry; (entry = map_next(&queue->lines, &at));)
        mem_free(entry->value);
    map_finish(&queue->lines);
    loop_timer_stop(&queue->notify);
    mem_free(queue->name);
    mem_free(queue);
}

static struct item *find(const struct workqueue *queue, struct str key) {
    return map_get(&queue->items, key);
}

static void on_delay(struct loop_timer *timer);

static struct item *find_or_make(struct workqueue *queue, struct str key) {
    uint64_t hash = str_hash(key);
    struct item *item = map_get_hashed(&queue->items, key, hash);
    if (item)
        return item;
    item = mem_alloc(sizeof *item + key.len);
    if (item == NULL)
        return NULL;
    *item = (struct item){.queue = queue, .hash = hash, .key_len = key.len};
    if (key.len)
        memcpy(item->key, key.data, key.len);
    list_init(&item->ready);
    loop_timer_init(queue->options.loop, &item->delay, on_delay);
    if (map_add_hashed(&queue->items, str_n(item->key, key.len), hash, item) == 0)
        return item;
    mem_free(item);
    return NULL;
}

/* Forgets a key about which there is nothing left to know. */
static void drop_if_idle(struct item *item) {
    if (item->is_ready || item->in_work || item->failures > 0 || loop_timer_active(&item->delay))
        return;
    map_remove_hashed(&item->queue->items, str_n(item->key, item->key_len), item->hash);
    mem_free(item);
}

void workqueue_split_key(struct str key, struct str *ret_ns, struct str *ret_name) {
    const char *slash = key.len ? memchr(key.data, '/', key.len) : NULL;
    size_t len = slash ? (size_t)(slash - key.data) : 0, skip = slash ? len + 1 : 0;
    *ret_ns = str_n(key.data, len);
    *ret_name = str_n(key.data + skip, key.len - skip);
}

/* Lines are made once per namespace and kept. */
static struct line *line_of(struct workqueue *queue, struct item *item) {
    struct str ns, name;
    if (item->line)
        return item->line;
    workqueue_split_key(str_n(item->key, item->key_len), &ns, &name);
    struct line *line = map_get(&queue->lines, ns);
    if (line)
        return item->line = line;
    line = mem_alloc(sizeof *line + ns.len);
    if (line == NULL)
        return NULL;
    line->len = ns.len;
    if (ns.len)
        memcpy(line->ns, ns.data, ns.len);
    for (int i = 0; i < PRIORITIES; i++) {
        list_init(&line->turns[i].ring);
        list_init(&line->turns[i].items);
    }
    if (map_set(&queue->lines, str_n(line->ns, line->len), line, NULL) == 0)
        return item->line = line;
    mem_free(line);
    return NULL;
}

static void take_out(struct item *item) {
    struct workqueue *queue = item->queue;
    list_remove(&item->ready);
    item->is_ready = false;
    queue->stats.depth--;
    struct turn *turn = &item->line->turns[item->priority];
    if (list_empty(&turn->items))
        list_remove(&turn->ring);
}

/* It has its line. */
static void put_in(struct item *item) {
    struct workqueue *queue = item->queue;
    struct turn *turn = &item->line->turns[item->priority];
    if (list_empty(&turn->items))
        list_append(&queue->rings[item->priority], &turn->ring);
    list_append(&turn->items, &item->ready);
    item->is_ready = true;
    queue->stats.depth++;
    notify(queue, 0);
}

static void stop_delay(struct item *item) {
    if (!loop_timer_active(&item->delay))
        return;
    loop_timer_stop(&item->delay);
    item->queue->stats.delayed--;
}

static void promote(struct item *item, enum workqueue_priority priority, const char *reason) {
    bool ready = item->is_ready;
    if (ready)
        take_out(item);
    item->priority = (uint8_t)priority;
    item->reason = reason;
    if (ready)
        put_in(item);
}

static int add(struct item *item, enum workqueue_priority priority, const char *reason) {
    struct workqueue *queue = item->queue;
    if (item->is_ready || item->dirty) {
        stop_delay(item);
        queue->stats.adds++;
        if (priority > item->priority)
            promote(item, priority, reason);
        return 0;
    }
    item->priority = (uint8_t)priority;
    if (line_of(queue, item) == NULL) /* kept from here on, so that done() cannot fail */
        return ERROR_NOMEM;
    stop_delay(item);
    queue->stats.adds++;
    item->reason = reason;
    item->ready_ns = loop_now(queue->options.loop);
    if (item->in_work) {
        item->dirty = true;
        return 0;
    }
    put_in(item);
    return 0;
}

static void on_delay(struct loop_timer *timer) {
    struct item *item = CONTAINER_OF(timer, struct item, delay);
    item->queue->stats.delayed--;
    if (add(item, WORKQUEUE_LIVE, item->delayed_reason) < 0)
        workqueue_add_after(item->queue, str_n(item->key, item->key_len), NS_PER_S,
                            item->delayed_reason);
}

static int delay(struct item *item, uint64_t delay_ns, const char *reason) {
    if (!loop_timer_active(&item->delay))
        item->queue->stats.delayed++;
    item->delayed_reason = reason;
    if (loop_timer_start(&item->delay, delay_ns) == 0)
        return 0;
    item->queue->stats.delayed--;
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
        rc = delay(item, wait, reason); /* each add starts the wait anew */
    else
        rc = add(item, priority, reason);
    if (rc < 0)
        drop_if_idle(item);
    return rc;
}

int workqueue_add_after(struct workqueue *queue, struct str key, uint64_t delay_ns,
                        const char *reason) {
    if (queue->shut_down)
        return 0;
    if (delay_ns == 0) {
        struct item *now = find_or_make(queue, key);
        int rc = now ? add(now, WORKQUEUE_LIVE, reason) : ERROR_NOMEM;
        if (now && rc < 0)
            drop_if_idle(now);
        return rc;
    }
    struct item *item = find_or_make(queue, key);
    if (item == NULL)
        return ERROR_NOMEM;
    uint64_t due = loop_now(queue->options.loop) + delay_ns;
    if (item->is_ready || (loop_timer_active(&item->delay) && item->delay.due <= due))
        return 0; /* it runs earlier than that anyway */
    int rc = delay(item, delay_ns, reason);
    if (rc < 0)
        drop_if_idle(item);
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
    if (queue->shut_down)
        return 0;
    struct item *item = find_or_make(queue, key);
    if (item == NULL)
        return ERROR_NOMEM;
    item->failures++;
    queue->stats.retries++;
    return workqueue_add_after(queue, key, backoff(queue, item->failures), reason);
}

void workqueue_forget(struct workqueue *queue, struct str key) {
    struct item *item = find(queue, key);
    if (item == NULL)
        return;
    item->failures = 0;
    drop_if_idle(item);
}

unsigned workqueue_failures(const struct workqueue *queue, struct str key) {
    const struct item *item = find(queue, key);
    return item ? item->failures : 0;
}

void workqueue_remove(struct workqueue *queue, struct str key) {
    struct item *item = find(queue, key);
    if (item == NULL)
        return;
    stop_delay(item);
    item->dirty = false;
    item->failures = 0;
    if (item->is_ready)
        take_out(item);
    drop_if_idle(item);
}

bool workqueue_get(struct workqueue *queue, struct workqueue_item *ret) {
    int priority = PRIORITIES - 1;
    while (priority >= 0 && list_empty(&queue->rings[priority]))
        priority--;
    if (priority < 0 || queue->shut_down)
        return false;
    uint64_t now = loop_now(queue->options.loop), wait = 0;
    if (queue->options.rate > 0 && bucket_take(&queue->bucket, now, &wait) < 0) {
        notify(queue, wait);
        return false;
    }
    struct turn *turn = CONTAINER_OF(queue->rings[priority].next, struct turn, ring);
    struct item *item = CONTAINER_OF(turn->items.next, struct item, ready);
    take_out(item);
    if (!list_empty(&turn->items)) { /* its namespace waits for its next turn */
        list_remove(&turn->ring);
        list_append(&queue->rings[priority], &turn->ring);
    }
    item->in_work = true;
    item->started_ns = now;
    queue->stats.in_work++;
    *ret = (struct workqueue_item){.key = str_n(item->key, item->key_len),
                                   .reason = item->reason,
                                   .queued_ns = now - item->ready_ns};
    return true;
}

void workqueue_done(struct workqueue *queue, struct str key) {
    struct item *item = find(queue, key);
    assert(item && item->in_work);
    item->in_work = false;
    queue->stats.in_work--;
    if (item->dirty) {
        item->dirty = false;
        item->ready_ns = loop_now(queue->options.loop);
        put_in(item); /* its line was made by the add */
        return;
    }
    drop_if_idle(item);
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
    for (struct map_entry *entry; (entry = map_next(&queue->items, &at));) {
        const struct item *item = entry->value;
        uint64_t running = item->in_work ? now - item->started_ns : 0;
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
    for (struct map_entry *entry; (entry = map_next(&queue->items, &at));) {
        const struct item *item = entry->value;
        if (loop_timer_active(&item->delay))
            each(context, str_n(item->key, item->key_len), item->failures, item->delayed_reason);
    }
}

void workqueue_each_delayed(const struct workqueue *queue,
                            void (*each)(void *context, struct str key, uint64_t left_ns),
                            void *context) {
    uint64_t now = loop_now(queue->options.loop);
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&queue->items, &at));) {
        const struct item *item = entry->value;
        if (loop_timer_active(&item->delay))
            each(context, str_n(item->key, item->key_len),
                 item->delay.due > now ? item->delay.due - now : 0);
    }
}
