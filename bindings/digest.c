#include <nettle/sha2.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bindings/fail.h"
#include "bindings/library.h"

/* base64 (RFC 4648, with padding) and SHA-256. */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* core.base64_encode(bytes) -> text */
int digest_base64_encode(lua_State *L) {
    size_t len;
    const unsigned char *in = (const unsigned char *)luaL_checklstring(L, 1, &len);
    CLEANUP(strbuf_finish) struct strbuf out = {0};
    char *to = strbuf_reserve(&out, (len + 2) / 3 * 4 + 1);
    if (!to)
        return luaL_error(L, "no memory");
    char *start = to;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        unsigned bits = (unsigned)in[i] << 16 | (left > 1 ? (unsigned)in[i + 1] << 8 : 0) |
                        (left > 2 ? in[i + 2] : 0);
        *to++ = alphabet[bits >> 18];
        *to++ = alphabet[bits >> 12 & 63];
        *to++ = left > 1 ? alphabet[bits >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[bits & 63] : '=';
    }
    lua_pushlstring(L, start, (size_t)(to - start));
    return 1;
}

static int value_of(char c) {
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

/* core.base64_decode(text) -> bytes | nil, message, info; line breaks are skipped */
int digest_base64_decode(lua_State *L) {
    size_t len;
    const char *in = luaL_checklstring(L, 1, &len);
    CLEANUP(strbuf_finish) struct strbuf out = {0};
    unsigned bits = 0, count = 0, padding = 0;
    struct error err;
    for (size_t i = 0; i < len; i++) {
        char c = in[i];
        if (c == '\n' || c == '\r')
            continue;
        int value = value_of(c);
        if (c == '=' ? ++padding > 2 : value < 0 || padding) {
            error_set(&err, ERROR_REJECTED, "base64: byte %zu: unexpected character", i);
            return mlua_fail(L, &err);
        }
        bits = bits << 6 | (value > 0 ? (unsigned)value : 0);
        if (++count % 4)
            continue;
        char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        strbuf_add(&out, bytes, 3 - padding);
        bits = 0;
    }
    if (count % 4) {
        error_set(&err, ERROR_REJECTED, "base64: the text ends in the middle of a group");
        return mlua_fail(L, &err);
    }
    if (out.failed)
        return luaL_error(L, "no memory");
    lua_pushlstring(L, out.len ? out.data : "", out.len);
    return 1;
}

/* core.sha256(bytes) -> 64 hex digits */
int digest_sha256(lua_State *L) {
    size_t len;
    const uint8_t *in = (const uint8_t *)luaL_checklstring(L, 1, &len);
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char hex[2 * SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    sha256_update(&sha, len, in);
    sha256_digest(&sha, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    lua_pushlstring(L, hex, sizeof hex);
    return 1;
}
