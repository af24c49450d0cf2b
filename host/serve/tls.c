#include "serve/tls.h"

#include <string.h>

#include "base/mem.h"
#include "serve/certificate.h"

enum { MOST_CHAIN = 8 };

struct tls_credentials {
    unsigned refs;
    gnutls_pcert_st chain[MOST_CHAIN];
    unsigned length;
    gnutls_privkey_t key;
};

static gnutls_datum_t datum(const char *text) {
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

struct tls_credentials *tls_credentials_create(const char *cert_pem, const char *key_pem,
                                               struct error *err) {
    struct tls_credentials *credentials = mem_zalloc(sizeof *credentials);
    gnutls_datum_t cert = datum(cert_pem), key = datum(key_pem);
    unsigned length = MOST_CHAIN;
    if (credentials == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a certificate");
        return NULL;
    }
    credentials->refs = 1;
    int rc = gnutls_pcert_list_import_x509_raw(credentials->chain, &length, &cert,
                                               GNUTLS_X509_FMT_PEM, 0);
    const char *what = "the certificate";
    if (rc >= 0) {
        credentials->length = length;
        what = "the key";
        rc = gnutls_privkey_init(&credentials->key);
    }
    if (rc >= 0)
        rc = gnutls_privkey_import_x509_raw(credentials->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (rc < 0)
        error_set(err, rc == GNUTLS_E_MEMORY_ERROR ? ERROR_NOMEM : ERROR_INVALID, "%s: %s", what,
                  gnutls_strerror(rc));
    else if (certificate_check_key(cert_pem, key_pem, err) == 0)
        return credentials;
    tls_credentials_unref(credentials);
    return NULL;
}

struct tls_credentials *tls_credentials_ref(struct tls_credentials *credentials) {
    credentials->refs++;
    return credentials;
}

void tls_credentials_unref(struct tls_credentials *credentials) {
    if (credentials == NULL || --credentials->refs > 0)
        return;
    for (unsigned i = 0; i < credentials->length; i++)
        gnutls_pcert_deinit(&credentials->chain[i]);
    if (credentials->key)
        gnutls_privkey_deinit(credentials->key);
    mem_free(credentials);
}

void tls_credentials_lend(struct tls_credentials *credentials, gnutls_pcert_st **ret_chain,
                          unsigned *ret_length, gnutls_privkey_t *ret_key) {
    *ret_chain = credentials->chain;
    *ret_length = credentials->length;
    *ret_key = credentials->key;
}

bool tls_client_is_known(gnutls_session_t session) {
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned problems = 0;
    return gnutls_certificate_verify_peers(session, &purpose, 1, &problems) == 0 && problems == 0;
}
