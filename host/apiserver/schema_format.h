#ifndef MOONLET_APISERVER_SCHEMA_FORMAT_H
#define MOONLET_APISERVER_SCHEMA_FORMAT_H

#include "base/str.h"

/*
 * Formats of strings that the API server checks in CRD schemas; others mean nothing to it.
 *
 * Threads: pure. Yields: never.
 */
struct schema_format {
    const char *name; /* without dashes */
    bool (*fits)(struct str text);
};
/* By name, dashes do not matter ("date-time", "datetime"); NULL: not checked. */
const struct schema_format *schema_format_find(const char *name);

#endif
