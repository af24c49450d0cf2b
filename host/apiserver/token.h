#ifndef MOONLET_APISERVER_TOKEN_H
#define MOONLET_APISERVER_TOKEN_H

#include <jansson.h>

#include "base/error.h"

/*
 * Token: claims that this server has signed: a JWT (RFC 7519), HS256 under a key of its own.
 *
 * Is not:  what is claimed, or whether it is still true (sub_token.c).
 * Threads: any. Yields: never.
 */
enum { TOKEN_KEY = 65 }; /* hex digits and a 0 */

/* The key in the folder, made by the first who asks; without a folder it is the seed's. 0;
 * UNAVAILABLE (says which file and why), INTERNAL (no random numbers), NOMEM. */
int token_key_find(char ret_key[TOKEN_KEY], const char *folder, uint64_t seed, struct error *err);
/* mem_free it; NULL: no memory, or `claims` is. */
char *token_make(const char *key, const json_t *claims);
/* A new reference; NULL: no token, not signed by this key, or no memory. */
json_t *token_claims(const char *key, const char *token);

#endif
