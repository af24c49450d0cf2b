#ifndef MOONLET_HTTP_CURL_H
#define MOONLET_HTTP_CURL_H

#include "http/http.h"

/* The real transport: one libcurl multi handle in `loop`. Create one for watches and one for
 * calls, so that a flood of one does not queue behind the other (R21). Its destroy must not come
 * from one of its callbacks. Core thread, and all callbacks come in it. NULL: NOMEM. */
struct http_transport *http_curl_create(struct loop *loop, struct error *err);

#endif
