#ifndef MOONLET_CLI_NODE_DIFF_H
#define MOONLET_CLI_NODE_DIFF_H

#include "cache/node.h"

/*
 * Node diff: what changed between two versions of an object, a line each, for people.
 *
 *     ~ spec.replicas: 2 -> 3
 *     + metadata.labels.team: "demo"
 *     - spec.paused: true
 *
 * Is not:  a patch. What the API server counts by itself (resourceVersion, generation,
 *          managedFields) is left out.
 * Threads: any with both pinned. Yields: never.
 */
struct node_diff_options {
    const char *indent;
    size_t most; /* lines; what is more is counted in a last one */
    bool colour;
    bool secret; /* values under data and stringData are not shown */
};
/* Appends the lines; how many changes there are. */
size_t node_diff(const struct dag *dag, node_t before, node_t after,
                 const struct node_diff_options *options, struct strbuf *out);

#endif
