#ifndef MOONLET_JSON_WRITE_H
#define MOONLET_JSON_WRITE_H

#include "base/str.h"

/*
 * JSON writer: appends to a strbuf; the caller opens and closes, the writer puts the commas.
 * Out of memory shows as buf->failed at the end. Threads: one owner at a time.
 */
struct json_writer {
    struct strbuf *buf; /* borrowed */
    bool comma;         /* a value has been written on this level */
};
void json_writer_init(struct json_writer *writer, struct strbuf *buf);
void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, struct str key);
void json_string(struct json_writer *writer, struct str text); /* bytes; escapes what must be */
void json_int(struct json_writer *writer, int64_t value);
void json_double(struct json_writer *writer, double value); /* shortest exact; integers as such */
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
void json_raw(struct json_writer *writer, struct str json); /* is JSON already */
/* key and value in one */
void json_key_string(struct json_writer *writer, const char *key, struct str text);

#endif
