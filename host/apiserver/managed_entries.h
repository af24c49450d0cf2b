#ifndef MOONLET_APISERVER_MANAGED_ENTRIES_H
#define MOONLET_APISERVER_MANAGED_ENTRIES_H

#include "apiserver/fieldset_known.h"

/*
 * Entries of metadata.managedFields: who owns which set.
 *
 * Is:      reading and writing them, in the API server's order, and their number's bound.
 * Is not:  the rules of who gets what (managed.c).
 * Threads: one owner at a time. Yields: never.
 */
struct managed_entry { /* strings are borrowed from documents or the request; never NULL */
    const char *manager, *api_version, *subresource, *time;
    bool apply;
    const struct fieldset *set;
    json_t *stored; /* FieldsV1 of stored_set, as fieldset_json() made it; borrowed, or NULL */
    const struct fieldset *stored_set;
    struct fieldset_form *form; /* that of `stored`; lent, or NULL */
};
struct managed_entries { /* of a pool */
    struct managed_entry *items;
    size_t count, cap;
    bool stored;                  /* they were read from an object that is stored */
    struct fieldset_known *known; /* borrowed, or NULL */
};
enum { MANAGED_MAX_UPDATERS = 10 };

/* Reads a list of entries (NULL: none); `stored`: of an object that is. REJECTED: one is not valid;
 * then *entries is empty. NOMEM shows in the pool alone. */
int managed_entries_parse(struct managed_entries *entries, struct fieldset_builder *builder,
                          const json_t *list, bool stored, struct error *err);
/* An applier is the same at every apiVersion. NULL: not there. */
struct managed_entry *managed_entries_find(const struct managed_entries *entries,
                                           const struct managed_entry *like);
/* The entry of that manager, made without fields or time when it is not there. NULL: no memory. */
struct managed_entry *managed_entries_get(struct managed_entries *entries,
                                          struct fieldset_pool *pool,
                                          const struct managed_entry *like);
void managed_entries_drop_empty(struct managed_entries *entries);
/* Joins the oldest entries of updaters as "ancient-changes" until MANAGED_MAX_UPDATERS are left. */
void managed_entries_cap(struct managed_entries *entries, struct fieldset_pool *pool);
/* Sets or, without entries, removes metadata.managedFields; shares what is as it was stored. 0 or
 * NOMEM. */
int managed_entries_store(struct managed_entries *entries, json_t *object, struct error *err);

/* What tells entries apart, as JSON: the order in which conflicts are told. */
void managed_entry_identity(const struct managed_entry *entry, struct strbuf *out);

#endif
