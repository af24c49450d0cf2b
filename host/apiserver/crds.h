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
/* crds_reread.c: objects that were put until `until` are shown as the definition now has them: what
 * it does not name is left out, what it gives a default to is there, as the real server does it to
 * what it reads from etcd. 0 or NOMEM: some are as they were. */
int crds_reread(struct apiserver *server, const struct api_resource *resource, uint64_t until,
                struct error *err);
int crds_recall(struct apiserver *server, struct error *err); /* of all that are stored */

#endif
