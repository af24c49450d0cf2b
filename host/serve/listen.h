#ifndef MOONLET_SERVE_LISTEN_H
#define MOONLET_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Listening sockets from addresses as people write them. Threads: any. Yields: never. */

/* "127.0.0.1:8080", ":8080" (all interfaces), "[::1]:8080", "localhost:0". With `may_move` a busy
 * port is replaced by a free one. The descriptor, or INVALID (not an address), UNAVAILABLE. */
int listen_open(const char *text, bool may_move, struct error *err);
/* Is it an address? 0 or INVALID. */
int listen_check(const char *text, struct error *err);
/* What it listens on, "127.0.0.1:8080"; "" when that is not known. */
void listen_name(int fd, char *ret, size_t size);

#endif
