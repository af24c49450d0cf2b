#ifndef MOONLET_JSON_SEEN_H
#define MOONLET_JSON_SEEN_H

#include "base/str.h"

/*
 * Seen: the last few JSON objects that were stepped over, as text: one that comes again is compared
 * and not checked again. It is what makes managedFields cheap: pods by the thousand have the same.
 *
 * Limits:  JSON_SEEN_TEXTS of at most JSON_SEEN_MAX bytes, and at least as many as pay.
 * Threads: one owner at a time. Yields: never.
 */
enum {
    JSON_SEEN_LEVEL =
        4, /* in managedFields: below f:spec and f:status, which name what is unique */
    JSON_SEEN_TEXTS = 32,
    JSON_SEEN_MIN = 64,
    JSON_SEEN_MAX = 4096
};

struct json_seen {                     /* zeroed = empty */
    struct str texts[JSON_SEEN_TEXTS]; /* owned; the oldest is replaced */
    uint64_t marks[JSON_SEEN_TEXTS];   /* some bytes of each, to tell them apart quickly */
    size_t count, next;
};
void json_seen_finish(struct json_seen *seen);
/* The length of the text at `data` that is known, or 0. */
size_t json_seen_find(struct json_seen *seen, const char *data, size_t left);
/* A whole object, checked; at best: without memory it is forgotten. */
void json_seen_add(struct json_seen *seen, struct str text);

#endif
