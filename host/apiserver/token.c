#include "apiserver/token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/document.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/rng.h"
#include "kube/base64.h"
#include "serve/certificate.h"
#include "serve/mac.h"

/* --- the key ------------------------------------------------------------------------------- */

static int refuse_file(const char *what, const char *path, struct error *err) {
    return error_set(err, ERROR_UNAVAILABLE, "%s %s: %s", what, path, strerror(errno));
}

/* 1: there is none, or what a crash left of one. */
static int read_key(char ret_key[TOKEN_KEY], const char *path, struct error *err) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return errno == ENOENT ? 1 : refuse_file("open", path, err);
    size_t len = fread(ret_key, 1, TOKEN_KEY - 1, file);
    int rc = ferror(file) ? refuse_file("read", path, err) : len < TOKEN_KEY - 1 ? 1 : 0;
    ret_key[len] = '\0';
    fclose(file);
    return rc;
}

int token_key_find(char ret_key[TOKEN_KEY], const char *folder, uint64_t seed, struct error *err) {
    if (folder == NULL) {
        struct rng rng;
        rng_init(&rng, ~seed); /* names and uids come of the seed itself */
        for (size_t i = 0; i < 4; i++)
            snprintf(ret_key + 16 * i, 17, "%016llx", (unsigned long long)rng_next(&rng));
        return 0;
    }
    CLEANUP(mem_freep) char *path = mem_printf("%s/token.key", folder);
    if (path == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a key");
    int rc = read_key(ret_key, path, err);
    if (rc <= 0)
        return rc;
    if (certificate_make_secret(ret_key, TOKEN_KEY, err) < 0)
        return err ? err->code : ERROR_INTERNAL;
    return fd_replace_file(path, ret_key, TOKEN_KEY - 1) < 0 ? refuse_file("write", path, err) : 0;
}

/* --- base64url without padding (RFC 7515, 2) ----------------------------------------------- */

static void encode(struct strbuf *out, const char *data, size_t len) {
    struct strbuf coded = {0};
    base64_encode(&coded, data, len);
    for (size_t i = 0; i < coded.len && coded.data[i] != '='; i++) {
        char c = coded.data[i];
        strbuf_addc(out, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    out->failed |= coded.failed;
    strbuf_finish(&coded);
}

static json_t *decode(struct str text) {
    struct strbuf padded = {0}, json = {0};
    struct error err;
    json_t *value = NULL;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        strbuf_addc(&padded, c == '-' ? '+' : c == '_' ? '/' : c);
    }
    while (padded.len % 4 && !padded.failed)
        strbuf_addc(&padded, '=');
    if (padded.len > 0 && !padded.failed && base64_decode(padded.data, &json) && !json.failed)
        value = document_parse(strbuf_view(&json), &err);
    strbuf_finish(&padded);
    strbuf_finish(&json);
    return value;
}

/* --- the token ----------------------------------------------------------------------------- */

static void sign(const char *key, struct str text, struct strbuf *out) {
    unsigned char mac[MAC_BYTES];
    if (mac_make(str_of(key), text, mac, NULL) < 0)
        out->failed = true;
    else
        encode(out, (const char *)mac, sizeof mac);
}

char *token_make(const char *key, const json_t *claims) {
    static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    struct strbuf token = {0}, text = {0}, signature = {0};
    if (claims)
        document_text(claims, &text);
    encode(&token, head, sizeof head - 1);
    strbuf_addc(&token, '.');
    encode(&token, text.data, text.len);
    token.failed |= text.failed || claims == NULL;
    if (!token.failed)
        sign(key, strbuf_view(&token), &signature);
    strbuf_addc(&token, '.');
    strbuf_add(&token, signature.data ? signature.data : "", signature.len);
    token.failed |= signature.failed;
    strbuf_finish(&signature);
    strbuf_finish(&text);
    return strbuf_take(&token);
}

json_t *token_claims(const char *key, const char *token) {
    const char *first = strchr(token, '.'), *last = strrchr(token, '.');
    struct strbuf signature = {0};
    json_t *claims = NULL;
    if (first == NULL || first == last)
        return NULL;
    sign(key, str_n(token, (size_t)(last - token)), &signature);
    if (!signature.failed && mac_same(str_of(last + 1), strbuf_view(&signature)))
        claims = decode(str_n(first + 1, (size_t)(last - first - 1)));
    strbuf_finish(&signature);
    return claims;
}
