#ifndef MOONLET_APISERVER_FAULT_H
#define MOONLET_APISERVER_FAULT_H

#include "apiserver/cause.h"
#include "apiserver/schema.h"

/*
 * Faults: what the real server's decoders say of a body that they cannot read.
 *
 * Is:      the words of Go's encoding/json, go-yaml and time, which users of kubectl and client-go
 *          know.
 * Is not:  the refusal around them (body.c), or a check of values that can be read (schema.h).
 * Threads: pure. Yields: never.
 */
/* Appends why `text` is no JSON: "unexpected end of JSON input". False: it is JSON, and nothing was
 * appended. */
bool fault_json(struct str text, struct strbuf *out);
/* Appends the words for what yaml_load() has said: "yaml: line 3: did not find ...". */
void fault_yaml(const char *message, struct strbuf *out);
/* Appends the first bytes of a body as the server shows them: "<empty>", JSON as it is, else hex.
 */
void fault_summary(struct str text, struct strbuf *out);
/* Appends what keeps `object` from being read into the built-in type `name`: "json: cannot
 * unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32". False: nothing
 * does. */
bool fault_type(const struct schema *schema, const char *name, const json_t *object,
                struct strbuf *out);

#endif
