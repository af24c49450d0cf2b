#ifndef MOONLET_SERVE_TLS_H
#define MOONLET_SERVE_TLS_H

#include <gnutls/abstract.h>
#include <stdbool.h>

#include "base/error.h"

/*
 * TLS credentials of a server that may be replaced while connections are open.
 *
 * Is:      a certificate chain and its key, parsed and shared by reference.
 * Is not:  made or rotated here (serve/certificate.h, serve/rotation.h); for other rooms.
 * Threads: core. Yields: never.
 */
struct tls_credentials;

/* One reference. NULL: INVALID (not PEM), REJECTED (the key is another's), NOMEM. */
struct tls_credentials *tls_credentials_create(const char *cert_pem, const char *key_pem,
                                               struct error *err);
struct tls_credentials *tls_credentials_ref(struct tls_credentials *credentials);
void tls_credentials_unref(struct tls_credentials *credentials); /* NULL is fine */

/* For GnuTLS's retrieve function: lends the chain and the key as long as the reference lives. */
void tls_credentials_lend(struct tls_credentials *credentials, gnutls_pcert_st **ret_chain,
                          unsigned *ret_length, gnutls_privkey_t *ret_key);

/* Did the client of an open connection show a certificate for clients of the CA asked for? */
bool tls_client_is_known(gnutls_session_t session);

#endif
