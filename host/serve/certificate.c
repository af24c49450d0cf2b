#include "serve/certificate.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "serve/certificate_internal.h"

int certificate_refuse(struct error *err, int code, int rc, const char *what) {
    if (rc == GNUTLS_E_MEMORY_ERROR)
        code = ERROR_NOMEM;
    return error_set(err, code, "%s: %s", what, gnutls_strerror(rc));
}

int certificate_no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for a certificate");
}

static void free_key(gnutls_x509_privkey_t *key) {
    gnutls_x509_privkey_deinit(*key);
}

static void free_trust(gnutls_x509_trust_list_t *trust) {
    if (*trust)
        gnutls_x509_trust_list_deinit(*trust, /* all= */ 0);
}

gnutls_datum_t certificate_datum(const char *text) {
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)strlen(text)};
}

/* Moves a text of GnuTLS into one of ours. */
int certificate_take_text(gnutls_datum_t *text, char **ret, struct error *err) {
    *ret = mem_strndup((const char *)text->data, text->size);
    gnutls_memset(text->data, 0, text->size); /* it may be a key */
    gnutls_free(text->data);
    return *ret ? 0 : certificate_no_memory(err);
}

/* --- reading ---------------------------------------------------------------------------------- */

struct chain {
    gnutls_x509_crt_t *items; /* of GnuTLS */
    unsigned count;           /* at least 1 after chain_load() */
};

static void chain_finish(struct chain *chain) {
    for (unsigned i = 0; i < chain->count; i++)
        gnutls_x509_crt_deinit(chain->items[i]);
    gnutls_free(chain->items);
    *chain = (struct chain){0};
}

static int check_size(const char *pem, const char *what, struct error *err) {
    if (pem == NULL || *pem == '\0')
        return error_set(err, ERROR_INVALID, "there is no %s", what);
    if (strlen(pem) > CERTIFICATE_MAX_BYTES)
        return error_set(err, ERROR_INVALID, "the PEM of a %s is larger than %d bytes", what,
                         CERTIFICATE_MAX_BYTES);
    return 0;
}

/* On failure *ret may still need chain_finish(), which is fine with what is there. */
static int chain_load(struct chain *ret, const char *pem, struct error *err) {
    int rc = check_size(pem, "certificate", err);
    if (rc < 0)
        return rc;
    gnutls_datum_t text = certificate_datum(pem);
    rc = gnutls_x509_crt_list_import2(&ret->items, &ret->count, &text, GNUTLS_X509_FMT_PEM, 0);
    if (rc < 0) {
        *ret = (struct chain){0};
        return certificate_refuse(err, ERROR_INVALID, rc, "a certificate cannot be read");
    }
    if (ret->count == 0 || ret->count > CERTIFICATE_MAX_COUNT)
        return error_set(err, ERROR_INVALID, "%u certificates in a PEM where 1 to %d can be",
                         ret->count, CERTIFICATE_MAX_COUNT);
    return 0;
}

static int key_load(gnutls_x509_privkey_t *ret, const char *pem, struct error *err) {
    int rc = check_size(pem, "private key", err);
    if (rc < 0)
        return rc;
    gnutls_datum_t text = certificate_datum(pem);
    rc = gnutls_x509_privkey_init(ret);
    if (rc >= 0)
        rc = gnutls_x509_privkey_import(*ret, &text, GNUTLS_X509_FMT_PEM);
    return rc < 0 ? certificate_refuse(err, ERROR_INVALID, rc, "a private key cannot be read") : 0;
}

static int read_facts(gnutls_x509_crt_t crt, struct certificate_facts *ret, struct error *err) {
    unsigned char serial[64];
    size_t len = sizeof serial;
    *ret = (struct certificate_facts){.not_before = gnutls_x509_crt_get_activation_time(crt),
                                      .not_after = gnutls_x509_crt_get_expiration_time(crt),
                                      .is_ca = gnutls_x509_crt_get_ca_status(crt, NULL) > 0};
    int rc = gnutls_x509_crt_get_serial(crt, serial, &len);
    if (rc < 0)
        return certificate_refuse(err, ERROR_INVALID, rc, "a certificate's serial number");
    if (ret->not_before == -1 || ret->not_after == -1)
        return error_set(err, ERROR_INVALID, "a certificate's times cannot be read");
    for (size_t i = 0; i < len; i++) {
        ret->serial[2 * i] = "0123456789abcdef"[serial[i] >> 4];
        ret->serial[2 * i + 1] = "0123456789abcdef"[serial[i] & 15];
    }
    return 0;
}

