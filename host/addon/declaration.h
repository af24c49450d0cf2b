#ifndef MOONLET_ADDON_DECLARATION_H
#define MOONLET_ADDON_DECLARATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Declaration: what one controller file says it is, read from the JSON that the script engine
 * gives after loading it (scripts/moonlet/declare.lua writes it and has checked it).
 *
 * Is:      kinds, matches, permissions, CRDs, limits: all the host needs without running Lua.
 * Is not:  the functions: those stay in the isolate and are named by path ("reconcile",
 *          "on.event", "resource.when", "watches.1.map", "index.v1/Pod.by_ip").
 * Threads: immutable after declaration_parse(). Yields: never.
 *
 * The JSON, all durations in seconds, absent = default:
 *   { "definitions": [ {
 *       "type": "controller" | "schedule" | "startup" | "webhook" | "conversion",
 *       "name": "appservice",
 *       "source": "appservice.lua:20",
 *       "resource": KIND, "owns": [KIND...], "watches": [KIND...], "reads": [KIND...],
 *       "writes": [ { "kind": "v1/Event", "verbs": ["create"] } ],
 *       "secrets": ["name", "ns/name"], "http": ["https://..."],
 *       "handlers": ["reconcile", "finalize", "gone", "on.event", "run", "initialize"],
 *       "indexes": { "v1/Pod": ["by_ip"] }, "config": { "threshold": SCHEMA },
 *       "concurrency": 1, "resync": 30, "retry": { "base": 0.005, "max": 1000, "attempts": 5 },
 *       "rate": { "per_second": 10, "burst": 20 }, "debounce": 1, "timeout": 60,
 *       "cron": "x/5 * * * *", "zone": "UTC", "deadline": 60, "order": 1,
 *       "webhooks": [ { "handler": "mutate" | "validate", "resource": KIND, "subresources":
 * ["status"], "operations": ["CREATE", "UPDATE"], "failure_policy": "Fail" | "Ignore", "timeout":
 * 5, "reinvocation": "Never" | "IfNeeded", "match_conditions": [ { "name": "x", "expression": CEL }
 * ] } ], "crd": "appservices.app.example.com" (of a conversion) } ], "crds": [
 * CustomResourceDefinition as apiextensions.k8s.io/v1 ] } KIND = { "kind": "apps/v1/Deployment",
 * "metadata_only": true, "managed_fields": true, "labels": "app in (a,b)", "annotations": { "k":
 * "v" | true | false | ["a", "b"] }, "namespaces": ["a", "b"] | { "labels": "..." } | { "except":
 * ["c"] }, "fields": "status.phase=Running", "when": true (Lua) | "generation_changed" |
 *            "spec_changed" | "labels_changed" | "annotations_changed", "map": true }
 */
enum definition_type {
    DEFINITION_CONTROLLER,
    DEFINITION_SCHEDULE,
    DEFINITION_STARTUP,
    DEFINITION_WEBHOOK,   /* admission alone; a controller may have webhooks too */
    DEFINITION_CONVERSION /* of one CRD; its name is the CRD's */
};

enum definition_handler {
    HANDLER_RECONCILE = 1,
    HANDLER_FINALIZE = 2,
    HANDLER_GONE = 4,
    HANDLER_EVENT = 8,
    HANDLER_RUN = 16,
    HANDLER_MUTATE = 32,
    HANDLER_VALIDATE = 64,
    HANDLER_CONVERT = 128,
    HANDLER_INITIALIZE = 256 /* an initializer's; else as reconcile */
};

enum kind_when { WHEN_ALWAYS, WHEN_LUA, WHEN_GENERATION, WHEN_SPEC, WHEN_LABELS, WHEN_ANNOTATIONS };

struct annotation_match {
    char *name;
    char **values; /* NULL-terminated; NULL: see present */
    bool present;  /* with values NULL: must be there / must not */
};

struct kind_match {
    char *kind;                    /* "apps/v1/Deployment", as written */
    char *api_version, *kind_name; /* "apps/v1", "Deployment" */
    char *labels, *fields;         /* selectors as text, or NULL */
    char **namespaces;             /* NULL-terminated list, or NULL */
    char **namespaces_except;      /* or NULL */
    char *namespace_labels;        /* or NULL */
    struct annotation_match *annotations;
    size_t annotation_count;
    enum kind_when when;
    bool map, metadata_only, managed_fields;
};

struct kind_write {
    char *kind, *api_version, *kind_name;
    char **verbs; /* NULL-terminated; NULL: all of get create update patch delete */
};

struct kind_index {
    char *kind;
    char **names; /* NULL-terminated */
};

struct match_condition {
    char *name, *expression; /* CEL */
};

struct webhook {                                /* one entry of a webhook configuration */
    bool validates;                             /* handler "validate"; else "mutate" */
    struct kind_match resource;                 /* the kind; the server selects, by: */
    char *object_selector, *namespace_selector; /* LabelSelector, JSON; NULL = all */
    char **subresources;                        /* NULL-terminated; NULL: the object itself */
    const char *plural; /* of the kind as the server has it; NULL: by rule */
    char **operations;  /* "CREATE", ...; NULL-terminated */
    bool ignore;        /* failure policy Ignore; else Fail */
    unsigned timeout_s; /* 1..30 */
    bool reinvoke;      /* mutate: reinvocation policy IfNeeded */
    struct match_condition *conditions;
    size_t condition_count;
};

struct definition {
    enum definition_type type;
    char *name, *source;
    bool has_resource;
    struct kind_match resource;
    struct kind_match *owns, *watches, *reads;
    size_t owns_count, watches_count, reads_count;
    struct kind_write *writes;
    size_t writes_count;
    char **secrets, **http; /* NULL-terminated; never NULL */
    unsigned handlers;      /* enum definition_handler */
    struct kind_index *indexes;
    size_t index_count;
    char *config; /* JSON object of schemas, or NULL */
    unsigned concurrency;
    uint64_t resync_ns, retry_base_ns, retry_max_ns, debounce_ns, timeout_ns;
    unsigned retry_attempts; /* 0 = without end */
    double rate, burst;      /* rate 0 = none */
    char *cron, *zone;
    uint64_t deadline_ns;
    double order;
    struct webhook *webhooks;
    size_t webhook_count;
    char *crd; /* of a conversion, else NULL */
};

struct declared_crd {
    char *name; /* "appservices.app.example.com" */
    char *group, *kind, *plural;
    char **versions;    /* "v1", ...; NULL-terminated */
    char **with_status; /* those that have the status subresource; NULL-terminated */
    char *json;         /* the whole object */
    bool namespaced;
    bool converts; /* by a webhook of ours */
};

struct declaration {
    struct definition *definitions;
    size_t count;
    struct declared_crd *crds;
    size_t crd_count;
};

/* NULL: INVALID (the message names definition and field), NOMEM. */
struct declaration *declaration_parse(struct str json, struct error *err);
void declaration_destroy(struct declaration *declaration); /* NULL is fine */

/* May the definition read that kind from the cache / do `verb` on it? Verbs as RBAC's. The primary
 * may be got, updated, patched; owned kinds all; `writes` as listed. On false, *err (FORBIDDEN)
 * says which line to add. */
bool definition_may_read(const struct definition *definition, const char *kind, struct error *err);
bool definition_may_write(const struct definition *definition, const char *kind, const char *verb,
                          struct error *err);
/* Is it answered over HTTPS: has it webhooks, or is it a conversion? */
bool definition_serves(const struct definition *definition);
bool definition_owns(const struct definition *definition, const char *kind);

#endif
