#ifndef MOONLET_BASE_LIST_H
#define MOONLET_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Intrusive doubly linked list; the head is a link too. A link that is in no list points to
 * itself after list_init() or list_remove(), so removing twice is fine.
 *
 * Threads: one owner at a time, no lock inside. Yields: never.
 */
struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *link) {
    link->next = link->prev = link;
}
static inline bool list_empty(const struct list *head) {
    return head->next == head;
}
static inline void list_insert_before(struct list *at, struct list *link) {
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}
/* Last in the list of `head`. */
static inline void list_append(struct list *head, struct list *link) {
    list_insert_before(head, link);
}
static inline void list_remove(struct list *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* Safe against removal of `link` in the body; `next` is a second struct list *. */
#define LIST_EACH(link, following, head)                                                           \
    for ((link) = (head)->next; (following) = (link)->next, (link) != (head); (link) = (following))

#endif
