#ifndef MOONLET_SERVE_MAC_H
#define MOONLET_SERVE_MAC_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"

/* Message authentication: HMAC-SHA256 (RFC 2104), and secrets that are shown. Threads: any. Yields:
 * never. */
enum { MAC_BYTES = 32 };

/* 0 or INTERNAL. */
int mac_make(struct str key, struct str text, unsigned char ret[MAC_BYTES], struct error *err);
/* SHA-256, without a key. 0 or INTERNAL. */
int mac_digest(struct str text, unsigned char ret[MAC_BYTES], struct error *err);
/* Takes as long for a secret that is nearly right as for any other of its length. */
bool mac_same(struct str shown, struct str wanted);

#endif
