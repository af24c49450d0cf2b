#ifndef MOONLET_APISERVER_CRD_H
#define MOONLET_APISERVER_CRD_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

/*
 * CRDs: what the API server does with a CustomResourceDefinition (apiextensions.k8s.io/v1) itself:
 * defaults, checks, and the status that its controllers would write.
 *
 * Is:      functions on one object, in the order of a write: crd_default(), crd_prepare(),
 *          crd_check(), crd_set_status().
 * Is not:  the kinds that come of it (kinds.h), or CEL: x-kubernetes-validations are refused,
 *          unless the caller wants them kept and never evaluated.
 * Threads: pure. Yields: never.
 */

/* Fills in names.singular, names.listKind, conversion.strategy and a webhook service's port. 0,
 * NOMEM. */
int crd_default(json_t *crd, struct error *err);

/* Gives the status back to the server: that of `old` (NULL: a new object has none), with the
 * storage version among storedVersions. 0, NOMEM. */
int crd_prepare(json_t *crd, const json_t *old, struct error *err);

/* Appends what is wrong with a defaulted and prepared CRD to `causes` (as schema_validate()); `old`
 * is what it replaces, or NULL: a spec that is the same is not looked at again. `ignore_rules`:
 * x-kubernetes-validations are no fault. A CRD without a cause has schemas that schema_parse()
 * takes. 0, NOMEM. */
int crd_check(const json_t *crd, const json_t *old, bool ignore_rules, json_t *causes,
              struct error *err);

/* Does another CRD of `group` hold that name: with `of_kind` as kind or list kind, else as plural,
 * singular or short name? */
typedef bool (*crd_taken)(void *context, const char *group, const char *name, bool of_kind);
/* What crd_taken asks of one CRD: by its status.acceptedNames. */
bool crd_holds_name(const json_t *crd, const char *group, const char *name, bool of_kind);

/* Sets status.acceptedNames and the conditions NamesAccepted and Established; `now` (RFC 3339,
 * seconds) is the time of those that changed. A CRD whose first names are all free is established
 * at once, and stays so. Idempotent; call it again when a CRD of the group has freed its names.
 * 0, NOMEM. */
int crd_set_status(json_t *crd, crd_taken taken, void *context, const char *now, struct error *err);
bool crd_is_established(const json_t *crd);

#endif
