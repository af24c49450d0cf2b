#ifndef MOONLET_APISERVER_DISCOVERY_H
#define MOONLET_APISERVER_DISCOVERY_H

#include "apiserver/kinds.h"

/*
 * Discovery: the documents that say what is served.
 *
 * Is:      /api, /apis, /api/VERSION, /apis/GROUP, /apis/GROUP/VERSION, also as one aggregated
 *          document; /version; /openapi/v3 and its documents; /openapi/v2 without any definition.
 * Is not:  health checks or resources. OpenAPI has no lists, no descriptions of built-in kinds, and
 *          of operations what clients look at.
 * Threads: core. Yields: never.
 */
#define DISCOVERY_VERSION "v1.36.3+moonlet"

struct discovery_answer {
    int status;               /* 200, 304, 404, 406; 500: no memory, and the body is empty */
    const char *content_type; /* static */
    struct strbuf body;       /* the caller's to finish */
    char etag[40]; /* with the quotes; of the content, so good across restarts; "" = none */
};
/* `path` is without query; `accept` as the client sent it (aggregated discovery:
 * application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList), NULL or "" = anything;
 * `if_none_match` may be NULL. False: this path is not a discovery document, *ret is untouched. */
bool discovery_serve(const struct kinds *kinds, struct str path, const char *accept,
                     const char *if_none_match, struct discovery_answer *ret, struct error *err);

#endif
