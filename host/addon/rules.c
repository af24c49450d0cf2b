#include "addon/rules.h"

#include "addon/registration.h"

#include <ctype.h>
#include <string.h>

#include "base/mem.h"

const char *const rule_verb_names[7] = {"get",    "list",  "watch", "create",
                                        "update", "patch", "delete"};

/* Built-in kinds whose plural is not the English rule's, and all that are cluster-scoped. */
static const struct {
    const char *group, *kind, *plural;
    bool namespaced;
} built_in[] = {
    {"", "Endpoints", "endpoints", true},
    {"", "Namespace", "namespaces", false},
    {"", "Node", "nodes", false},
    {"", "PersistentVolume", "persistentvolumes", false},
    {"", "ComponentStatus", "componentstatuses", false},
    {"admissionregistration.k8s.io", "MutatingWebhookConfiguration",
     "mutatingwebhookconfigurations", false},
    {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration",
     "validatingwebhookconfigurations", false},
    {"apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", false},
    {"certificates.k8s.io", "CertificateSigningRequest", "certificatesigningrequests", false},
    {"networking.k8s.io", "IngressClass", "ingressclasses", false},
    {"node.k8s.io", "RuntimeClass", "runtimeclasses", false},
    {"rbac.authorization.k8s.io", "ClusterRole", "clusterroles", false},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false},
    {"scheduling.k8s.io", "PriorityClass", "priorityclasses", false},
    {"storage.k8s.io", "StorageClass", "storageclasses", false},
    {"storage.k8s.io", "CSIDriver", "csidrivers", false},
    {"storage.k8s.io", "CSINode", "csinodes", false},
    {"storage.k8s.io", "VolumeAttachment", "volumeattachments", false},
};

static struct str group_of(const char *api_version) {
    const char *slash = strchr(api_version, '/');
    return str_n(api_version, slash ? (size_t)(slash - api_version) : 0);
}

/* Built-in kinds without a status. */
static const char *const without_status[] = {
    "v1/ConfigMap",
    "v1/Secret",
    "v1/ServiceAccount",
    "v1/Event",
    "v1/Endpoints",
    "v1/PodTemplate",
    "v1/LimitRange",
    "apps/v1/ControllerRevision",
    "coordination.k8s.io/v1/Lease",
    "discovery.k8s.io/v1/EndpointSlice",
    "networking.k8s.io/v1/NetworkPolicy",
    "networking.k8s.io/v1/IngressClass",
    "rbac.authorization.k8s.io/v1/Role",
    "rbac.authorization.k8s.io/v1/RoleBinding",
    "rbac.authorization.k8s.io/v1/ClusterRole",
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding",
    "storage.k8s.io/v1/StorageClass",
    "scheduling.k8s.io/v1/PriorityClass",
};

static bool listed(char *const *texts, const char *text) {
    for (; *texts; texts++)
        if (strcmp(*texts, text) == 0)
            return true;
    return false;
}

static bool has_status(const struct declaration *declaration, const struct kind_match *match) {
    for (size_t i = 0; i < sizeof without_status / sizeof *without_status; i++)
        if (strcmp(match->kind, without_status[i]) == 0)
            return false;
    struct str group = group_of(match->api_version);
    for (size_t i = 0; i < declaration->crd_count; i++) {
        const struct declared_crd *crd = &declaration->crds[i];
        if (str_is(group, crd->group) && strcmp(match->kind_name, crd->kind) == 0)
            return listed(crd->with_status, match->api_version + group.len + 1);
    }
    return true;
}

static const char *const built_in_groups[] = {
    "",
    "apps",
    "batch",
    "autoscaling",
    "policy",
    "networking.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
};

static char *english_plural(const char *kind) {
    char lower[128];
    size_t len = strlen(kind);
    if (len >= sizeof lower)
        return NULL;
    for (size_t i = 0; i <= len; i++)
        lower[i] = (char)tolower((unsigned char)kind[i]);
    struct str text = str_n(lower, len);
    if (str_ends_with(text, "y") && len > 1 && strchr("aeiou", lower[len - 2]) == NULL)
        return mem_printf("%.*sies", (int)len - 1, lower);
    if (str_ends_with(text, "s") || str_ends_with(text, "x") || str_ends_with(text, "ch") ||
        str_ends_with(text, "sh"))
        return mem_printf("%ses", lower);
    return mem_printf("%ss", lower);
}

