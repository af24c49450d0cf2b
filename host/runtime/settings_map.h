#ifndef MOONLET_RUNTIME_SETTINGS_MAP_H
#define MOONLET_RUNTIME_SETTINGS_MAP_H

#include "runtime/host.h"

/*
 * Settings map: config values of controllers from a ConfigMap, followed as it changes.
 *
 * Is:      data keys "<definition>.<key>", values as YAML scalars (JSON), laid over the values from
 *          the command line and moonlet.yaml.
 * Threads: core. Yields: never.
 */
struct settings_map;
/* `changed` comes first when the ConfigMap has been read (or is known to be absent), then at every
 * change, with the whole JSON {definition: {key: value}}; the first one must scan the folders.
 * `base` is the JSON it is laid over, or NULL. NULL: INVALID ("ns/name" expected), NOMEM. */
struct settings_map *settings_map_start(struct host *host, const char *ns_name, const char *base,
                                        void (*changed)(void *context, const char *json),
                                        void *context, struct error *err);
void settings_map_stop(struct settings_map *map); /* NULL is fine */

#endif
