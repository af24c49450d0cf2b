#ifndef MOONLET_KUBE_BASE64_H
#define MOONLET_KUBE_BASE64_H

#include "base/str.h"

/* Base64 with padding (RFC 4648 §4). Threads: any. Yields: never. */

void base64_encode(struct strbuf *out, const char *data, size_t len);
/* Line breaks are fine. False when it is no base64. */
bool base64_decode(const char *text, struct strbuf *out);

#endif
