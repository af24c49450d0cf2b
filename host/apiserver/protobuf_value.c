#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "apiserver/document.h"
#include "apiserver/protobuf_internal.h"
#include "kube/base64.h"

int protobuf_nomem(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for a protobuf message");
}

int protobuf_wrong_type(const struct wire_field *from, const char *name, struct error *err) {
    return wire_refuse(err, "proto: wrong wireType = %d for field %s", (int)from->type, name);
}

static json_t *or_nomem(json_t *value, struct error *err) {
    if (value == NULL)
        protobuf_nomem(err);
    return value;
}

json_t *protobuf_text(struct str text, struct error *err) {
    const char *data = text.data ? text.data : "";
    json_t *value = json_stringn(data, text.len);
    if (value)
        return value;
    value = json_stringn_nocheck(data, text.len); /* was it the text, or no memory? */
    if (value)
        wire_refuse(err, "proto: a string contains invalid UTF-8");
    else
        protobuf_nomem(err);
    json_decref(value);
    return NULL;
}

json_t *protobuf_bytes(struct str bytes, struct error *err) {
    struct strbuf text = {0};
    base64_encode(&text, bytes.data, bytes.len);
    json_t *value = text.failed ? NULL : json_stringn_nocheck(text.data ? text.data : "", text.len);
    strbuf_finish(&text);
    return or_nomem(value, err);
}

/* A whole number is written as one. */
json_t *protobuf_double(uint64_t bits, struct error *err) {
    double real;
    memcpy(&real, &bits, sizeof real);
    if (!isfinite(real)) {
        wire_refuse(err, "proto: a number is not finite");
        return NULL;
    }
    bool whole = fabs(real) < 1e15 && real == floor(real);
    return or_nomem(whole ? json_integer((json_int_t)real) : json_real(real), err);
}

/* --- messages of two or three fields ------------------------------------------------------- */

enum { MOST_PARTS = 3 };
struct part { /* the field `number` is the index + 1 */
    const char *name;
    enum wire_type type;
    uint64_t value;
    struct str bytes;
};

static int read_parts(struct str message, struct part parts[], size_t count, struct error *err) {
    while (message.len > 0) {
        struct wire_field from;
        if (wire_next(&message, &from, err) < 0)
            return ERROR_REJECTED;
        if (from.number > count)
            continue;
        struct part *part = &parts[from.number - 1];
        if (from.type != part->type)
            return protobuf_wrong_type(&from, part->name, err);
        part->value = from.value;
        part->bytes = from.bytes;
    }
    return 0;
}

static json_t *time_text(int64_t seconds, int32_t nanos, bool micro, struct error *err) {
    const int64_t first = -62135596800, last = 253402300799; /* the years 1 to 9999 */
    struct tm tm;
    time_t at = (time_t)seconds;
    char text[64], fraction[16] = "";
    if (seconds < first || seconds > last || nanos < 0 || nanos > 999999999 ||
        gmtime_r(&at, &tm) == NULL) {
        wire_refuse(err, "proto: a time is out of range");
        return NULL;
    }
    if (micro)
        snprintf(fraction, sizeof fraction, ".%06d", nanos / 1000);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
    if (seconds == first && nanos == 0)
        return json_null();
    return or_nomem(json_string(text), err);
}

json_t *protobuf_time(struct str message, bool micro, struct error *err) {
    struct part parts[] = {{.name = "Seconds", .type = WIRE_VARINT},
                           {.name = "Nanos", .type = WIRE_VARINT}};
    if (message.len == 0)
        return json_null();
    if (read_parts(message, parts, 2, err) < 0)
        return NULL;
    return time_text((int64_t)parts[0].value, micro ? (int32_t)parts[1].value : 0, micro, err);
}

json_t *protobuf_quantity(struct str message, struct error *err) {
    struct part string = {.name = "String_", .type = WIRE_BYTES};
    if (read_parts(message, &string, 1, err) < 0)
        return NULL;
    if (string.bytes.len > 0)
        return protobuf_text(string.bytes, err);
    wire_refuse(err, "proto: a quantity is empty");
    return NULL;
}

json_t *protobuf_int_or_string(struct str message, struct error *err) {
    struct part parts[] = {{.name = "Type", .type = WIRE_VARINT},
                           {.name = "IntVal", .type = WIRE_VARINT},
                           {.name = "StrVal", .type = WIRE_BYTES}};
    if (read_parts(message, parts, 3, err) < 0)
        return NULL;
    if (parts[0].value == 0)
        return or_nomem(json_integer((int32_t)parts[1].value), err);
    if (parts[0].value == 1)
        return protobuf_text(parts[2].bytes, err);
    wire_refuse(err, "proto: IntOrString is neither");
    return NULL;
}

json_t *protobuf_raw_json(struct str message, struct error *err) {
    struct part raw = {.name = "Raw", .type = WIRE_BYTES};
    if (read_parts(message, &raw, 1, err) < 0)
        return NULL;
    return raw.bytes.len > 0 ? document_parse(raw.bytes, err) : json_null();
}

json_t *protobuf_items(struct str message, struct error *err) {
    json_t *items = or_nomem(json_array(), err);
    while (items && message.len > 0) {
        struct wire_field from;
        json_t *item = NULL;
        if (wire_next(&message, &from, err) == 0) {
            if (from.number != 1)
                continue;
            if (from.type == WIRE_BYTES)
                item = protobuf_text(from.bytes, err);
            else
                protobuf_wrong_type(&from, "Items", err);
        }
        if (item && json_array_append_new(items, item) == 0)
            continue;
        if (item)
            protobuf_nomem(err);
        json_decref(items);
        return NULL;
    }
    return items;
}