int certificate_read(const char *pem, struct certificate_facts *ret, struct error *err) {
    CLEANUP(chain_finish) struct chain chain = {0};
    int rc = chain_load(&chain, pem, err);
    return rc < 0 ? rc : read_facts(chain.items[0], ret, err);
}

/* An address as bytes, its length, or 0 when it is none. */
size_t certificate_address(const char *name, unsigned char bytes[16]) {
    if (inet_pton(AF_INET, name, bytes) == 1)
        return 4;
    return inet_pton(AF_INET6, name, bytes) == 1 ? 16 : 0;
}

/* A DNS name as a certificate can hold it: letters, digits, '-' and '_' in labels of 1 to 63. */
static bool is_dns_name(const char *name) {
    size_t label = 0, len = strlen(name);
    for (const char *at = name; *at; at++) {
        if (*at == '.' && label == 0)
            return false;
        label = *at == '.' ? 0 : label + 1;
        if (label > 63 || !(isalnum((unsigned char)*at) || strchr("-_.", *at)))
            return false;
    }
    return label > 0 && len <= 253;
}

int certificate_check_name(const char *name, struct error *err) {
    unsigned char bytes[16];
    if (certificate_address(name, bytes) || is_dns_name(name))
        return 0;
    return error_set(err, ERROR_INVALID, "\"%s\" is neither a DNS name nor an IP address", name);
}

int certificate_check_names(const char *pem, const char *const *names, struct error *err) {
    CLEANUP(chain_finish) struct chain chain = {0};
    int rc = chain_load(&chain, pem, err);
    for (; rc == 0 && *names; names++) {
        rc = certificate_check_name(*names, err);
        if (rc == 0 && !gnutls_x509_crt_check_hostname2(chain.items[0], *names, 0))
            rc = error_set(err, ERROR_REJECTED, "the certificate is not for \"%s\"", *names);
    }
    return rc;
}

static int match_key(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, struct error *err) {
    unsigned char of_crt[64], of_key[64];
    size_t crt_len = sizeof of_crt, key_len = sizeof of_key;
    int rc = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_len);
    if (rc >= 0)
        rc = gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_len);
    if (rc < 0)
        return certificate_refuse(err, ERROR_INVALID, rc, "a key's id");
    if (crt_len != key_len || memcmp(of_crt, of_key, crt_len) != 0)
        return error_set(err, ERROR_REJECTED, "the private key is not the certificate's");
    rc = gnutls_x509_privkey_verify_params(key); /* its public half may be another's */
    return rc < 0 ? certificate_refuse(err, ERROR_REJECTED, rc, "the private key is damaged") : 0;
}

int certificate_check_key(const char *pem, const char *key, struct error *err) {
    CLEANUP(chain_finish) struct chain chain = {0};
    CLEANUP(free_key) gnutls_x509_privkey_t private = NULL;
    int rc = chain_load(&chain, pem, err);
    if (rc == 0)
        rc = key_load(&private, key, err);
    return rc < 0 ? rc : match_key(chain.items[0], private, err);
}

static bool valid_at(gnutls_x509_crt_t crt, int64_t now) {
    return gnutls_x509_crt_get_activation_time(crt) <= now &&
           now <= gnutls_x509_crt_get_expiration_time(crt);
}

static int verify_chain(const struct chain *chain, gnutls_x509_crt_t *cas, unsigned count,
                        struct error *err) {
    /* GnuTLS asks the system for the time; ours is the caller's and has been looked at. */
    const unsigned flags =
        GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS;
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER};
    CLEANUP(free_trust) gnutls_x509_trust_list_t trust = NULL;
    unsigned status = 0;
    int rc = gnutls_x509_trust_list_init(&trust, 0);
    if (rc >= 0)
        rc = gnutls_x509_trust_list_add_cas(trust, cas, count, 0);
    if (rc >= 0)
        rc = gnutls_x509_trust_list_verify_crt2(trust, chain->items, chain->count, &purpose, 1,
                                                flags, &status, NULL);
    if (rc < 0)
        return certificate_refuse(err, ERROR_REJECTED, rc, "the certificate cannot be verified");
    if (status == 0)
        return 0;
    gnutls_datum_t why = {0};
    gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0);
    error_set(err, ERROR_REJECTED, "the certificate is not trusted: %s",
              why.data ? (const char *)why.data : "unknown");
    gnutls_free(why.data);
    return ERROR_REJECTED;
}

