#ifndef MOONLET_KUBE_SELECT_H
#define MOONLET_KUBE_SELECT_H

#include "kube/watch.h"

/*
 * What a list and a watch have in common: the path, the selectors, the form of the answer.
 * Threads: any. Yields: never.
 */

/* Appends the path, and the query "labelSelector=...&fieldSelector=..." as far as there is one. */
void kube_select_build(const struct kube_select *select, struct strbuf *path, struct strbuf *query);
/* Appends "&name=value" (without the & at the start), escaped; nothing when value is NULL. */
void kube_query_add(struct strbuf *query, const char *name, const char *value);
/* The Accept header of a list (PartialObjectMetadataList) or a watch. */
const char *kube_select_accept(const struct kube_select *select, bool list);

#endif
