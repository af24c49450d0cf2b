#ifndef MOONLET_APISERVER_MANAGED_H
#define MOONLET_APISERVER_MANAGED_H

#include "apiserver/fieldset_known.h"

/*
 * Managed: who set which field (metadata.managedFields), and server-side apply.
 *
 * Is:      structured merge (KEP-555, sigs.k8s.io/structured-merge-diff): field sets (FieldsV1),
 *          the merge of an applied configuration, conflicts, removal of what a manager applied
 *          before and applies no more; and how kubectl moves from its annotation to managed fields.
 * Is not:  storage, defaults or validation.
 * Versions: sets are kept by apiVersion and are not converted between versions.
 * Threads: any. Yields: never.
 */
struct managed_change {
    const char *manager;     /* fieldManager, or the user agent's first word; "" = "unknown" */
    bool apply;              /* for the caller's use: managed_apply() is Apply, the other Update */
    bool builtin;            /* a Go type stands behind: its structs are there in an empty object */
    const char *api_version; /* that the client used */
    const char *subresource; /* "" or "status", "scale"... */
    const char *told_version;     /* in which conflicts are told; NULL: the other entry's */
    const char *time;             /* RFC 3339, seconds */
    struct fieldset_known *known; /* NULL: none */
};

/* Create, update and the other patches: sets now.metadata.managedFields from `old` (NULL: created).
 * Fields that changed or came belong to the manager, those that went belong to nobody. Entries that
 * the client sent are believed if they are valid (but through a subresource), an empty
 * entry, or of a built-in kind an empty list, makes a new start: nobody owns anything until the
 * next apply. The time of an entry changes with its fields alone. Never owned: apiVersion, kind,
 * and of metadata name, namespace, uid, resourceVersion, generation, creationTimestamp, selfLink,
 * managedFields; `status` except through subresource "status" when the kind has one
 * (`status_split`), and through that one spec (and metadata, unless `builtin`). 0 or NOMEM. */
int managed_update(const struct schema *schema, const json_t *old, json_t *now, bool status_split,
                   const struct managed_change *change, struct error *err);

/* Server-side apply of `applied` onto `live` (NULL: there is none): the new object with
 * managedFields set; of its metadata nothing else is touched, defaults are the caller's, nulls stay
 * (a client may apply one, and a container whose last member goes away while somebody else owns it
 * becomes one): objects of built-in kinds drop them. It shares nothing with the others but entries
 * of managedFields; when this was applied before and nothing has changed since, it is `live`.
 * NULL: CONFLICT (409) unless `force`: *reterr_causes gets
 * [{"reason":"FieldManagerConflict","message":"conflict with \"kubectl\" using apps/v1",
 * "field":".spec.replicas"}], a new reference, and err->message is the API server's sentence as far
 * as it fits. REJECTED: `applied` has managedFields (400) or does not fit its types or lists (500,
 * as the API server has it). NOMEM. */
json_t *managed_apply(const struct schema *schema, const json_t *live, const json_t *applied,
                      bool status_split, const struct managed_change *change, bool force,
                      json_t **reterr_causes, struct error *err);

/* To be called last, after defaults and admission: when `now` differs from `old` in nothing but the
 * times of entries, the old times are put back and true is returned: there is nothing to store. */
bool managed_settle(const json_t *old, json_t *now);

#endif
