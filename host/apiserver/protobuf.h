#ifndef MOONLET_APISERVER_PROTOBUF_H
#define MOONLET_APISERVER_PROTOBUF_H

#include <jansson.h>

#include "apiserver/protobuf_table.h"
#include "base/error.h"
#include "base/str.h"

/*
 * Protobuf: a body in application/vnd.kubernetes.protobuf as what a client that speaks JSON would
 * have sent: fields that Go leaves out when they are zero are left out, times and quantities are
 * text, bytes base64.
 *
 * Is not:  an encoder: answers are JSON.
 * Limits:  as deep as PROTOBUF_MAX_DEPTH messages; unknown fields are passed over; strings must be
 *          UTF-8.
 * Threads: any. Yields: never.
 */
enum { PROTOBUF_MAX_DEPTH = 100 };

struct protobuf_body { /* lies in the text it was read from */
    struct str api_version, kind, raw;
};
/* Reads what is around the message. 0; REJECTED (err->status 400). */
int protobuf_open(struct str text, struct protobuf_body *ret, struct error *err);
/* NULL: it is no kind that the table has. DeleteOptions are the same in every version. */
const struct protobuf_kind *protobuf_find(const struct protobuf_body *body);
/* A new reference, with apiVersion and kind. NULL: REJECTED (err->status 400), NOMEM. */
json_t *protobuf_read(const struct protobuf_kind *kind, const struct protobuf_body *body,
                      struct error *err);

#endif
