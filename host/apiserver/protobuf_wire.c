#include "apiserver/protobuf_wire.h"

#include <stdio.h>

int wire_refuse(struct error *err, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(err, ERROR_REJECTED, "%s", text);
    if (err)
        err->status = 400;
    return ERROR_REJECTED;
}

static int cut(struct str *message, size_t len, struct str *ret, struct error *err) {
    if (len > message->len)
        return wire_refuse(err, "unexpected EOF");
    *ret = str_n(message->data, len);
    *message = str_n(message->data + len, message->len - len);
    return 0;
}

int wire_varint(struct str *message, uint64_t *ret, struct error *err) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        struct str one = {0};
        if (cut(message, 1, &one, err) < 0)
            return ERROR_REJECTED;
        uint8_t byte = (uint8_t)*one.data;
        if (shift == 63 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return 0;
        }
    }
    return wire_refuse(err, "proto: integer overflow");
}

static int fixed(struct str *message, size_t len, uint64_t *ret, struct error *err) {
    struct str bytes = {0};
    if (cut(message, len, &bytes, err) < 0)
        return ERROR_REJECTED;
    *ret = 0;
    for (size_t i = 0; i < len; i++)
        *ret |= (uint64_t)(uint8_t)bytes.data[i] << (8 * i);
    return 0;
}

int wire_next(struct str *message, struct wire_field *ret, struct error *err) {
    uint64_t tag, len;
    *ret = (struct wire_field){0};
    if (wire_varint(message, &tag, err) < 0)
        return ERROR_REJECTED;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return wire_refuse(err, "proto: illegal tag %llu", (unsigned long long)(tag >> 3));
    ret->number = (uint32_t)(tag >> 3);
    ret->type = (enum wire_type)(tag & 7);
    switch (ret->type) {
    case WIRE_VARINT:
        return wire_varint(message, &ret->value, err);
    case WIRE_64:
        return fixed(message, 8, &ret->value, err);
    case WIRE_32:
        return fixed(message, 4, &ret->value, err);
    case WIRE_BYTES:
        if (wire_varint(message, &len, err) < 0)
            return ERROR_REJECTED;
        return cut(message, len, &ret->bytes, err);
    default:
        return wire_refuse(err, "proto: illegal wireType %u", (unsigned)(tag & 7));
    }
}
