#ifndef MOONLET_CACHE_MATCH_H
#define MOONLET_CACHE_MATCH_H

#include "cache/object.h"

/*
 * Selectors: label selectors (the server's grammar), field selectors by path, annotation maps and
 * namespace lists, compiled once and evaluated in the host.
 *
 * Threads: immutable after creation. Yields: never.
 */
struct selector; /* labels: "a=b,c in (d,e),!f,g", apimachinery's labels.Parse */
struct selector *selector_parse(const char *text, struct error *err); /* NULL: INVALID, in the
                                                                    server's words; NOMEM */
void selector_destroy(struct selector *selector);
/* `labels` is an object node or NODE_NONE. A NULL selector matches everything. */
bool selector_matches(const struct selector *selector, const struct dag *dag, node_t labels);

struct field_selector; /* "status.phase=Running,metadata.name!=x" */
struct field_selector *field_selector_parse(const char *text, struct error *err);
void field_selector_destroy(struct field_selector *selector);
bool field_selector_matches(const struct field_selector *selector, const struct dag *dag,
                            node_t root);

#endif
