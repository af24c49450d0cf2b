#ifndef MOONLET_APISERVER_SCHEMA_H
#define MOONLET_APISERVER_SCHEMA_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Schema: an OpenAPI v3 schema as the API server uses it: of a CRD's version or of a built-in kind.
 *
 * Is:      a compact immutable tree; pruning, defaulting and validation of documents by it, and
 *          what patches and server-side apply need to know of lists and maps (x-kubernetes-*).
 * Is not:  a judge of schemas (crd.h is), CEL (crd.h says what is refused), or the handwritten
 *          rules of built-in kinds (rules.h).
 * Limits:  SCHEMA_MAX_DEPTH levels of one schema; documents as deep as jansson reads them.
 * Threads: immutable after parsing; any thread, as far as `resolve` is. Yields: never.
 */
struct schema;
enum { SCHEMA_MAX_DEPTH = 200 };

/* Lends the schema of that name, the same at each call, or NULL: then any value fits. It is called
 * when a reference is followed, not while parsing, so schemas may refer to each other and to
 * themselves: the table behind `context` owns its schemas, a reference counts nothing, and the
 * table outlives all that was parsed with it. It may parse what it lends on demand. */
typedef const struct schema *(*schema_resolve)(void *context, const char *name);

/* Reads a schema; `openapi` is not needed afterwards. References are "#/components/schemas/NAME",
 * alone or as the only allOf beside a description, a default and extensions, as the API server
 * writes them. The result is the caller's, to schema_unref(). NULL: REJECTED (says where: "spec:
 * size: ..."; a reference without `resolve` too), NOMEM. Keywords that nobody knows are passed
 * over. */
struct schema *schema_parse(const json_t *openapi, schema_resolve resolve, void *context,
                            struct error *err);
/* Any schema, root or not, may be kept by counting it. Gives `schema` back; NULL is fine. */
struct schema *schema_ref(const struct schema *schema);
void schema_unref(const struct schema *schema); /* NULL is fine */

enum schema_type {
    SCHEMA_ANY, /* or several: quantities, JSON */
    SCHEMA_OBJECT,
    SCHEMA_ARRAY,
    SCHEMA_STRING,
    SCHEMA_INTEGER,
    SCHEMA_NUMBER,
    SCHEMA_BOOLEAN,
    SCHEMA_INT_OR_STRING,
};
enum schema_list { SCHEMA_LIST_ATOMIC, SCHEMA_LIST_SET, SCHEMA_LIST_MAP };

/* All of these lend, follow references, and take NULL (nothing is known: any value, atomic lists,
 * granular maps). */
enum schema_type schema_type(const struct schema *schema);
/* Of an object: the property of that name, or what additionalProperties says, or NULL. */
const struct schema *schema_member(const struct schema *schema, struct str name);
bool schema_is_map(const struct schema *schema); /* additionalProperties, no properties */
const struct schema *schema_items(const struct schema *schema);
/* Of an object: members that nobody names may be there (additionalProperties, no properties at
 * all, or x-kubernetes-preserve-unknown-fields of its own). */
bool schema_is_open(const struct schema *schema);
bool schema_requires(const struct schema *schema, struct str name);
enum schema_list schema_list_type(const struct schema *schema); /* x-kubernetes-list-type */
/* x-kubernetes-list-map-keys, NULL-terminated; NULL when it is no list of type map. */
const char *const *schema_list_keys(const struct schema *schema);
bool schema_is_atomic_map(const struct schema *schema); /* x-kubernetes-map-type: atomic */
/* x-kubernetes-patch-strategy of a list or an object as it is written ("merge", "replace",
 * "retainKeys", "merge,retainKeys"); "" = replace. Never NULL. */
const char *schema_patch_strategy(const struct schema *schema);
const char *schema_patch_merge_key(const struct schema *schema); /* NULL: none */
/* The definition that this schema, unfollowed, refers to: NAME; NULL: it is no reference. */
const char *schema_refers_to(const struct schema *schema);
/* What such a definition has values read as, by its name; texts that a schema says little of. */
enum schema_form { SCHEMA_PLAIN, SCHEMA_TIME, SCHEMA_MICRO_TIME, SCHEMA_QUANTITY };
enum schema_form schema_form(const struct schema *schema);
bool schema_is_small(const struct schema *schema); /* an integer of 32 bits */
bool schema_has_format(const struct schema *schema, const char *format);
const json_t *schema_default_of(const struct schema *schema); /* NULL: none */
bool schema_is_nullable(const struct schema *schema);
bool schema_preserves_unknown(const struct schema *schema);
bool schema_is_embedded(const struct schema *schema); /* x-kubernetes-embedded-resource */

/* `known`, in what follows, is a document of the same schema that was read, pruned and checked
 * before: containers that `value` shares with it are passed over. NULL: there is none. */

/* Puts copies of defaults where a value is absent, or null and not nullable; a null that has no
 * default and is not nullable is removed first. 0 or NOMEM (then `value` may have some of them). */
int schema_default(const struct schema *schema, json_t *value, struct error *err);
/* The same of a document of a built-in kind, with what the real server makes of one by reading it:
 * it has one spelling of each quantity, and no empty lists and maps but those that are defaults. */
int schema_read(const struct schema *schema, json_t *value, const json_t *known, struct error *err);
/* Removes what the schema does not name. `pruned` (may be NULL) gets the paths as strings, in the
 * wording of strict field validation, sorted: `unknown field "spec.foo"`. The root and embedded
 * resources keep apiVersion, kind and metadata; metadata is pruned only by a schema that refers to
 * it ($ref, as in built-in kinds). A referred schema that names nothing is free (RawExtension).
 * 0 or NOMEM. */
int schema_prune(const struct schema *schema, json_t *value, const json_t *known, json_t *pruned,
                 struct error *err);
/* Quickly, and sure: schema_validate() has nothing to say and, with `read`, Go's decoder would have
 * read each value into the built-in kind (fault.h). False: ask them. */
bool schema_fits(const struct schema *schema, const json_t *value, const json_t *known, bool read);
/* Appends the causes that the real API server would put into Status.details.causes:
 * {"reason":"FieldValueInvalid","message":"Invalid value: 7: ...","field":"spec.size"}; `path` is
 * where `value` stands ("" at the root). No cause, no fault. 0 or NOMEM. */
int schema_validate(const struct schema *schema, const json_t *value, const char *path,
                    json_t *causes, struct error *err);

#endif
