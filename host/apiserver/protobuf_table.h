#ifndef MOONLET_APISERVER_PROTOBUF_TABLE_H
#define MOONLET_APISERVER_PROTOBUF_TABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Protobuf table: the messages of the built-in kinds, made by tests/plane/kinds/protobuf.
 * Immutable; any thread.
 */
enum protobuf_type {
    PROTOBUF_STRING,
    PROTOBUF_BYTES,
    PROTOBUF_BOOL,
    PROTOBUF_INT32,
    PROTOBUF_INT64,
    PROTOBUF_DOUBLE,
    PROTOBUF_MESSAGE,
    /* messages whose JSON is not an object of their fields */
    PROTOBUF_TIME,
    PROTOBUF_MICRO_TIME,
    PROTOBUF_QUANTITY,
    PROTOBUF_INT_OR_STRING,
    PROTOBUF_RAW_JSON, /* RawExtension, FieldsV1, JSON */
    PROTOBUF_ITEMS,    /* a list of strings: ExtraValue */
    PROTOBUF_OR_BOOL,  /* JSONSchemaPropsOrBool */
    PROTOBUF_OR_ARRAY  /* JSONSchemaPropsOrArray, JSONSchemaPropsOrStringArray */
};
enum protobuf_flag {
    PROTOBUF_REPEATED = 1,
    PROTOBUF_MAP = 2,      /* by strings; the type is that of the values */
    PROTOBUF_INLINE = 4,   /* its fields are the parent's in JSON */
    PROTOBUF_OMIT_ZERO = 8 /* zero is written always, and left out in JSON */
};

struct protobuf_field {
    const char *name; /* in JSON */
    uint16_t number;
    uint16_t message; /* in protobuf_messages, of MESSAGE and OR_... */
    uint8_t type, flags;
};
struct protobuf_message {
    uint16_t first, count; /* in protobuf_fields */
};
struct protobuf_kind {
    const char *api_version, *kind;
    uint16_t message;
};

extern const struct protobuf_field protobuf_fields[];
extern const struct protobuf_message protobuf_messages[];
extern const struct protobuf_kind protobuf_kinds[];
extern const size_t protobuf_kind_count;

#endif
