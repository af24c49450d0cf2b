#ifndef MOONLET_APISERVER_EVENTS_H
#define MOONLET_APISERVER_EVENTS_H

#include <jansson.h>

#include "base/str.h"

/*
 * Events: of v1 and of events.k8s.io/v1, which are the same objects under other names. They are
 * stored as v1.
 *
 * Threads: any. Yields: never.
 */

/* The Event in that apiVersion: a new reference. NULL: NOMEM. */
json_t *events_convert(const json_t *event, const char *api_version);
/* A field selector of that apiVersion, as it is for what is stored. */
void events_fields(const char *selector, const char *api_version, struct strbuf *out);

#endif
