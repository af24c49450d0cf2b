#include "queue/lines.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "queue/workqueue.h"

struct turn {         /* the ready keys of one namespace at one priority */
    struct list ring; /* of lines->rings; empty when no key is ready */
    struct list items;
};

struct line { /* the ready keys of one namespace */
    struct turn turns[PRIORITIES];
    size_t len;
    char ns[];
};

void lines_init(struct lines *lines) {
    *lines = (struct lines){0};
    for (int i = 0; i < PRIORITIES; i++)
        list_init(&lines->rings[i]);
    map_borrow(&lines->by_ns);
}

void lines_finish(struct lines *lines) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&lines->by_ns, &at));)
        mem_free(entry->value);
    map_finish(&lines->by_ns);
}

static struct line *make(struct lines *lines, struct str ns) {
    struct line *line = mem_alloc(sizeof *line + ns.len);
    if (line == NULL)
        return NULL;
    line->len = ns.len;
    if (ns.len)
        memcpy(line->ns, ns.data, ns.len);
    for (int i = 0; i < PRIORITIES; i++) {
        list_init(&line->turns[i].ring);
        list_init(&line->turns[i].items);
    }
    if (map_set(&lines->by_ns, str_n(line->ns, line->len), line, NULL) == 0)
        return line;
    mem_free(line);
    return NULL;
}

int lines_assign(struct lines *lines, struct item *item) {
    struct str ns, name;
    if (item->line)
        return 0;
    workqueue_split_key(item_key(item), &ns, &name);
    item->line = map_get(&lines->by_ns, ns);
    if (item->line == NULL)
        item->line = make(lines, ns);
    return item->line ? 0 : ERROR_NOMEM;
}

void lines_put(struct lines *lines, struct item *item) {
    struct turn *turn = &item->line->turns[item->priority];
    if (list_empty(&turn->items))
        list_append(&lines->rings[item->priority], &turn->ring);
    list_append(&turn->items, &item->ready);
    item->is_ready = true;
}

void lines_take(struct item *item) {
    struct turn *turn = &item->line->turns[item->priority];
    list_remove(&item->ready);
    item->is_ready = false;
    if (list_empty(&turn->items))
        list_remove(&turn->ring);
}

/* The ring whose turn it is, or NULL. */
static struct list *first_ring(struct lines *lines) {
    for (int priority = PRIORITIES - 1; priority >= 0; priority--)
        if (!list_empty(&lines->rings[priority]))
            return &lines->rings[priority];
    return NULL;
}

struct item *lines_next(struct lines *lines) {
    struct list *ring = first_ring(lines);
    if (ring == NULL)
        return NULL;
    struct turn *turn = CONTAINER_OF(ring->next, struct turn, ring);
    struct item *item = CONTAINER_OF(turn->items.next, struct item, ready);
    __builtin_prefetch(item->ready.next); /* the next one of its line, and so of a later turn */
    lines_take(item);
    if (!list_empty(&turn->items)) { /* its namespace waits for its next turn */
        list_remove(&turn->ring);
        list_append(ring, &turn->ring);
    }
    return item;
}

bool lines_empty(const struct lines *lines) {
    for (int i = 0; i < PRIORITIES; i++)
        if (!list_empty(&lines->rings[i]))
            return false;
    return true;
}
