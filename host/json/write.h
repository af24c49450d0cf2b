#ifndef MOONLET_JSON_WRITE_H
#define MOONLET_JSON_WRITE_H

#include "base/str.h"

/*
 * JSON writer: appends to a strbuf; the caller opens and closes, the writer puts the commas.
 * Out of memory shows as buf->failed at the end. Threads: one owner at a time.
 * The names leave jansson's (json_string, json_null, JSON_TRUE...) alone.
 */
struct json_writer {
    struct strbuf *buf; /* borrowed */
    bool comma;         /* a value has been written on this level */
};
void json_writer_init(struct json_writer *writer, struct strbuf *buf);
void json_write_object_begin(struct json_writer *writer);
void json_write_object_end(struct json_writer *writer);
void json_write_array_begin(struct json_writer *writer);
void json_write_array_end(struct json_writer *writer);
void json_write_key(struct json_writer *writer, struct str key);
/* Bytes; escapes what must be. */
void json_write_string(struct json_writer *writer, struct str text);
bool json_is_plain(struct str text); /* nothing in it must be escaped */
/* The same for a text of which that is known. */
void json_write_plain_key(struct json_writer *writer, struct str key);
void json_write_plain_string(struct json_writer *writer, struct str text);
void json_write_int(struct json_writer *writer, int64_t value);
/* Shortest exact; integers as such. */
void json_write_double(struct json_writer *writer, double value);
/* What json_write_double() writes, 0-terminated; returns its length. "null" when not finite. */
enum { JSON_DOUBLE_TEXT = 32 };
size_t json_double_text(double value, char text[JSON_DOUBLE_TEXT]);
void json_write_bool(struct json_writer *writer, bool value);
void json_write_null(struct json_writer *writer);
void json_write_raw(struct json_writer *writer, struct str json); /* is JSON already */
/* key and value in one */
void json_write_key_string(struct json_writer *writer, const char *key, struct str text);

#endif
