#ifndef MOONLET_APISERVER_TABLE_H
#define MOONLET_APISERVER_TABLE_H

#include "apiserver/kinds.h"
#include "json/write.h"

/*
 * Table: objects as the rows that `kubectl get` prints (meta.k8s.io/v1 Table).
 *
 * Is:      the columns of each kind: a built-in kind's as the real server has them, a CRD's
 *          additionalPrinterColumns, else a name and an age; cells made of one object each.
 * Is not:  aware of requests: whoever answers writes lists' metadata around it. Columns of
 *          built-in kinds have no description.
 * Threads: any. Yields: never. No memory shows as writer->buf->failed.
 */
enum table_include { TABLE_METADATA, TABLE_NONE, TABLE_OBJECT };
struct table_form {
    const struct api_kind *kind; /* borrowed */
    enum table_include include;  /* what a row shows of its object */
    int64_t now;                 /* ns since 1970; ages are counted to here */
};

/* "" is METADATA. False: the real server does not know that word. */
bool table_parse_include(const char *text, enum table_include *ret);

/* The value of columnDefinitions. */
void table_columns(struct json_writer *writer, const struct table_form *form);
/* One item of rows; the object is shown as it is. */
void table_row(struct json_writer *writer, const struct table_form *form, const json_t *object);
/* A whole Table with one row; without `columns` their value is null, as in a watch's later events.
 */
void table_write(struct json_writer *writer, const struct table_form *form, const json_t *object,
                 bool columns);

/* "5m30s", "3d4h", "2y": at most three figures, "<invalid>" when it is well below 0. */
enum { TABLE_AGE = 24 };
void table_age(int64_t ns, char text[TABLE_AGE]);

#endif
