#ifndef MOONLET_APISERVER_DOCUMENT_H
#define MOONLET_APISERVER_DOCUMENT_H

#include <jansson.h>

#include "apiserver/fieldset_known.h"
#include "cache/node.h"

/*
 * Documents: between the nodes that are stored, the json_t that is worked on and the text that is
 * sent; and short ways to what every object has.
 *
 * Threads: core (nodes); any (json_t). Yields: never.
 */
/* A new reference, or NULL: NOMEM. */
json_t *document_of(const struct dag *dag, node_t node);
/* Appends compact JSON; out->failed tells of no memory. */
void document_text(const json_t *document, struct strbuf *out);
/* The same of objects: the sets of their managedFields are those that are known (NULL: none), which
 * many documents share. */
json_t *document_of_object(const struct dag *dag, struct fieldset_known *known, node_t node);
/* It shares with `like` (NULL: nothing) whatever both say, but for itself and its metadata: those
 * two are its own (README.md: who may change what in place). */
json_t *document_of_like(const struct dag *dag, struct fieldset_known *known, node_t node,
                         const json_t *like);
json_t *document_parse_object(struct str text, const struct fieldset_known *known,
                              struct error *err);
/* One reference; `like` is a node that it may be like, or NODE_NONE. NODE_NONE: REJECTED (too
 * deep), NOMEM. */
node_t document_node(struct dag *dag, struct fieldset_known *known, const json_t *object,
                     node_t like, struct error *err);
void document_object_text(const json_t *object, const struct fieldset_known *known,
                          struct strbuf *out);
/* A new reference to containers of its own; strings and numbers, which nobody changes in place, are
 * shared. NULL: NOMEM, or `document` is. */
json_t *document_copy(const json_t *document);
/* A new object with the members of this one, which both have then. NULL: NOMEM (json_copy() would
 * leave members out). */
json_t *document_share(const json_t *object);
/* NULL: REJECTED (err->status 400), NOMEM. */
json_t *document_parse(struct str text, struct error *err);
/* document_twice.c: of what document_parse() refuses: JSON that has a key twice, of which the last
 * counts. The paths of those go into the array `found`: "data.a", "items[0].b". NULL: REJECTED, it
 * is not that; NOMEM. */
json_t *document_parse_twice(struct str text, json_t *found, struct error *err);

struct document_form {            /* zeroed: as stored */
    const char *api_version;      /* instead of the stored one; NULL: that */
    const char *resource_version; /* the same */
    bool partial;                 /* as PartialObjectMetadata */
    bool bare;                    /* without apiVersion and kind, as items of built-in lists are */
    const struct fieldset_known *known; /* NULL: none; borrowed */
};
void document_write(struct json_writer *writer, const struct dag *dag, node_t node,
                    const struct document_form *form);

/* metadata, made when it is not there; NULL: no memory or the object is not one. Borrowed. */
json_t *document_metadata(json_t *object);
/* A string of metadata, "" when there is none. */
const char *document_meta(const json_t *object, const char *key);
/* By dots, "spec.replicas"; borrowed, NULL when absent. */
json_t *document_path(const json_t *object, const char *path);
const char *document_string(const json_t *object, const char *path); /* "" when absent */
/* 0 or NOMEM. */
int document_set_meta(json_t *object, const char *key, const char *value);
/* Makes `to`'s member the one of `from`, or none. 0 or NOMEM. */
int document_copy_member(json_t *to, const json_t *from, const char *key);
/* null, "", 0, false, {} and [] are as good as absent. */
bool document_empty(const json_t *value);
bool document_same(const json_t *a, const json_t *b); /* absent and empty are the same */
bool document_has_string(const json_t *array, const char *text);
bool document_remove_string(json_t *array, const char *text);

#endif