int certificate_verify(const char *pem, const char *bundle, int64_t now, struct error *err) {
    CLEANUP(chain_finish) struct chain chain = {0};
    CLEANUP(chain_finish) struct chain trusted = {0};
    gnutls_x509_crt_t cas[CERTIFICATE_MAX_COUNT];
    unsigned count = 0;
    int rc = chain_load(&chain, pem, err);
    if (rc < 0)
        return rc;
    rc = chain_load(&trusted, bundle, err);
    if (rc < 0) {
        error_prefix(err, "the trust bundle");
        return rc;
    }
    for (unsigned i = 0; i < chain.count; i++)
        if (!valid_at(chain.items[i], now))
            return error_set(err, ERROR_REJECTED, "the certificate has ended or not begun");
    for (unsigned i = 0; i < trusted.count; i++)
        if (valid_at(trusted.items[i], now))
            cas[count++] = trusted.items[i];
    if (count == 0)
        return error_set(err, ERROR_REJECTED, "each CA of the bundle has ended or not begun");
    return verify_chain(&chain, cas, count, err);
}

/* --- bundles ---------------------------------------------------------------------------------- */

int certificate_export(gnutls_x509_crt_t crt, char **ret, struct error *err) {
    gnutls_datum_t text = {0};
    int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text);
    return rc < 0 ? certificate_refuse(err, ERROR_INTERNAL, rc, "writing a certificate")
                  : certificate_take_text(&text, ret, err);
}

int certificate_count(const char *pem, size_t *ret, struct error *err) {
    CLEANUP(chain_finish) struct chain chain = {0};
    int rc = chain_load(&chain, pem, err);
    if (rc == 0)
        *ret = chain.count;
    return rc;
}

int certificate_split(const char *pem, char ***ret, size_t *ret_count, struct error *err) {
    CLEANUP(chain_finish) struct chain chain = {0};
    int rc = chain_load(&chain, pem, err);
    if (rc < 0)
        return rc;
    char **list = mem_calloc(chain.count, sizeof *list);
    if (list == NULL)
        return certificate_no_memory(err);
    for (unsigned i = 0; rc == 0 && i < chain.count; i++)
        rc = certificate_export(chain.items[i], &list[i], err);
    if (rc < 0) {
        certificate_list_free(list, chain.count);
        return rc;
    }
    *ret = list;
    *ret_count = chain.count;
    return 0;
}

void certificate_list_free(char **list, size_t count) {
    for (size_t i = 0; list && i < count; i++)
        mem_free(list[i]);
    mem_free(list);
}

/* PEM of the same certificate is the same text here, as certificate_export() wrote both. */
static void add_once(struct strbuf *bundle, const char *pem) {
    if (bundle->data == NULL || strstr(bundle->data, pem) == NULL)
        strbuf_adds(bundle, pem);
}

int certificate_join(const char *const *pems, size_t count, char **ret, struct error *err) {
    CLEANUP(strbuf_finish) struct strbuf bundle = {0};
    for (size_t i = 0; i < count; i++) {
        char **list = NULL;
        size_t n = 0;
        if (pems[i] == NULL)
            continue;
        int rc = certificate_split(pems[i], &list, &n, err);
        if (rc < 0)
            return rc;
        for (size_t k = 0; k < n; k++)
            add_once(&bundle, list[k]);
        certificate_list_free(list, n);
    }
    if (bundle.len == 0 && !bundle.failed)
        return error_set(err, ERROR_INVALID, "a bundle needs a certificate");
    char *text = strbuf_take(&bundle);
    if (text == NULL)
        return certificate_no_memory(err);
    *ret = text;
    return 0;
}
