#ifndef MOONLET_APISERVER_PROTOBUF_WIRE_H
#define MOONLET_APISERVER_PROTOBUF_WIRE_H

#include "base/error.h"
#include "base/str.h"

/*
 * Wire: the fields of an encoded protobuf message, one after the other.
 *
 * Is:      the encoding without any meaning: numbers, varints, lengths. Strict: groups, overlong
 *          varints and lengths beyond the end are refused.
 * Threads: any. Yields: never.
 */
enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;   /* of VARINT, 64, 32 */
    struct str bytes; /* of BYTES; lies in the message */
};

/* Takes the first field off *message, which is not empty. 0; REJECTED (err->status 400). */
int wire_next(struct str *message, struct wire_field *ret, struct error *err);
int wire_varint(struct str *message, uint64_t *ret, struct error *err);
int wire_refuse(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
