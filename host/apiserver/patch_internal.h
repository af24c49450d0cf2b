#ifndef MOONLET_APISERVER_PATCH_INTERNAL_H
#define MOONLET_APISERVER_PATCH_INTERNAL_H

#include "apiserver/patch.h"

/*
 * What the kinds of patches share. Threads: any. Yields: never.
 * Functions that give int return 0, ERROR_REJECTED or ERROR_NOMEM.
 */

/* Sets status and the reason that goes with it; returns ERROR_REJECTED. */
int patch_refuse(struct error *err, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int patch_no_memory(struct error *err);
/* 422 in the server's words, which are the same whatever the matter is. */
int patch_unfit(struct error *err);

/* Not deeper than `levels`; a scalar is 0 levels deep. */
bool patch_fits(const json_t *value, size_t levels);
int patch_check_depth(const json_t *from, const json_t *patch, struct error *err);

enum {
    PATCH_DROP_NULLS = 1,     /* members that are null, at any depth; items stay */
    PATCH_DROP_DIRECTIVES = 2 /* objects with $patch in objects and arrays; not the value itself */
};
/* NULL: no memory. */
json_t *patch_copy(const json_t *value, unsigned drop);

/* A copy to merge `patch` into: it shares with `value` what the patch does not name. NULL: no
 * memory. */
json_t *patch_copy_named(const json_t *value, const json_t *patch);

/* For messages, as the real server writes them: the Go type of a value ("string", "[]interface {}")
 * and its JSON type ("array"). Static. */
const char *patch_go_type(const json_t *value);
const char *patch_json_type(const json_t *value);
/* Appends the value as Go's %v prints it: map[a:1 b:[x y]]; cut when it is longer than a message.
 */
void patch_go_print(struct strbuf *buf, const json_t *value);

/* Strategic: a map; gives a new reference, to `original`, which it changes, or to another map. */
json_t *patch_strategic_map(json_t *original, const json_t *patch, const struct schema *schema,
                            struct error *err);

/* Strategic: lists of scalars, or of maps that `key` tells apart (NULL: none is declared). */
struct patch_list {
    const char *key;
    const struct schema *items;
};
/* Where in a list each item stood first, by what tells it apart: itself or its merge key. */
struct patch_ranks {
    const char *key;    /* NULL: of scalars */
    json_t *places;     /* owned: the text of that scalar -> index */
    struct strbuf text; /* scratch */
};
/* A failed start must be finished, too. `items` NULL is an empty list. */
int patch_ranks_init(struct patch_ranks *ranks, const char *key, const json_t *items,
                     struct error *err);
void patch_ranks_finish(struct patch_ranks *ranks);
/* *ret_rank: where the like of `item` stood first, -1: nowhere. */
int patch_ranks_find(struct patch_ranks *ranks, const json_t *item, json_int_t *ret_rank,
                     struct error *err);
/* Unless its like has been added before. */
int patch_ranks_add(struct patch_ranks *ranks, const json_t *item, size_t rank, struct error *err);

/* All items are scalars of one type (*ret_maps = false) or maps; at least one there is. */
int patch_list_kind(const json_t *original, const json_t *patch, bool *ret_maps, struct error *err);
/* A new list of both. Items of `original` are changed in place, those to be deleted are removed. */
json_t *patch_list_merge(const struct patch_list *list, json_t *original, const json_t *patch,
                         struct error *err);
/* A new list of scalars without those in `gone`. */
json_t *patch_list_without(const json_t *original, const json_t *gone, struct error *err);
/* A new list: items that are in `order` in that order, the others among them as in `live`. */
json_t *patch_list_order(const struct patch_list *list, const json_t *merged, const json_t *order,
                         const json_t *live, struct error *err);
/* Items of `patch` are in `order`, and in that order. */
int patch_list_check_order(const struct patch_list *list, const json_t *patch, const json_t *order,
                           struct error *err);
/* 500: an item without the key, a value of the wrong type, an unknown $patch. */
int patch_no_merge_key(const json_t *item, const char *key, struct error *err);
int patch_bad_type(const char *expected, const json_t *actual, struct error *err);
int patch_bad_directive(const json_t *directive, const json_t *patch, struct error *err);

#endif
