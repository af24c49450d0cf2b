#ifndef MOONLET_QUEUE_LINES_H
#define MOONLET_QUEUE_LINES_H

#include "base/map.h"
#include "queue/items.h"

/*
 * The order in which ready keys come: they hang in the line of their namespace, and lines with keys
 * take turns, in one ring per priority.
 *
 * Threads: core.
 */
enum { PRIORITIES = 2 };

struct lines {
    struct map by_ns; /* namespace, borrowed -> struct line */
    struct list rings[PRIORITIES];
};

void lines_init(struct lines *lines);
void lines_finish(struct lines *lines);

/* Sees to it that the item has its line, which is kept. 0 or ERROR_NOMEM. */
int lines_assign(struct lines *lines, struct item *item);
/* Last of its line; it has one. */
void lines_put(struct lines *lines, struct item *item);
void lines_take(struct item *item); /* out, wherever it is */
/* Takes out the one whose turn it is, of the highest priority; NULL when none is ready. */
struct item *lines_next(struct lines *lines);
bool lines_empty(const struct lines *lines);

#endif
