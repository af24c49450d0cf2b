#ifndef MOONLET_APISERVER_PROTOBUF_INTERNAL_H
#define MOONLET_APISERVER_PROTOBUF_INTERNAL_H

#include "apiserver/protobuf.h"
#include "apiserver/protobuf_wire.h"

/* What protobuf*.c share. Threads: any. Yields: never. */

/* New references; NULL: REJECTED, NOMEM. `message` is the encoded one. */
json_t *protobuf_text(struct str text, struct error *err);
json_t *protobuf_bytes(struct str bytes, struct error *err);
json_t *protobuf_double(uint64_t bits, struct error *err);
json_t *protobuf_time(struct str message, bool micro, struct error *err); /* null: the zero time */
json_t *protobuf_quantity(struct str message, struct error *err);
json_t *protobuf_int_or_string(struct str message, struct error *err);
json_t *protobuf_raw_json(struct str message, struct error *err); /* null when it is empty */
json_t *protobuf_items(struct str message, struct error *err);
int protobuf_wrong_type(const struct wire_field *from, const char *name, struct error *err);
int protobuf_nomem(struct error *err);

#endif
