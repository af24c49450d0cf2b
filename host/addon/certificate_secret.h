#ifndef MOONLET_ADDON_CERTIFICATE_SECRET_H
#define MOONLET_ADDON_CERTIFICATE_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Certificate Secret: the Secret in which replicas share certificates, to and from JSON.
 *
 * Is:      a codec. tls.crt, tls.key and ca.crt (the whole bundle) are named as cert-manager names
 *          them; ca.key, next-ca.crt, next-ca.key, old-ca.crt and next-since (RFC 3339) are ours.
 * Is not:  a judge of what the texts hold (serve/rotation.h), or of when to write.
 * Threads: pure. Yields: never.
 */
struct certificate_secret {
    /* PEM; each owned, or NULL when it is missing, empty or no text */
    char *ca_cert, *ca_key, *next_ca_cert, *next_ca_key, *cert, *key, *old_ca_cert;
    int64_t next_since; /* unix seconds; 0: none */
    /* JSON of the metadata as read, with the resourceVersion that a write depends on and whatever
     * others put there; NULL for a Secret that is not there yet. */
    char *metadata;
};
void certificate_secret_finish(struct certificate_secret *secret); /* zeroed is fine */

/* Reads a Secret as the API server sends it. PROTOCOL: no Secret; REJECTED: not of type
 * kubernetes.io/tls or not labelled as moonlet's, so not ours to change; NOMEM. Single values that
 * make no sense are left out, as the one who renews makes them anew. */
int certificate_secret_parse(struct str json, struct certificate_secret *ret, struct error *err);

/* Appends the Secret as a body for POST (metadata NULL) or PUT (else; a conflict means that another
 * replica was faster: read again). Keys in its data that are none of the above are not kept.
 * 0 or NOMEM. */
int certificate_secret_print(const struct certificate_secret *secret, const char *ns,
                             const char *name, struct strbuf *ret, struct error *err);

#endif
