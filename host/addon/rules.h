#ifndef MOONLET_ADDON_RULES_H
#define MOONLET_ADDON_RULES_H

#include "addon/declaration.h"

/*
 * Rules: the RBAC that a declaration needs, least privilege.
 *
 * Is:      computed from kinds, handlers and writes alone; plurals come from the file's own CRDs,
 *          a table of built-in kinds, or the English rule.
 * Is not:  asked of a server (runtime/access.h does).
 * Threads: pure. Yields: never.
 */
struct rule {
    char *group;    /* "" for core */
    char *resource; /* "deployments", "pods/eviction" */
    char *name;     /* resourceName, or NULL */
    char *ns;       /* where it is enough to have it, or NULL: everywhere */
    unsigned verbs; /* enum rule_verb */
};
enum rule_verb {
    RULE_GET = 1,
    RULE_LIST = 2,
    RULE_WATCH = 4,
    RULE_CREATE = 8,
    RULE_UPDATE = 16,
    RULE_PATCH = 32,
    RULE_DELETE = 64
};
extern const char *const rule_verb_names[7]; /* by bit */

struct rules {
    struct rule *items;
    size_t count, cap;
};
/* Adds what one definition needs; equal targets are merged. A kind that is declared without
 * namespaces is needed in `namespaces` (--namespace; NULL: everywhere). 0 or NOMEM. */
int rules_for_definition(struct rules *rules, const struct declaration *declaration,
                         const struct definition *definition, char *const *namespaces,
                         struct error *err);

struct rules_host { /* how the host will be run */
    const char *ns; /* where it lives: Events about files */
    const char *lease_name, *lease_ns;
    const char *config_map;  /* "ns/name", or NULL */
    char *const *namespaces; /* as above */
    bool apply_crds;
    bool apply_webhooks;        /* else they come with a package and only get their caBundle */
    const char *webhook_secret; /* "ns/name" of the certificate, or NULL: none is shared */
};
/* Adds what the host itself needs: Events, the Lease, the ConfigMap of settings, the CRDs, webhook
 * configurations and the certificate by name. 0; INVALID (config_map is not "ns/name"), NOMEM. */
int rules_for_host(struct rules *rules, const struct declaration *const *declarations, size_t count,
                   const struct rules_host *host, struct error *err);
/* Do both say the same, in the same order? */
bool rules_equal(const struct rules *a, const struct rules *b);
void rules_finish(struct rules *rules);

/* Plural and scope of a kind without a server. *ret_known is false when it was guessed. */
char *kind_plural(const struct declaration *declaration, const char *api_version, const char *kind,
                  bool *ret_namespaced, bool *ret_known);

#endif
