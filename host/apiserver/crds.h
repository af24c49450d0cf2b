#ifndef MOONLET_APISERVER_CRDS_H
#define MOONLET_APISERVER_CRDS_H

#include "apiserver/rules.h"

/*
 * Definitions in storage and the kinds that come of them.
 *
 * Threads: core. Yields: never.
 */
/* As in struct rules. */
int crds_prepare(struct apiserver *server, json_t *now, const json_t *old, struct error *err);
void crds_check(struct apiserver *server, const json_t *now, const json_t *old,
                struct causes *causes);
/* The first DELETE: it stays until its objects are gone. 0 or NOMEM. */
int crds_mark_deleting(const struct apiserver *server, json_t *crd);
/* After a change of any object: serves, changes or ends a kind, and its watches. */
void crds_changed(struct apiserver *server, const struct storage_key *key, node_t old, node_t now);
int crds_recall(struct apiserver *server, struct error *err); /* of all that are stored */

#endif
