#include "kube/base64.h"

void base64_encode(struct strbuf *out, const char *data, size_t len) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = strbuf_reserve(out, (len + 2) / 3 * 4);
    if (at)
        *at = '\0'; /* of nothing, the empty text */
    for (size_t i = 0; at && i < len; i += 3) {
        uint32_t bits = (uint32_t)(unsigned char)data[i] << 16;
        bits |= i + 1 < len ? (uint32_t)(unsigned char)data[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (unsigned char)data[i + 2] : 0;
        *at++ = digits[bits >> 18];
        *at++ = digits[bits >> 12 & 63];
        *at++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
        *at++ = i + 2 < len ? digits[bits & 63] : '=';
        *at = '\0';
        out->len += 4;
    }
}

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, struct strbuf *out) {
    uint32_t bits = 0;
    int have = 0, padding = 0;
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r')
            continue;
        if (*text == '=') {
            padding++;
            continue;
        }
        int digit = digit_of(*text);
        if (digit < 0 || padding)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (++have == 4) {
            const char bytes[] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
            strbuf_add(out, bytes, 3);
            have = 0;
        }
    }
    if (have == 1 || (have == 0 ? padding != 0 : have + padding != 4))
        return false;
    if (have >= 2)
        strbuf_addc(out, (char)(have == 2 ? bits >> 4 : bits >> 10));
    if (have == 3)
        strbuf_addc(out, (char)(bits >> 2));
    return true;
}
