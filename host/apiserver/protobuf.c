#include "apiserver/protobuf.h"

#include <string.h>

#include "apiserver/document.h"
#include "apiserver/protobuf_internal.h"

struct reader {
    unsigned depth;
    struct error *err;
};

static int read_message(struct reader *reader, unsigned message, struct str bytes, json_t *into);

static json_t *object_of(struct reader *reader, unsigned message, struct str bytes) {
    json_t *object = json_object();
    if (object == NULL)
        protobuf_nomem(reader->err);
    else if (read_message(reader, message, bytes, object) == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* One of the fields, the latter when it is there. */
static json_t *either_of(struct reader *reader, const struct protobuf_field *field,
                         struct str bytes) {
    bool array = field->type == PROTOBUF_OR_ARRAY;
    const struct protobuf_field *fields = protobuf_fields + protobuf_messages[field->message].first;
    json_t *object = object_of(reader, field->message, bytes);
    if (object == NULL)
        return NULL;
    json_t *first = json_object_get(object, fields[0].name);
    json_t *second = json_object_get(object, fields[1].name);
    json_t *value = json_incref(second  ? second
                                : first ? first
                                : array ? json_null()
                                        : json_false());
    json_decref(object);
    return value;
}

static enum wire_type wire_of(enum protobuf_type type) {
    switch (type) {
    case PROTOBUF_BOOL:
    case PROTOBUF_INT32:
    case PROTOBUF_INT64:
        return WIRE_VARINT;
    case PROTOBUF_DOUBLE:
        return WIRE_64;
    default:
        return WIRE_BYTES;
    }
}

static json_t *number_of(struct reader *reader, json_int_t number) {
    json_t *value = json_integer(number);
    if (value == NULL)
        protobuf_nomem(reader->err);
    return value;
}

/* NULL: *reader->err tells. */
static json_t *value_of(struct reader *reader, const struct protobuf_field *field,
                        const struct wire_field *from) {
    struct error *err = reader->err;
    if (from->type != wire_of(field->type)) {
        protobuf_wrong_type(from, field->name, err);
        return NULL;
    }
    switch ((enum protobuf_type)field->type) {
    case PROTOBUF_STRING:
        return protobuf_text(from->bytes, err);
    case PROTOBUF_BYTES:
        return protobuf_bytes(from->bytes, err);
    case PROTOBUF_BOOL:
        return json_boolean(from->value != 0);
    case PROTOBUF_INT32:
        return number_of(reader, (int32_t)from->value);
    case PROTOBUF_INT64:
        return number_of(reader, (json_int_t)from->value);
    case PROTOBUF_DOUBLE:
        return protobuf_double(from->value, err);
    case PROTOBUF_TIME:
    case PROTOBUF_MICRO_TIME:
        return protobuf_time(from->bytes, field->type == PROTOBUF_MICRO_TIME, err);
    case PROTOBUF_QUANTITY:
        return protobuf_quantity(from->bytes, err);
    case PROTOBUF_INT_OR_STRING:
        return protobuf_int_or_string(from->bytes, err);
    case PROTOBUF_RAW_JSON:
        return protobuf_raw_json(from->bytes, err);
    case PROTOBUF_ITEMS:
        return protobuf_items(from->bytes, err);
    case PROTOBUF_OR_BOOL:
    case PROTOBUF_OR_ARRAY:
        return either_of(reader, field, from->bytes);
    case PROTOBUF_MESSAGE:
        return object_of(reader, field->message, from->bytes);
    }
    return NULL;
}

/* The member of that name, made when it is not there. */
static json_t *container(struct reader *reader, json_t *object, const char *name, bool array) {
    json_t *value = json_object_get(object, name);
    if (value == NULL) {
        value = array ? json_array() : json_object();
        if (json_object_set_new(object, name, value) < 0) {
            protobuf_nomem(reader->err);
            return NULL;
        }
    }
    return value;
}

static int append(struct reader *reader, json_t *array, const struct protobuf_field *field,
                  const struct wire_field *from) {
    json_t *value = value_of(reader, field, from);
    if (value == NULL)
        return -1;
    return json_array_append_new(array, value) < 0 ? protobuf_nomem(reader->err) : 0;
}

static int read_repeated(struct reader *reader, const struct protobuf_field *field,
                         const struct wire_field *from, json_t *into) {
    json_t *array = container(reader, into, field->name, true);
    if (array == NULL)
        return -1;
    if (from->type != WIRE_BYTES || wire_of(field->type) != WIRE_VARINT)
        return append(reader, array, field, from);
    struct str packed = from->bytes;
    while (packed.len > 0) {
        struct wire_field one = {.type = WIRE_VARINT};
        if (wire_varint(&packed, &one.value, reader->err) < 0 ||
            append(reader, array, field, &one) < 0)
            return -1;
    }
    return 0;
}

static int set_entry(struct reader *reader, json_t *map, struct str key, json_t *value) {
    if (memchr(key.data ? key.data : "", 0, key.len)) {
        json_decref(value);
        return wire_refuse(reader->err, "proto: a key has a NUL");
    }
    return json_object_setn_new_nocheck(map, key.data ? key.data : "", key.len, value) < 0
               ? protobuf_nomem(reader->err)
               : 0;
}

/* An entry is a message {key = 1, value = 2}. */
static int read_entry(struct reader *reader, const struct protobuf_field *field,
                      const struct wire_field *from, json_t *into) {
    struct wire_field key = {.type = WIRE_BYTES}, value = {.type = wire_of(field->type)}, one;
    struct str entry = from->bytes;
    json_t *map = container(reader, into, field->name, false), *text = NULL, *held = NULL;
    if (map == NULL)
        return -1;
    if (from->type != WIRE_BYTES)
        return protobuf_wrong_type(from, field->name, reader->err);
    while (entry.len > 0) {
        if (wire_next(&entry, &one, reader->err) < 0)
            return -1;
        if (one.number == 1)
            key = one;
        else if (one.number == 2)
            value = one;
    }
    if (key.type != WIRE_BYTES)
        return protobuf_wrong_type(&key, field->name, reader->err);
    int rc = -1;
    text = protobuf_text(key.bytes, reader->err);
    held = text ? value_of(reader, field, &value) : NULL;
    if (held)
        rc = set_entry(reader, map, key.bytes, held);
    json_decref(text);
    return rc;
}

/* The last one counts; messages are merged. What is null, or zero and omitted then, is not there.
 */
static int read_single(struct reader *reader, const struct protobuf_field *field,
                       const struct wire_field *from, json_t *into) {
    json_t *there = json_object_get(into, field->name);
    if (there && field->type == PROTOBUF_MESSAGE && from->type == WIRE_BYTES)
        return read_message(reader, field->message, from->bytes, there);
    json_t *value = value_of(reader, field, from);
    if (value == NULL)
        return -1;
    if (json_is_null(value) || (field->flags & PROTOBUF_OMIT_ZERO && document_empty(value))) {
        json_decref(value);
        json_object_del(into, field->name);
        return 0;
    }
    return json_object_set_new(into, field->name, value) < 0 ? protobuf_nomem(reader->err) : 0;
}

static int read_field(struct reader *reader, const struct protobuf_field *field,
                      const struct wire_field *from, json_t *into) {
    if (field->flags & PROTOBUF_REPEATED)
        return read_repeated(reader, field, from, into);
    if (field->flags & PROTOBUF_MAP)
        return read_entry(reader, field, from, into);
    if (!(field->flags & PROTOBUF_INLINE))
        return read_single(reader, field, from, into);
    return from->type == WIRE_BYTES ? read_message(reader, field->message, from->bytes, into)
                                    : protobuf_wrong_type(from, field->name, reader->err);
}

static const struct protobuf_field *field_of(unsigned message, uint32_t number) {
    const struct protobuf_message *all = &protobuf_messages[message];
    for (size_t i = 0; i < all->count; i++) {
        if (protobuf_fields[all->first + i].number == number)
            return &protobuf_fields[all->first + i];
    }
    return NULL;
}

static int read_message(struct reader *reader, unsigned message, struct str bytes, json_t *into) {
    int rc = 0;
    if (reader->depth == PROTOBUF_MAX_DEPTH)
        return wire_refuse(reader->err, "proto: deeper than %d messages", PROTOBUF_MAX_DEPTH);
    reader->depth++;
    while (rc == 0 && bytes.len > 0) {
        struct wire_field from;
        rc = wire_next(&bytes, &from, reader->err);
        const struct protobuf_field *field = rc == 0 ? field_of(message, from.number) : NULL;
        if (field)
            rc = read_field(reader, field, &from, into);
    }
    reader->depth--;
    return rc;
}

/* --- what is around it --------------------------------------------------------------------- */

/* Of the fields 1 and 2, both of bytes. */
static int read_two(struct str message, struct str ret[2], struct error *err) {
    while (message.len > 0) {
        struct wire_field from;
        if (wire_next(&message, &from, err) < 0)
            return ERROR_REJECTED;
        if (from.number > 2)
            continue;
        if (from.type != WIRE_BYTES)
            return protobuf_wrong_type(&from, "Unknown", err);
        ret[from.number - 1] = from.bytes;
    }
    return 0;
}

int protobuf_open(struct str text, struct protobuf_body *ret, struct error *err) {
    static const char magic[] = "k8s"; /* and its NUL */
    struct str unknown[2] = {{0}}, type[2] = {{0}};
    *ret = (struct protobuf_body){0};
    if (text.len < sizeof magic || memcmp(text.data, magic, sizeof magic) != 0)
        return wire_refuse(err, "provided data does not appear to be a protobuf message, expected "
                                "prefix [107 56 115 0]");
    if (read_two(str_n(text.data + sizeof magic, text.len - sizeof magic), unknown, err) < 0 ||
        read_two(unknown[0], type, err) < 0)
        return ERROR_REJECTED;
    *ret = (struct protobuf_body){.api_version = type[0], .kind = type[1], .raw = unknown[1]};
    return 0;
}

const struct protobuf_kind *protobuf_find(const struct protobuf_body *body) {
    bool options = str_is(body->kind, "DeleteOptions");
    for (size_t i = 0; i < protobuf_kind_count; i++) {
        const struct protobuf_kind *one = &protobuf_kinds[i];
        if (str_is(body->kind, one->kind) &&
            (options || str_is(body->api_version, one->api_version)))
            return one;
    }
    return NULL;
}

json_t *protobuf_read(const struct protobuf_kind *kind, const struct protobuf_body *body,
                      struct error *err) {
    struct error own;
    struct reader reader = {.err = err ? err : &own};
    json_t *object = object_of(&reader, kind->message, body->raw);
    json_t *api_version = object ? protobuf_text(body->api_version, reader.err) : NULL;
    if (api_version == NULL) {
        json_decref(object);
        return NULL;
    }
    if (json_object_set_new(object, "kind", json_string(kind->kind)) < 0 ||
        json_object_set(object, "apiVersion", api_version) < 0) {
        protobuf_nomem(reader.err);
        json_decref(object);
        object = NULL;
    }
    json_decref(api_version);
    return object;
}
