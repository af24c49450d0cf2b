#ifndef MOONLET_APISERVER_PATCH_H
#define MOONLET_APISERVER_PATCH_H

#include "apiserver/schema.h"

/*
 * Patch: the three patch types that need no memory of who set what.
 *
 * Is:      merge patch (RFC 7386), JSON patch (RFC 6902: add remove replace move copy test, at most
 *          PATCH_MAX_OPERATIONS, lenient where the real server is), strategic merge patch by the
 *          merge keys of the built-in schemas ($patch: replace|delete, $deleteFromPrimitiveList/x,
 *          $setElementOrder/x, $retainKeys).
 * Is not:  server-side apply (managed.h). Is pure: no metadata rules, no pruning: directives in a
 *          place where they mean nothing stay, as unknown fields.
 * Limits:  JSON_MAX_DEPTH levels in and out; the copies of one JSON patch are PATCH_MAX_COPIED
 *          bytes together.
 * Threads: any. Yields: never.
 */
enum { PATCH_MAX_OPERATIONS = 10000, PATCH_MAX_COPIED = 3 << 20 };

/*
 * The new document, or NULL: NOMEM, or REJECTED with status,
 * reason and message of the real server: 400 BadRequest (not a patch), 413 RequestEntityTooLarge,
 * 422 Invalid (a JSON patch that does not apply; the real server does not say why), and 500 without
 * a reason for strategic patches that do not fit the document or the schema.
 * It shares nothing with the patch; with the old document, which stays as it was, it shares
 * containers that the patch does not name, but for a JSON patch.
 */
json_t *patch_merge(const json_t *from, const json_t *patch, struct error *err);
json_t *patch_json(const json_t *from, const json_t *operations, struct error *err);
/* Object by object as `schema` says (NULL: no list is merged). A `null` patch changes nothing. */
json_t *patch_strategic(const json_t *from, const json_t *patch, const struct schema *schema,
                        struct error *err);
#endif
