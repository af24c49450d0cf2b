#include "serve/mac.h"

#include <gnutls/crypto.h>

int mac_make(struct str key, struct str text, unsigned char ret[MAC_BYTES], struct error *err) {
    int rc = gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data, key.len, text.data, text.len, ret);
    return rc == 0 ? 0 : error_set(err, ERROR_INTERNAL, "HMAC-SHA256: %s", gnutls_strerror(rc));
}

int mac_digest(struct str text, unsigned char ret[MAC_BYTES], struct error *err) {
    int rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, text.data, text.len, ret);
    return rc == 0 ? 0 : error_set(err, ERROR_INTERNAL, "SHA-256: %s", gnutls_strerror(rc));
}

bool mac_same(struct str shown, struct str wanted) {
    unsigned char differs = shown.len != wanted.len;
    for (size_t i = 0; i < wanted.len; i++)
        differs |= (unsigned char)wanted.data[i] ^
                   (unsigned char)(shown.len ? shown.data[i % shown.len] : 0);
    return differs == 0;
}
