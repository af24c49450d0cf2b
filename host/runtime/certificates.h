#ifndef MOONLET_RUNTIME_CERTIFICATES_H
#define MOONLET_RUNTIME_CERTIFICATES_H

#include "runtime/host.h"

/*
 * Certificates: the one that webhooks are served with, kept current.
 *
 * Is:      one of three sources: a folder that somebody else rotates (--webhook-cert-dir); a Secret
 *          that all replicas share, written with optimistic locking; or, for a host alone on a
 *          laptop, this process's memory. What should be in the last two is serve/rotation.h's.
 * Is not:  the server (runtime/hooks.h), or what tells the API server whom to trust
 *          (runtime/registrar.h).
 * Threads: core. Yields: never.
 */
struct certificates;
struct certificates_options {
    struct host *host;
    const char *dir;          /* tls.crt, tls.key and perhaps ca.crt; NULL: not this way */
    const char *secret;       /* "namespace/name"; NULL: not this way */
    const char *const *names; /* DNS names and IP addresses to be valid for; NULL-terminated */
    uint64_t lifetime_ns;     /* of a serving certificate; 0 = 90 days */
    bool unpublished;         /* nobody calls certificates_published() */
    void (*changed)(void *context); /* certificate, key or bundle: always when first known */
    void (*failed)(void *context, const struct error *err); /* tried again; said once per message */
    void *context;
};
/* `changed` or `failed` follows. The options' texts are borrowed. NULL: NOMEM. */
struct certificates *certificates_start(const struct certificates_options *options,
                                        struct error *err);
void certificates_stop(struct certificates *certificates); /* NULL is fine */

/* PEM, until the next `changed`; NULL before the first. The bundle may stay NULL with a folder. */
const char *certificates_cert(const struct certificates *certificates);
const char *certificates_key(const struct certificates *certificates);
const char *certificates_bundle(const struct certificates *certificates);
/* Everything that trusts us has the present bundle now: rotation waits for that. */
void certificates_published(struct certificates *certificates);

#endif
