#ifndef MOONLET_CACHE_NODE_H
#define MOONLET_CACHE_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "json/write.h"

/*
 * Nodes: interned, immutable JSON. Equal values are the same node, so equality is `==`.
 *
 * Is:      the memory of every cached object; an object is a shape (key list) plus values; nodes
 *          lie in arenas with stable addresses and are named by 32 bits.
 * Is not:  mutable, ever; a change is a new node that shares what did not change.
 * Numbers: keep their text when they are not an exact int64 or double; 1.0 and 1 are two nodes.
 * Threads: building and counting references: the core thread. Reading: any thread, as long as an
 *          object that contains the node is pinned (cache/object.h). Yields: never.
 * Limits:  depth JSON_MAX_DEPTH and `max_bytes` per document are errors (ERROR_REJECTED).
 */
typedef uint32_t node_t;
enum { NODE_NONE = 0 }; /* absent; not JSON null */

enum node_type {
    NODE_NULL,
    NODE_FALSE,
    NODE_TRUE,
    NODE_INT,    /* exact int64 written as an integer */
    NODE_DOUBLE, /* exact double, written shortest */
    NODE_NUMBER, /* any other number, as text */
    NODE_STRING,
    NODE_ARRAY,
    NODE_OBJECT
};

struct dag;
struct dag_options {
    size_t max_bytes; /* of one document; 0 = 64 MiB */
};
struct dag *dag_create(const struct dag_options *options, struct error *err);
void dag_destroy(struct dag *dag); /* all references must have been given back; NULL is fine */

struct dag_stats {
    uint64_t nodes, bytes; /* live */
};
struct dag_stats dag_stats(const struct dag *dag);

/* What the scanner leaves out of metadata. */
enum { DAG_DROP_MANAGED_FIELDS = 1, DAG_DROP_LAST_APPLIED = 2 };

/* Parses and interns one document; the caller owns one reference. NODE_NONE: REJECTED (position,
 * duplicate key, too deep, too large), NOMEM; the dag is as before. Core thread. */
node_t dag_parse(struct dag *dag, struct str json, int drop, struct error *err);
/* What a document may look like: most bytes are then compared, not parsed. What comes out is the
 * same. */
struct dag_guess {
    node_t like; /* borrowed, came from dag_parse() with the same `drop`; NODE_NONE = no idea */
    /* A better one, once the namespace (NODE_NONE: none yet) and name are read; NULL or NODE_NONE:
     * there is none. Must change nothing in the dag. */
    node_t (*find)(void *context, struct str ns, struct str name);
    void *context;
};
node_t dag_parse_like(struct dag *dag, struct str json, int drop, const struct dag_guess *guess,
                      struct error *err);
/* The same for one value with more bytes behind it; *ret_len is its length. */
node_t dag_parse_value(struct dag *dag, struct str json, int drop, const struct dag_guess *guess,
                       size_t *ret_len, struct error *err);
/*
 * The same of values that come one by one: nothing is printed to be parsed. `like` (NODE_NONE = no
 * idea) is what a value may be, which makes it cheap when it is that. Each gives one reference, or
 * NODE_NONE: NOMEM. Core thread; nothing is parsed while a level is open.
 */
node_t dag_make_string(struct dag *dag, struct str text, node_t like);
node_t dag_make_int(struct dag *dag, int64_t value, node_t like);
node_t dag_make_number(struct dag *dag, struct str text); /* a JSON number */
node_t dag_make_word(enum node_type type);                /* null, false, true */
/* An array or object that is open; inner ones are ended first. */
struct dag_level {
    struct dag *dag;
    node_t like;
    uint32_t at; /* what is expected next in `like` */
    size_t first, first_key;
    bool object, same_keys, same, failed;
};
void dag_level_begin(struct dag_level *level, struct dag *dag, enum node_type type, node_t like);
/* What the member's value, or the next item, may be like. No key comes twice. */
node_t dag_level_key(struct dag_level *level, struct str key);
node_t dag_level_item(struct dag_level *level);
/* Takes the value (NODE_NONE: there was no memory for it); `guess` is what it was thought to be. */
void dag_level_add(struct dag_level *level, node_t value, node_t guess);
node_t dag_level_end(struct dag_level *level);
/* A copy of object `from` with `key` set to `value` (NODE_NONE removes it); `from` NODE_NONE is
 * {}. Takes no references from the caller; gives one. Core thread. */
node_t dag_with(struct dag *dag, node_t from, struct str key, node_t value, struct error *err);
node_t node_ref(struct dag *dag, node_t node);
void node_unref(struct dag *dag, node_t node); /* NODE_NONE is fine */
/* Bytes for which one reference to the node stands: its own and those of its parts, each divided by
 * the references to it. Those of all references from outside add up to dag_stats().bytes. Walks
 * all of the node. Core thread. */
double node_share(const struct dag *dag, node_t node);

/* Reading. NODE_NONE gives NODE_NULL, 0, "" and NODE_NONE, so look-ups chain. */
enum node_type node_type(const struct dag *dag, node_t node);
size_t node_count(const struct dag *dag, node_t node);            /* items or members */
node_t node_at(const struct dag *dag, node_t node, size_t index); /* item, or member's value */
struct str node_key_at(const struct dag *dag, node_t node, size_t index);
node_t node_get(const struct dag *dag, node_t node, struct str key);
/* "metadata.name": members by dots; keys with dots need node_get. */
node_t node_path(const struct dag *dag, node_t node, const char *path);
struct str node_text(const struct dag *dag, node_t node); /* of a string or number, else "" */
bool node_int(const struct dag *dag, node_t node, int64_t *ret);
bool node_double(const struct dag *dag, node_t node, double *ret);  /* INT and DOUBLE only */
bool node_is(const struct dag *dag, node_t node, const char *text); /* a string equal to text */
/* Appends the node as JSON; members in the order they came. */
void node_write(const struct dag *dag, node_t node, struct json_writer *writer);

#endif
