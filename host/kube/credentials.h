#ifndef MOONLET_KUBE_CREDENTIALS_H
#define MOONLET_KUBE_CREDENTIALS_H

#include "base/list.h"
#include "http/http.h"
#include "kube/config.h"
#include "loop/loop.h"

/*
 * Credentials: who we are right now.
 *
 * Is:      reading of what may rotate (token, certificate and key files, exec plugins), as
 *          identities that do not change once given out.
 * Is not:  deciding when to try again (kube/client.h).
 * Threads: the loop's thread. Yields: never; waiters are called from the loop.
 */
struct kube_identity { /* shared, immutable */
    unsigned refs;
    struct http_tls tls;
    char *ca, *cert, *key; /* owned; what `tls` points to */
    char *authorization;   /* the header's value, or NULL */
};
void kube_identity_unref(struct kube_identity *identity); /* wipes the last; NULL is fine */

struct kube_credentials;
/* config is borrowed. NULL: NOMEM, INVALID (unreadable file; the message names it). */
struct kube_credentials *
kube_credentials_create(struct loop *loop, const struct kube_config *config, struct error *err);
void kube_credentials_destroy(struct kube_credentials *credentials); /* nobody waits any more */

enum { KUBE_CREDENTIALS_PENDING = 1 };
/* 0 with a reference in *ret; KUBE_CREDENTIALS_PENDING when a plugin has to run first (then
 * wait); or an error. */
int kube_credentials_get(struct kube_credentials *credentials, struct kube_identity **ret,
                         struct error *err);

struct kube_waiter {
    struct list link;
    /* get() now gives an answer, or err tells why there is none. The waiter left the list. */
    void (*ready)(struct kube_waiter *waiter, const struct error *err);
};
void kube_credentials_wait(struct kube_credentials *credentials, struct kube_waiter *waiter);

/* The server said 401 to `identity`. True when get() may now give a different one. */
bool kube_credentials_refused(struct kube_credentials *credentials,
                              const struct kube_identity *identity);

#endif
