#ifndef MOONLET_APISERVER_DOCUMENT_PART_H
#define MOONLET_APISERVER_DOCUMENT_PART_H

#include "base/str.h"

/*
 * Where in an object one is, as far as the field sets of its managedFields are below: for
 * document*.c alone.
 */
enum document_part {
    DOCUMENT_OTHER,
    DOCUMENT_OBJECT,
    DOCUMENT_METADATA,
    DOCUMENT_ENTRIES,
    DOCUMENT_ENTRY,
    DOCUMENT_FIELDS
};

static inline enum document_part document_member(enum document_part part, struct str key) {
    switch (part) {
    case DOCUMENT_OBJECT:
        return str_is(key, "metadata") ? DOCUMENT_METADATA : DOCUMENT_OTHER;
    case DOCUMENT_METADATA:
        return str_is(key, "managedFields") ? DOCUMENT_ENTRIES : DOCUMENT_OTHER;
    case DOCUMENT_ENTRY:
        return str_is(key, "fieldsV1") ? DOCUMENT_FIELDS : DOCUMENT_OTHER;
    default:
        return DOCUMENT_OTHER;
    }
}

static inline enum document_part document_item(enum document_part part) {
    return part == DOCUMENT_ENTRIES ? DOCUMENT_ENTRY : DOCUMENT_OTHER;
}

#endif
