#ifndef MOONLET_APISERVER_RULES_H
#define MOONLET_APISERVER_RULES_H

#include "apiserver/names.h"
#include "apiserver/rest.h"

/*
 * Rules: what the real server does to and asks of a kind beyond its schema, as far as controllers
 * notice it.
 *
 * Threads: core. Yields: never.
 */
enum {
    RULE_GENERATION = 1,       /* counts changes outside metadata and status */
    RULE_GENERATION_FIXED = 2, /* is 1 and stays so */
    RULE_KEEPS_STATUS = 4,     /* a create and an update may set it */
    RULE_CREATE_ON_UPDATE = 8, /* a PUT may create */
    RULE_NEEDS_VERSION = 16,   /* a PUT without resourceVersion is refused */
    RULE_RETURNS_DELETED = 32, /* a DELETE answers with the object, not a Status */
    RULE_ORPHANS = 128,        /* a DELETE that says nothing leaves the dependents */
    RULE_GRACEFUL = 64,        /* pods */
    RULE_READ_WHOLE = 256,     /* has times or quantities: the schema does not tell their form */
    RULE_AFTER_SCHEMA = 512    /* `check` wants what fits the schema */
};
struct rules {
    const char *group, *plural;
    unsigned flags;
    enum name_rule name;
    /* Fills in; `old` NULL on create. 0, or < 0 with err: REJECTED, NOMEM. May be NULL. */
    int (*prepare)(struct apiserver *server, json_t *now, const json_t *old, struct error *err);
    /* Appends causes; `old` NULL on create. May be NULL. */
    void (*check)(struct apiserver *server, const json_t *now, const json_t *old,
                  struct causes *causes);
    /* As prepare, of an update of the status. May be NULL. */
    int (*prepare_status)(struct apiserver *server, json_t *now, const json_t *old,
                          struct error *err);
};
/* Never NULL. */
const struct rules *rules_of(const struct api_resource *resource);
/* What the real server does while it reads an object, so that its writer owns it. 0 or NOMEM. */
int rules_read(const struct api_resource *resource, json_t *object);
/* rules_admit.c: what plug-ins of every cluster ask of a new object and put into it before webhooks
 * see it. 0, or < 0 as in rest.h. */
int rules_admit(struct api_exchange *x, json_t *object);
/* For a create (`old` NULL) or update of the object, by `subresource` ("" = none): resets what this
 * way may not change. 0 or NOMEM. */
int rules_reset(const struct api_kind *kind, const char *subresource, json_t *now,
                const json_t *old);
/* Generation and what `prepare` does, and what `prepare_status` does. */
int rules_prepare(struct apiserver *server, const struct api_kind *kind, json_t *now,
                  const json_t *old, struct error *err);
int rules_prepare_status(struct apiserver *server, const struct api_kind *kind, json_t *now,
                         const json_t *old, struct error *err);

/* rules_status.c: of an update of the status, after the schema. */
void rules_check_status(const struct api_resource *resource, const json_t *now,
                        struct causes *causes);

/* rules_config.c, rules_event.c, rules_network.c, rules_pod.c, rules_policy.c, rules_service.c,
 * rules_storage.c, rules_webhook.c, rules_workload.c */
typedef void rules_check_fn(struct apiserver *server, const json_t *now, const json_t *old,
                            struct causes *causes);
typedef int rules_prepare_fn(struct apiserver *server, json_t *now, const json_t *old,
                             struct error *err);
rules_check_fn replication_check, replica_set_check, deployment_check, daemon_set_check,
    stateful_set_check, job_check, cron_job_check, claim_check, volume_check, storage_class_check,
    ingress_check, ingress_class_check, network_policy_check, endpoint_slice_check, endpoints_check,
    role_check, role_binding_check, budget_check, autoscaler_check, lease_check, quota_check,
    priority_class_check, runtime_class_check, config_map_check, secret_check, pod_check,
    service_check, webhook_check, event_check;
rules_prepare_fn pod_prepare, service_prepare, job_prepare, daemon_set_prepare, claim_prepare,
    volume_prepare, volume_prepare_status;
int pod_admit(json_t *pod); /* 0 or NOMEM */

/* rules_pod_spec.c: of a pod or a template; `claims`: a StatefulSet's volumeClaimTemplates, or
 * NULL. */
void pod_spec_check(const json_t *spec, const json_t *claims, const char *at,
                    struct causes *causes);
/* rules_cron.c */
void cron_schedule_check(const json_t *schedule, const char *at, struct causes *causes);

#endif
