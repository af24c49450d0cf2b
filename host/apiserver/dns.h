#ifndef MOONLET_APISERVER_DNS_H
#define MOONLET_APISERVER_DNS_H

#include "base/str.h"

/*
 * Names: what a label or a subdomain may look like, in the API server's words.
 *
 * Is:      NULL for a good name, else the sentence of the first fault. All texts are static.
 * Threads: pure. Yields: never.
 */
const char *dns_check_1035_label(struct str name);
const char *dns_check_1123_label(struct str name);
const char *dns_check_1123_subdomain(struct str name);
/* One segment of a path, as names of objects at least are. */
const char *dns_check_path_segment(struct str name);

#endif