char *kind_plural(const struct declaration *declaration, const char *api_version, const char *kind,
                  bool *ret_namespaced, bool *ret_known) {
    struct str group = group_of(api_version);
    for (size_t i = 0; declaration && i < declaration->crd_count; i++)
        if (str_is(group, declaration->crds[i].group) &&
            strcmp(kind, declaration->crds[i].kind) == 0) {
            *ret_namespaced = declaration->crds[i].namespaced;
            *ret_known = true;
            return mem_strdup(declaration->crds[i].plural);
        }
    *ret_namespaced = true;
    *ret_known = false;
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (str_is(group, built_in[i].group) && strcmp(kind, built_in[i].kind) == 0) {
            *ret_namespaced = built_in[i].namespaced;
            *ret_known = true;
            return mem_strdup(built_in[i].plural);
        }
    for (size_t i = 0; i < sizeof built_in_groups / sizeof *built_in_groups; i++)
        *ret_known |= str_is(group, built_in_groups[i]);
    return english_plural(kind);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int add_rule(struct rules *rules, struct str group, const char *resource, const char *name,
                    const char *ns, unsigned verbs, struct error *err) {
    for (size_t i = 0; i < rules->count; i++) {
        struct rule *rule = &rules->items[i];
        if (str_is(group, rule->group) && strcmp(rule->resource, resource) == 0 &&
            same_text(rule->name, name) && same_text(rule->ns, ns)) {
            rule->verbs |= verbs;
            return 0;
        }
    }
    struct rule rule = {.group = mem_strndup(group.data, group.len),
                        .resource = mem_strdup(resource),
                        .name = mem_strdup(name),
                        .ns = mem_strdup(ns),
                        .verbs = verbs};
    if (rule.group && rule.resource && (rule.name || !name) && (rule.ns || !ns) &&
        mem_grow(&rules->items, &rules->cap, rules->count + 1, sizeof rule) == 0) {
        rules->items[rules->count++] = rule;
        return 0;
    }
    mem_free(rule.group);
    mem_free(rule.resource);
    mem_free(rule.name);
    mem_free(rule.ns);
    return error_set(err, ERROR_NOMEM, "no memory for the permissions");
}

struct target {
    struct rules *rules;
    const struct declaration *declaration;
    char *const *namespaces; /* of what names none itself; NULL: everywhere */
    struct error *err;
    bool failed;
};

/* One rule everywhere, or in each of the namespaces. */
static void want_in(struct target *target, struct str group, const char *resource, const char *name,
                    char *const *namespaces, unsigned verbs) {
    if (namespaces == NULL)
        target->failed |=
            add_rule(target->rules, group, resource, name, NULL, verbs, target->err) < 0;
    for (; namespaces && *namespaces; namespaces++)
        target->failed |=
            add_rule(target->rules, group, resource, name, *namespaces, verbs, target->err) < 0;
}

/* Rules for a kind; what it does not say itself about namespaces is the target's. */
static void want(struct target *target, const char *api_version, const char *kind,
                 const char *subresource, char *const *namespaces, unsigned verbs) {
    bool namespaced, known;
    CLEANUP(mem_freep)
    char *plural = kind_plural(target->declaration, api_version, kind, &namespaced, &known);
    CLEANUP(mem_freep)
    char *resource =
        plural && subresource ? mem_printf("%s/%s", plural, subresource) : mem_strdup(plural);
    if (resource == NULL) {
        target->failed = true;
        error_set(target->err, ERROR_NOMEM, "no memory for the permissions");
        return;
    }
    if (namespaces == NULL)
        namespaces = target->namespaces;
    want_in(target, group_of(api_version), resource, NULL, namespaced ? namespaces : NULL, verbs);
}

enum { READ = RULE_GET | RULE_LIST | RULE_WATCH };

static void want_match(struct target *target, const struct kind_match *match,
                       const char *subresource, unsigned verbs) {
    want(target, match->api_version, match->kind_name, subresource, match->namespaces, verbs);
    if (match->namespace_labels && subresource == NULL)
        want(target, "v1", "Namespace", NULL, NULL, READ);
}

static void want_write(struct target *target, const struct kind_write *write) {
    static const struct {
        const char *verb, *subresource;
        unsigned bits;
    } table[] = {{"get", NULL, RULE_GET},
                 {"create", NULL, RULE_CREATE},
                 {"update", NULL, RULE_GET | RULE_PATCH},
                 {"patch", NULL, RULE_GET | RULE_PATCH},
                 {"delete", NULL, RULE_DELETE},
                 {"scale", "scale", RULE_PATCH},
                 {"evict", "eviction", RULE_CREATE},
                 {"bind", "binding", RULE_CREATE},
                 {"token", "token", RULE_CREATE}};
    if (write->verbs == NULL) {
        want(target, write->api_version, write->kind_name, NULL, NULL,
             RULE_GET | RULE_CREATE | RULE_PATCH | RULE_DELETE);
        return;
    }
    for (char **verb = write->verbs; *verb; verb++)
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
            if (strcmp(*verb, table[i].verb) == 0)
                want(target, write->api_version, write->kind_name, table[i].subresource, NULL,
                     table[i].bits);
}

/* "ns/name", or a name alone: in the namespace of the object that the handler is for. */
static void want_named(struct target *target, const char *resource, const char *ns_name,
                       char *const *namespaces, unsigned verbs) {
    const char *slash = strchr(ns_name, '/');
    CLEANUP(mem_freep) char *ns = slash ? mem_strndup(ns_name, (size_t)(slash - ns_name)) : NULL;
    if (slash && ns == NULL) {
        target->failed = true;
        error_set(target->err, ERROR_NOMEM, "no memory for the permissions");
        return;
    }
    want_in(target, str_of(""), resource, slash ? slash + 1 : ns_name,
            slash ? (char *const[]){ns, NULL} : namespaces, verbs);
}

int rules_for_definition(struct rules *rules, const struct declaration *declaration,
                         const struct definition *d, char *const *namespaces, struct error *err) {
    struct target target = {rules, declaration, namespaces, err, false};
    if (d->has_resource) {
        unsigned verbs = READ | RULE_PATCH;
        want_match(&target, &d->resource, NULL, verbs);
        if (has_status(declaration, &d->resource))
            want_match(&target, &d->resource, "status", RULE_PATCH);
        if (d->owns_count > 0) /* blockOwnerDeletion */
            want_match(&target, &d->resource, "finalizers", RULE_UPDATE);
    }
    for (size_t i = 0; i < d->owns_count; i++)
        want_match(&target, &d->owns[i], NULL, READ | RULE_CREATE | RULE_PATCH | RULE_DELETE);
    for (size_t i = 0; i < d->watches_count; i++)
        want_match(&target, &d->watches[i], NULL, READ);
    for (size_t i = 0; i < d->reads_count; i++)
        want_match(&target, &d->reads[i], NULL, READ);
    for (size_t i = 0; i < d->writes_count; i++)
        want_write(&target, &d->writes[i]);
    for (char **secret = d->secrets; *secret; secret++)
        want_named(&target, "secrets", *secret,
                   d->resource.namespaces ? d->resource.namespaces : namespaces, RULE_GET);
    return target.failed ? ERROR_NOMEM : 0;
}

/* Events stand where their objects do; those about cluster-scoped ones, in "default". */
static void want_events(struct target *target, const struct definition *d) {
    char *const fallback[] = {(char *)"default", NULL};
    char *const *namespaces = target->namespaces;
    bool namespaced = true, known;
    if (d->has_resource) {
        mem_free(kind_plural(target->declaration, d->resource.api_version, d->resource.kind_name,
                             &namespaced, &known));
        namespaces = !namespaced              ? fallback
                     : d->resource.namespaces ? d->resource.namespaces
                                              : namespaces;
    }
    want_in(target, str_of(""), "events", NULL, namespaces, RULE_CREATE | RULE_PATCH);
}

static void want_crds(struct target *target, bool apply) {
    static const char crds[] = "customresourcedefinitions";
    struct str extensions = str_of("apiextensions.k8s.io");
    size_t count = target->declaration->crd_count;
    for (size_t i = 0; i < count; i++)
        want_in(target, extensions, crds, target->declaration->crds[i].name, NULL,
                RULE_GET | (apply || target->declaration->crds[i].converts ? RULE_PATCH : 0));
    if (count > 0 && apply) /* create cannot be limited by name */
        want_in(target, extensions, crds, NULL, NULL, RULE_CREATE);
}

/* The definition's webhook configurations. */
static void want_configurations(struct target *target, const struct definition *d, bool apply) {
    static const char *const collections[] = {"mutatingwebhookconfigurations",
                                              "validatingwebhookconfigurations"};
    struct str admission = str_of("admissionregistration.k8s.io");
    CLEANUP(mem_freep) char *name = registration_name(d);
    if (name == NULL) {
        target->failed = true;
        error_set(target->err, ERROR_NOMEM, "no memory for the permissions");
        return;
    }
    for (int i = 0; i < 2; i++) {
        bool has = false;
        for (size_t k = 0; k < d->webhook_count; k++)
            has |= d->webhooks[k].validates == (i == 1);
        if (!has)
            continue;
        want_in(target, admission, collections[i], name, NULL,
                RULE_PATCH | (apply ? RULE_DELETE : 0));
        if (apply) /* neither can be limited by name */
            want_in(target, admission, collections[i], NULL, NULL, RULE_LIST | RULE_CREATE);
    }
}

static void want_serving(struct target *target, const struct rules_host *host) {
    bool serves = false;
    for (size_t i = 0; i < target->declaration->count; i++) {
        const struct definition *d = &target->declaration->definitions[i];
        serves |= definition_serves(d);
        if (d->webhook_count > 0)
            want_configurations(target, d, host->apply_webhooks);
    }
    const char *slash = host->webhook_secret ? strchr(host->webhook_secret, '/') : NULL;
    if (!serves || slash == NULL)
        return;
    CLEANUP(mem_freep)
    char *ns = mem_strndup(host->webhook_secret, (size_t)(slash - host->webhook_secret));
    target->failed |= ns == NULL;
    want_named(target, "secrets", host->webhook_secret, NULL, RULE_GET | RULE_UPDATE);
    want_in(target, str_of(""), "secrets", NULL, (char *const[]){ns, NULL}, RULE_CREATE);
}

int rules_for_host(struct rules *rules, const struct declaration *const *declarations, size_t count,
                   const struct rules_host *host, struct error *err) {
    struct str coordination = str_of("coordination.k8s.io");
    char *const here[] = {(char *)(uintptr_t)host->ns, NULL};
    char *const lease[] = {(char *)(uintptr_t)host->lease_ns, NULL};
    struct target target = {rules, NULL, host->namespaces, err, false};
    if (host->config_map && strchr(host->config_map, '/') == NULL)
        return error_set(err, ERROR_INVALID, "--config-map \"%s\": written namespace/name",
                         host->config_map);
    want_in(&target, str_of(""), "events", NULL, host->namespaces ? here : NULL,
            RULE_CREATE | RULE_PATCH);
    want_in(&target, coordination, "leases", host->lease_name, lease, RULE_GET | RULE_UPDATE);
    want_in(&target, coordination, "leases", NULL, lease, RULE_CREATE); /* not limited by name */
    if (host->config_map)
        want_named(&target, "configmaps", host->config_map, NULL, READ);
    for (size_t i = 0; i < count; i++) {
        target.declaration = declarations[i];
        for (size_t k = 0; host->namespaces && k < declarations[i]->count; k++)
            want_events(&target, &declarations[i]->definitions[k]);
        want_crds(&target, host->apply_crds);
        want_serving(&target, host);
    }
    return target.failed ? ERROR_NOMEM : 0;
}

bool rules_equal(const struct rules *a, const struct rules *b) {
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct rule *x = &a->items[i], *y = &b->items[i];
        if (strcmp(x->group, y->group) != 0 || strcmp(x->resource, y->resource) != 0 ||
            !same_text(x->name, y->name) || !same_text(x->ns, y->ns) || x->verbs != y->verbs)
            return false;
    }
    return true;
}

void rules_finish(struct rules *rules) {
    for (size_t i = 0; i < rules->count; i++) {
        mem_free(rules->items[i].group);
        mem_free(rules->items[i].resource);
        mem_free(rules->items[i].name);
        mem_free(rules->items[i].ns);
    }
    mem_free(rules->items);
    *rules = (struct rules){0};
}
