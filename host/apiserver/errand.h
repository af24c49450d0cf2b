#ifndef MOONLET_APISERVER_ERRAND_H
#define MOONLET_APISERVER_ERRAND_H

#include "apiserver/rest.h"

/*
 * Errand: a request that the server makes to itself, so that what it does by itself (garbage
 * collection, the many deletes of one) passes the same admission and rules as what clients do.
 *
 * Threads: core. Yields: never; `done` may come during errand_start().
 */
struct errand {                    /* lives in its owner; zeroed = idle */
    struct api_exchange *exchange; /* while it is under way and not being started */
    bool busy;
    int status;
    struct strbuf body;                  /* the answer, until errand_finish() */
    void (*done)(struct errand *errand); /* may start it again or finish it and free its owner */
};
struct errand_order {
    const char *user, *method, *path, *query, *content_type;
    const char *const *groups;
    const json_t *body; /* NULL: none */
};
/* 0 or NOMEM (then `done` is not called). */
int errand_start(struct apiserver *server, struct errand *errand, const struct errand_order *order);
/* Gives up what is under way, and the answer. */
void errand_finish(struct errand *errand);
/* Appends "/apis/GROUP/VERSION/namespaces/NS/PLURAL/NAME/SUB"; "" parts are left out. */
void errand_path(struct strbuf *out, const struct api_resource *resource, struct str ns,
                 struct str name, const char *subresource);

#endif
