#ifndef MOONLET_RUNTIME_BODY_H
#define MOONLET_RUNTIME_BODY_H

#include "cache/object.h"
#include "runtime/script_engine.h"

/*
 * Bodies: the JSON that requests carry, made from nodes and objects.
 *
 * Is:      pure functions; a failed allocation shows as buf->failed.
 * Threads: core. Yields: never.
 */

/* `root` with metadata.<field> set to the JSON text; the caller owns the new reference. */
node_t body_with_meta(struct dag *dag, node_t root, const char *field, struct str json,
                      struct error *err);
void body_from_node(const struct dag *dag, node_t node, struct strbuf *buf);
/* [{controller owner reference to `owner`}] */
void body_owner(struct strbuf *buf, const char *api_version, const char *kind,
                const struct object *owner);
/* {apiVersion, kind, metadata: {name, namespace, uid}, status} */
void body_status(struct strbuf *buf, const char *api_version, const char *kind,
                 const struct object *object, struct str status);
/* metav1.DeleteOptions, or nothing when nothing was said. */
void body_deletion(struct strbuf *buf, const struct script_request *request);
void body_eviction(struct strbuf *buf, const char *ns, const char *name, double grace_s);
/* v1 Binding to `target`, a reference as JSON; `uid` NULL: whoever has that name. */
void body_binding(struct strbuf *buf, const char *ns, const char *name, const char *uid,
                  struct str target);
/* authentication.k8s.io/v1 TokenRequest with that spec. */
void body_token_request(struct strbuf *buf, struct str spec);
/* JSON patch (R3) that puts the finalizer on or takes it off, with tests on uid and
 * resourceVersion. False when there is nothing to do. */
bool body_finalizer_patch(struct strbuf *buf, const struct object *object, const char *finalizer,
                          bool on);
bool object_has_finalizer(const struct object *object, const char *finalizer);
bool object_is_deleting(const struct object *object);

#endif
