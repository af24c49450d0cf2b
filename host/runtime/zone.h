#ifndef MOONLET_RUNTIME_ZONE_H
#define MOONLET_RUNTIME_ZONE_H

#include <time.h>

#include "base/error.h"

/*
 * Time zones, read from TZif files (RFC 8536) so that no global state of libc is touched.
 *
 * Threads: immutable after zone_open(). Yields: never. Times after a file's last transition keep
 * its last offset (Debian's files reach to 2037).
 */
struct zone;
/* "UTC", "+02:00", "Europe/Berlin". NULL: NOT_FOUND, INVALID (not a TZif file), NOMEM. */
struct zone *zone_open(const char *name, struct error *err);
void zone_close(struct zone *zone);                    /* NULL is fine */
long zone_offset(const struct zone *zone, time_t utc); /* seconds east of Greenwich */
/* Civil time to UTC: the first of two; when skipped, the moment of the change. */
time_t zone_to_utc(const struct zone *zone, time_t local);

#endif
