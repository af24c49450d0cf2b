#ifndef MOONLET_APISERVER_FRONT_USER_H
#define MOONLET_APISERVER_FRONT_USER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Front user: who a client of the front is, from its headers.
 *
 * Is not:  authorization: everybody who is let in may do everything.
 * Threads: any. Yields: never.
 */
struct front_claim {           /* borrowed */
    const char *authorization; /* the header, or NULL */
    const char *impersonate;   /* Impersonate-User, or NULL */
    const char *token;         /* of the administrator */
    const char *account;       /* whose token is shown instead, or NULL */
    bool anonymous;            /* is none shown, that is fine */
};

struct front_user {
    const char *name;    /* borrowed from the claim, or static; "" = system:anonymous */
    const char **groups; /* NULL-terminated, or NULL; the names are borrowed or in `owned` */
    size_t count, cap;
    char *owned;
    bool failed; /* no memory for a group */
};
/* The token of an Authorization header; "" when there is none. */
const char *front_user_bearer(const char *authorization);
/* An Impersonate-Group header; before front_user_find(). */
void front_user_add_group(struct front_user *user, const char *group);
/* 0; UNAUTHORIZED: another token, or none; REJECTED: groups are impersonated without a user, or
 * who shows no token impersonates; NOMEM. Pair with front_user_finish(), also after a failure. */
int front_user_find(struct front_user *user, const struct front_claim *claim, struct error *err);
void front_user_finish(struct front_user *user); /* zeroed is fine */

#endif
