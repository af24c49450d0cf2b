#ifndef MOONLET_APISERVER_FIELDSET_KNOWN_H
#define MOONLET_APISERVER_FIELDSET_KNOWN_H

#include "apiserver/fieldset.h"
#include "apiserver/schema.h"
#include "cache/node.h"

/*
 * Known field sets: what FieldsV1 there was lately. Most objects of a kind are written by the same
 * managers in the same way, so what a set is read, decoded and printed as is kept and found again.
 *
 * Is:      a memory, exact and bounded: what is not known is made, as without it.
 * Is not:  a bound on sets, or needed: NULL knows nothing.
 * Threads: core. Yields: never.
 */
struct fieldset_known;
struct fieldset_known *fieldset_known_create(struct dag *dag, struct error *err); /* NULL: NOMEM */
void fieldset_known_destroy(struct fieldset_known *known); /* before the dag; NULL is fine */
/* Forgets all when there is more than pays. What was lent is void then, documents are not. */
void fieldset_known_trim(struct fieldset_known *known);

/* One set in all its forms; lent until the next trim. */
struct fieldset_form {
    struct str text;            /* compact */
    json_t *document;           /* shared by many: not to be changed */
    const struct fieldset *set; /* NULL until fieldset_known_form() was asked, or it is none */
    const struct schema *fits;  /* a reference: no field of it is below an atomic one there; NULL:
                                   not asked */
};
/* The form of a document that came from here; NULL: it did not, or is no set. */
struct fieldset_form *fieldset_known_form(struct fieldset_known *known, const json_t *document);
/* The text of a document that came from here, or one without data. */
struct str fieldset_known_text(const struct fieldset_known *known, const json_t *document);
/* The same of a node. */
struct str fieldset_known_node_text(const struct fieldset_known *known, node_t fields);
/* The node of a document that came from here, lent; NODE_NONE: it did not, or was never bound. */
node_t fieldset_known_node(const struct fieldset_known *known, const json_t *document);
void fieldset_known_bind(struct fieldset_known *known, const json_t *document, node_t node);
void fieldset_form_fits(struct fieldset_form *form, const struct schema *schema);

/* Documents, new references. NULL: NOMEM; of a text: it is not known. */
json_t *fieldset_known_of_text(const struct fieldset_known *known, struct str text);
json_t *fieldset_known_of_node(struct fieldset_known *known, node_t fields);
json_t *fieldset_known_of_set(struct fieldset_known *known, const struct fieldset *set);

#endif
