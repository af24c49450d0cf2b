#ifndef MOONLET_SERVE_CERTIFICATE_H
#define MOONLET_SERVE_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Certificates: making and reading X.509 as PEM text (RFC 5280, RFC 7468), ECDSA P-256.
 *
 * Is:      pure functions over texts and times that the caller gives; keys and serials are random.
 * Is not:  when to renew (serve/rotation.h), where it is stored (addon/certificate_secret.h).
 * Times:   unix seconds. A certificate is valid from not_before to not_after, both included.
 * Limits:  CERTIFICATE_MAX_BYTES of PEM, CERTIFICATE_MAX_COUNT certificates; beyond is INVALID.
 * Codes:   INVALID: a text is no such PEM, or an argument cannot be; REJECTED: it can be read, and
 *          the answer is no; NOMEM; INTERNAL: GnuTLS cannot make it (no random numbers).
 * Threads: any. Yields: never.
 */
enum {
    CERTIFICATE_BACKDATE_S = 5 * 60, /* not_before is that long ago: clocks differ */
    CERTIFICATE_MAX_BYTES = 1 << 20,
    CERTIFICATE_MAX_COUNT = 64,
    CERTIFICATE_SERIAL_TEXT = 2 * 64 + 1
};

struct certificate_pair {
    char *cert, *key; /* PEM, the key as PKCS#8; owned, mem_free */
};
void certificate_pair_finish(struct certificate_pair *pair); /* zeroed is fine */

/* A CA that may sign servers and nothing below (path length 0). `cn` has 1 to 64 bytes. */
int certificate_make_ca(const char *cn, int64_t now, int64_t not_after,
                        struct certificate_pair *ret, struct error *err);

/* A server's certificate. `names`, ended by NULL and at least one, are DNS names without wildcards
 * or IP addresses. It ends with its CA at the latest. REJECTED: the key is not that CA's, or the CA
 * is none or has ended. */
int certificate_make_serving(const char *ca_cert, const char *ca_key, const char *const *names,
                             int64_t now, int64_t not_after, struct certificate_pair *ret,
                             struct error *err);

struct certificate_facts {
    int64_t not_before, not_after;
    char serial[CERTIFICATE_SERIAL_TEXT]; /* hex, lower case */
    bool is_ca;
};
/* Of the first certificate in the text; those after it must be readable, too. */
int certificate_read(const char *pem, struct certificate_facts *ret, struct error *err);
/* Is the first certificate good for each of these names and addresses? 0 or REJECTED, which names
 * the first that is missing. */
int certificate_check_names(const char *pem, const char *const *names, struct error *err);
/* Is this the (unencrypted) private key of the first certificate? 0 or REJECTED. */
int certificate_check_key(const char *pem, const char *key, struct error *err);
/* Does a client that trusts `bundle` accept this as a server's at `now`? Names apart. 0 or
 * REJECTED with the reason. CAs of the bundle that are not valid at `now` do not count. */
int certificate_verify(const char *pem, const char *bundle, int64_t now, struct error *err);

/* Random bytes for a secret, as hex: `size` - 1 digits, 0-terminated. */
int certificate_make_secret(char *ret, size_t size, struct error *err);

/* Bundles: several certificates in one text. What stands between them is dropped. */
int certificate_count(const char *pem, size_t *ret, struct error *err);
/* One text each; free with certificate_list_free(). */
int certificate_split(const char *pem, char ***ret, size_t *ret_count, struct error *err);
void certificate_list_free(char **list, size_t count);
/* All certificates of `count` texts in their order, each once. A text may be NULL. With none at all
 * it is INVALID. */
int certificate_join(const char *const *pems, size_t count, char **ret, struct error *err);

#endif
