#include "client_certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

static gnutls_datum_t datum(const char *text) {
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

static char *take(gnutls_datum_t *pem) {
    char *text = mem_strndup((const char *)pem->data, pem->size);
    assert_non_null(text);
    gnutls_free(pem->data);
    return text;
}

static void fill(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key) {
    assert_int_equal(gnutls_x509_crt_set_version(cert, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(cert, "\x07", 1), 0);
    assert_int_equal(
        gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, "client", 6), 0);
    gnutls_x509_crt_set_activation_time(cert, time(NULL) - 60);
    gnutls_x509_crt_set_expiration_time(cert, time(NULL) + 3000);
    assert_int_equal(gnutls_x509_crt_set_key(cert, key), 0);
    assert_int_equal(gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_CLIENT, 0), 0);
}

void client_certificate_make(const struct certificate_pair *ca, struct certificate_pair *ret) {
    gnutls_x509_crt_t cert, issuer;
    gnutls_x509_privkey_t key, issuer_key;
    gnutls_datum_t pem, issuer_pem = datum(ca->cert), issuer_key_pem = datum(ca->key);
    gnutls_x509_crt_init(&cert);
    gnutls_x509_crt_init(&issuer);
    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_init(&issuer_key);
    assert_int_equal(gnutls_x509_crt_import(issuer, &issuer_pem, GNUTLS_X509_FMT_PEM), 0);
    assert_int_equal(gnutls_x509_privkey_import2(issuer_key, &issuer_key_pem, GNUTLS_X509_FMT_PEM,
                                                 NULL, GNUTLS_PKCS_PLAIN),
                     0);
    unsigned curve = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, curve, 0), 0);
    fill(cert, key);
    assert_int_equal(gnutls_x509_crt_sign2(cert, issuer, issuer_key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem), 0);
    ret->cert = take(&pem);
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    ret->key = take(&pem);
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_crt_deinit(issuer);
    gnutls_x509_privkey_deinit(key);
    gnutls_x509_privkey_deinit(issuer_key);
}
