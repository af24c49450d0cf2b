#ifndef MOONLET_CACHE_DAG_PARSE_INTERNAL_H
#define MOONLET_CACHE_DAG_PARSE_INTERNAL_H

#include "cache/dag.h"

/*
 * The parser of the dag, for dag_parse.c and dag_level.c: the one reads tokens and guesses, the
 * other keeps the open levels, each as its guess says for as long as that holds, and makes nodes of
 * them. What returns int gives 0, ERROR_NOMEM or ERROR_REJECTED.
 */

/* Where a level stands in a Kubernetes object: for what is left out, and whose version it is. */
enum role {
    ROLE_OTHER = DAG_ROLE_OTHER,
    ROLE_DOCUMENT,
    ROLE_ROOT,
    ROLE_METADATA,
    ROLE_ANNOTATIONS
};

struct parser {
    struct dag *dag;
    struct json_scanner scanner;
    size_t depth;
    int drop;
    struct dag_guess guess;
    enum role next;  /* of a level opened as the next value */
    node_t expected; /* the value that is guessed to come next, or NODE_NONE */
    node_t *noted;   /* where the next value is remembered, or NULL */
    node_t ns, name; /* of the object, borrowed */
    node_t version;  /* a known version of it: the guess once its metadata is complete */
    struct error *err;
};

static inline struct dag_frame *dag_level_top(const struct parser *parser) {
    return &parser->dag->frames[parser->depth - 1];
}

/* The object or array whose bracket was just read. */
int dag_level_open(struct parser *parser, enum node_type type);
/* The level on top is complete: its node is made, and placed in the level around it. */
int dag_level_close(struct parser *parser);
/* A value is complete: the document's, or one of the level on top. With `owned` one reference is
 * taken over, also when it fails. */
int dag_level_place(struct parser *parser, node_t node, bool owned);
/* Of a level whose keys are not as guessed: takes over the reference. NODE_NONE: no memory. */
int dag_level_push_key(struct parser *parser, node_t key);
/* From here on the level's keys and values are on the stacks. Before the value of the next key
 * comes. */
int dag_level_unfit_keys(struct parser *parser, struct dag_frame *frame);

#endif
