#ifndef MOONLET_APISERVER_METADATA_H
#define MOONLET_APISERVER_METADATA_H

#include "apiserver/rest.h"

/*
 * Metadata: what the server fills in, keeps and checks in every object.
 *
 * Threads: core. Yields: never.
 */
/* uid, creationTimestamp; away with what a client may not set. 0 or NOMEM. */
int metadata_fill(struct apiserver *server, json_t *object);
/* The name from generateName, when there is none. 0 or NOMEM. */
int metadata_name(struct apiserver *server, json_t *object);
/* What an update cannot change is as in `old`. 0 or NOMEM. */
int metadata_keep(json_t *now, const json_t *old);
void metadata_check(const struct api_resource *resource, const json_t *object,
                    struct causes *causes);
void metadata_check_update(const json_t *now, const json_t *old, struct causes *causes);

json_int_t metadata_generation(const json_t *object);
int metadata_set_generation(json_t *object, json_int_t generation); /* 0 or NOMEM */
bool metadata_deleting(const json_t *object);
/* 0 or NOMEM: deletionTimestamp (now + grace), deletionGracePeriodSeconds, a new generation. */
int metadata_mark_deleting(const struct apiserver *server, json_t *object, json_int_t grace);

#endif
