#include <gnutls/crypto.h>
#include <string.h>

#include "base/mem.h"
#include "serve/certificate.h"
#include "serve/certificate_internal.h"

static const int64_t LAST_TIME = 253402300799; /* 9999-12-31T23:59:59Z, the end of X.509's years */

static void free_crt(gnutls_x509_crt_t *crt) {
    gnutls_x509_crt_deinit(*crt);
}

static void free_key(gnutls_x509_privkey_t *key) {
    gnutls_x509_privkey_deinit(*key);
}

void certificate_pair_finish(struct certificate_pair *pair) {
    mem_free(pair->cert);
    mem_free(pair->key);
    *pair = (struct certificate_pair){0};
}

static int set_serial(gnutls_x509_crt_t crt) {
    unsigned char serial[16];
    int rc = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    if (rc < 0)
        return rc;
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and always 16 bytes in DER */
    return gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
}

/* A new key, and the part of the certificate that both kinds have. */
static int begin(gnutls_x509_crt_t *ret, gnutls_x509_privkey_t *ret_key, const char *cn,
                 int64_t now, int64_t not_after) {
    const unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    unsigned char id[64];
    size_t len = sizeof id;
    int rc = gnutls_x509_privkey_init(ret_key);
    if (rc >= 0)
        rc = gnutls_x509_privkey_generate(*ret_key, GNUTLS_PK_ECDSA, bits, 0);
    if (rc >= 0)
        rc = gnutls_x509_crt_init(ret);
    if (rc < 0)
        return rc;
    gnutls_x509_crt_t crt = *ret;
    if ((rc = gnutls_x509_crt_set_version(crt, 3)) < 0 || (rc = set_serial(crt)) < 0 ||
        (rc = gnutls_x509_crt_set_activation_time(crt, now - CERTIFICATE_BACKDATE_S)) < 0 ||
        (rc = gnutls_x509_crt_set_expiration_time(crt, not_after)) < 0 ||
        (rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
                                            (unsigned)strlen(cn))) < 0 ||
        (rc = gnutls_x509_crt_set_key(crt, *ret_key)) < 0 ||
        (rc = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &len)) < 0)
        return rc;
    return gnutls_x509_crt_set_subject_key_id(crt, id, len);
}

static int export_pair(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key,
                       struct certificate_pair *ret, struct error *err) {
    struct certificate_pair pair = {0};
    gnutls_datum_t text = {0};
    int rc =
        gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &text);
    if (rc < 0)
        return certificate_refuse(err, ERROR_INTERNAL, rc, "writing a private key");
    rc = certificate_take_text(&text, &pair.key, err);
    if (rc == 0)
        rc = certificate_export(crt, &pair.cert, err);
    if (rc < 0)
        certificate_pair_finish(&pair);
    else
        *ret = pair;
    return rc;
}

static int check_times(int64_t now, int64_t not_after, struct error *err) {
    if (now > CERTIFICATE_BACKDATE_S && now < not_after && not_after <= LAST_TIME)
        return 0;
    return error_set(err, ERROR_INVALID, "a certificate cannot run from %lld to %lld",
                     (long long)now, (long long)not_after);
}

int certificate_make_ca(const char *cn, int64_t now, int64_t not_after,
                        struct certificate_pair *ret, struct error *err) {
    CLEANUP(free_crt) gnutls_x509_crt_t crt = NULL;
    CLEANUP(free_key) gnutls_x509_privkey_t key = NULL;
    int rc = check_times(now, not_after, err);
    if (rc < 0)
        return rc;
    if (*cn == '\0' || strlen(cn) > 64)
        return error_set(err, ERROR_INVALID, "a CA's name has 1 to 64 bytes");
    if ((rc = begin(&crt, &key, cn, now, not_after)) < 0 ||
        (rc = gnutls_x509_crt_set_basic_constraints(crt, /* ca= */ 1, /* path_len= */ 0)) < 0 ||
        (rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN)) < 0 ||
        (rc = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0)) < 0)
        return certificate_refuse(err, ERROR_INTERNAL, rc, "making a CA");
    return export_pair(crt, key, ret, err);
}

