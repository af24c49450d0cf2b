#ifndef MOONLET_APISERVER_FIELDS_H
#define MOONLET_APISERVER_FIELDS_H

#include "apiserver/rest.h"
#include "cache/match.h"

/*
 * Fields: which objects a list or watch is about: namespace, name, label and field selectors.
 *
 * Threads: core. Yields: never.
 */
struct choice {
    struct selector *labels;       /* owned; NULL: all */
    struct field_selector *fields; /* owned; NULL: all */
    struct str ns, name;           /* borrowed of the request; ns.data NULL: all, name "": all */
};
/* Refuses with 400 what cannot be parsed or selected by. Pair with choice_finish() in any case. */
int choice_parse(struct api_exchange *x, struct choice *choice);
void choice_finish(struct choice *choice);
bool choice_has(const struct choice *choice, const struct dag *dag, const struct storage_key *key,
                node_t node);

#endif