static int add_names(gnutls_x509_crt_t crt, const char *const *names, struct error *err) {
    if (*names == NULL)
        return error_set(err, ERROR_INVALID, "a serving certificate needs a name");
    for (; *names; names++) {
        unsigned char bytes[16];
        size_t len = certificate_address(*names, bytes);
        int rc = certificate_check_name(*names, err);
        if (rc < 0)
            return rc;
        const void *data = len ? (const void *)bytes : *names;
        rc = gnutls_x509_crt_set_subject_alt_name(
            crt, len ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME, data,
            (unsigned)(len ? len : strlen(*names)), GNUTLS_FSAN_APPEND);
        if (rc < 0)
            return certificate_refuse(err, ERROR_INTERNAL, rc, *names);
    }
    return 0;
}

static int sign_serving(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key) {
    unsigned char id[64];
    size_t len = sizeof id;
    int rc;
    if ((rc = gnutls_x509_crt_set_basic_constraints(crt, /* ca= */ 0, /* path_len= */ -1)) < 0 ||
        (rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
        (rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
        (rc = gnutls_x509_crt_get_subject_key_id(ca, id, &len, NULL)) < 0 ||
        (rc = gnutls_x509_crt_set_authority_key_id(crt, id, len)) < 0)
        return rc;
    return gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0);
}

/* The CA that signs, and when it ends. */
static int load_ca(const char *cert, const char *key, int64_t now, gnutls_x509_crt_t *ret,
                   gnutls_x509_privkey_t *ret_key, int64_t *ret_end, struct error *err) {
    struct certificate_facts facts;
    int rc = certificate_check_key(cert, key, err);
    if (rc == 0)
        rc = certificate_read(cert, &facts, err);
    if (rc < 0)
        return rc;
    if (!facts.is_ca)
        return error_set(err, ERROR_REJECTED, "this certificate may not sign others");
    if (facts.not_after <= now)
        return error_set(err, ERROR_REJECTED, "it has ended");
    gnutls_datum_t cert_text = certificate_datum(cert), key_text = certificate_datum(key);
    *ret_end = facts.not_after;
    if ((rc = gnutls_x509_crt_init(ret)) < 0 ||
        (rc = gnutls_x509_crt_import(*ret, &cert_text, GNUTLS_X509_FMT_PEM)) < 0 ||
        (rc = gnutls_x509_privkey_init(ret_key)) < 0 ||
        (rc = gnutls_x509_privkey_import(*ret_key, &key_text, GNUTLS_X509_FMT_PEM)) < 0)
        return certificate_refuse(err, ERROR_INVALID, rc, "it cannot be read");
    return 0;
}

int certificate_make_serving(const char *ca_cert, const char *ca_key, const char *const *names,
                             int64_t now, int64_t not_after, struct certificate_pair *ret,
                             struct error *err) {
    CLEANUP(free_crt) gnutls_x509_crt_t ca = NULL;
    CLEANUP(free_key) gnutls_x509_privkey_t signer = NULL;
    CLEANUP(free_crt) gnutls_x509_crt_t crt = NULL;
    CLEANUP(free_key) gnutls_x509_privkey_t key = NULL;
    int64_t end = 0;
    int rc = check_times(now, not_after, err);
    if (rc < 0)
        return rc;
    rc = load_ca(ca_cert, ca_key, now, &ca, &signer, &end, err);
    if (rc < 0) {
        error_prefix(err, "the CA");
        return rc;
    }
    /* The subject is no DNS name, so no client takes it for one. */
    rc = begin(&crt, &key, "moonlet server", now, not_after < end ? not_after : end);
    if (rc < 0)
        return certificate_refuse(err, ERROR_INTERNAL, rc, "making a serving certificate");
    rc = add_names(crt, names, err);
    if (rc < 0)
        return rc;
    rc = sign_serving(crt, ca, signer);
    if (rc < 0)
        return certificate_refuse(err, ERROR_INTERNAL, rc, "making a serving certificate");
    return export_pair(crt, key, ret, err);
}

int certificate_make_secret(char *ret, size_t size, struct error *err) {
    static const char digits[] = "0123456789abcdef";
    int rc = gnutls_rnd(GNUTLS_RND_KEY, ret, size);
    if (rc < 0)
        return certificate_refuse(err, ERROR_INTERNAL, rc, "random numbers for a secret");
    for (size_t i = 0; i + 1 < size; i++)
        ret[i] = digits[ret[i] & 15];
    ret[size - 1] = '\0';
    return 0;
}
